"""Servers started for a measurement: on loopback, with their output in a file, ended afterwards."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

from bench import http_load
from bench.label_studio_requests import CONTROL, label_config
from bench.report import ROOT

START_SECONDS = 120


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    pid: int


@dataclass(frozen=True)
class Launch:
    """How a server is started."""

    command: Sequence[str]
    environment: Mapping[str, str]
    """Beyond that of this process."""
    folder: Path | None = None
    """Where it runs."""

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Its process, with the output in `log`."""
        with log.open("wb") as output:
            return subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )


@contextmanager
def serving(launch: Launch, port: int, log: Path) -> Iterator[Running]:
    """Run a server until the block ends; it is ready when GET /health answers 200.

    Raises RuntimeError with the end of its output when it exits or does not answer in START_SECONDS.
    """
    url = f"http://127.0.0.1:{port}"
    process = launch.start(log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{launch.command[0]} does not answer at {url}:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield Running(url, process.pid)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to end, and see that it does."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def ours(rows: Sequence[tuple[str, str]], folder: Path) -> Iterator[Running]:
    """`labelloop serve` with a model trained by the library on all `rows` with its defaults."""
    train_ours(rows, folder / "model")
    port = free_port()
    with serving(launch_ours(folder / "model", port), port, folder / "ours.log") as running:
        yield running


def train_ours(rows: Sequence[tuple[str, str]], folder: Path) -> None:
    """Write the model that the library fits to all `rows` with its defaults."""
    from labelloop.datasets.examples import Example
    from labelloop.label_config.schema import parse_label_config
    from labelloop.models.text_classifier.text_classifier import TextClassifier

    schema = parse_label_config(label_config(labels_of(rows)))
    examples = [Example(number, text, {CONTROL: (label,)}) for number, (text, label) in enumerate(rows)]
    model = TextClassifier.fit(examples, schema, {})
    model.version = "model-000000000000"
    model.save(folder)


def launch_ours(model: Path, port: int) -> Launch:
    """How `labelloop serve` is started with a model folder."""
    environment = {
        "PYTHONPATH": str(ROOT / "bento_service"),
        "PORT": str(port),
        "LABELLOOP_MODEL_DIR": str(model),
        "BENTOML_HOME": str(model.parent / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    return Launch([sys.executable, "-m", "labelloop", "serve"], environment)


def labels_of(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Every label once, sorted."""
    return sorted({label for _text, label in rows})


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
