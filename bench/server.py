"""Servers started for a measurement: on loopback, with their output in a file, ended afterwards."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import http_load
from bench.label_studio_requests import CONTROL, label_config

START_SECONDS = 120


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    pid: int


@contextmanager
def serving(
    command: Sequence[str], environment: Mapping[str, str], port: int, log: Path, folder: Path | None = None
) -> Iterator[Running]:
    """Run `command` until the block ends; it is ready when GET /health answers 200.

    Raises RuntimeError with the end of its output when it exits or does not answer in START_SECONDS.
    """
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} does not answer at {url}:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield Running(url, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def ours(rows: Sequence[tuple[str, str]], folder: Path) -> Iterator[Running]:
    """`labelloop serve` with a model trained by the library on all `rows` with its defaults."""
    from labelloop.datasets.examples import Example
    from labelloop.label_config import parse_label_config
    from labelloop.models.text_classifier import TextClassifier

    schema = parse_label_config(label_config(labels_of(rows)))
    examples = [Example(number, text, {CONTROL: (label,)}) for number, (text, label) in enumerate(rows)]
    model = TextClassifier.fit(examples, schema, {})
    model.version = "model-000000000000"
    model.save(folder / "model")
    port = free_port()
    environment = {
        "PORT": str(port),
        "LABELLOOP_MODEL_DIR": str(folder / "model"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with serving([sys.executable, "-m", "labelloop", "serve"], environment, port, folder / "ours.log") as running:
        yield running


def labels_of(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Every label once, sorted."""
    return sorted({label for _text, label in rows})


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def resident_megabytes(pid: int) -> float:
    """Memory of a process and its children."""
    status = Path(f"/proc/{pid}/status").read_text()
    own = int(status.split("VmRSS:")[1].split()[0]) / 1024
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(resident_megabytes(int(child)) for child in children)


def _answers(url: str) -> bool:
    try:
        http_load.fetch(url, http_load.request(url, "/health"))
    except OSError:
        return False
    return True
