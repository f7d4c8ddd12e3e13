"""The peer: label-studio-ml's sklearn_text_classifier, from a checkout that the user names.

Installed in the order of its Dockerfile into an environment of its own, trained through its own `fit`, and started with
the command of its Dockerfile and the settings of its docker-compose.yml. Two things differ from its README, since
neither a Label Studio nor its git host is there: `fit` is handed the tasks that it would download, and label-studio-ml
is the checkout itself, with the newest label-studio-sdk that is published.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

from bench.label_studio_requests import CONTROL, label_config
from bench.report import ROOT
from bench.server import Launch, Running, labels_of, serving

EXAMPLE = "label_studio_ml/examples/sklearn_text_classifier"
ENVIRONMENT = ROOT / "build/bench/peer"
TRAINING = Path(__file__).with_name("peer_training.py")
IN_MEMORY = Path("/dev/shm")
_GIT = re.compile(r"^([\w-]+) @ git\+")


def install(checkout: Path, environment: Path = ENVIRONMENT) -> Path:
    """The Python of the peer's environment, made on first use.

    Leaves the program with one line on stderr when the checkout has no such example.
    """
    example = checkout / EXAMPLE
    if not (example / "model.py").is_file():
        raise SystemExit(
            f"{checkout} has no {EXAMPLE}/model.py: give --peer-checkout a clone of label-studio-ml-backend"
        )
    python = environment / "bin/python"
    done = environment / ".installed"
    if done.is_file():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
    # One after the other, as its Dockerfile: the second undoes a pin of the first.
    for file in (checkout / "requirements.txt", example / "requirements-base.txt", example / "requirements.txt"):
        packages = [line for line in map(_published, file.read_text().splitlines()) if line]
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python), *packages], check=True
        )
    done.touch()
    return python


def _published(line: str) -> str | None:
    """A requirement without its git address; None for a comment and for the checkout itself."""
    line = line.split("#", maxsplit=1)[0].strip()
    from_git = _GIT.match(line)
    if from_git is None:
        return line or None
    return None if from_git[1] == "label-studio-ml" else from_git[1]


def train(checkout: Path, python: Path, rows: Sequence[tuple[str, str]], folder: Path) -> None:
    """Write `folder`/model.pkl by the peer's own fit on `rows`."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [
        {"data": {"text": text}, "annotations": [{"result": [{"from_name": CONTROL, "value": {"choices": [label]}}]}]}
        for text, label in rows
    ]
    given = json.dumps({"label_config": label_config(labels_of(rows)), "tasks": tasks})
    environment = {**os.environ, "PYTHONPATH": str(checkout), "MODEL_DIR": str(folder)}
    subprocess.run(
        [str(python), str(TRAINING)],
        input=given.encode(),
        env=environment,
        cwd=checkout / EXAMPLE,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def copy_model(folder: Path, target: Path) -> None:
    """The trained model alone, without the peer's database."""
    shutil.copy(folder / "model.pkl", target)


def launch(checkout: Path, python: Path, folder: Path, port: int, log_level: str = "DEBUG") -> Launch:
    """How the peer is started with the model in `folder`; defaults are those of its docker-compose.yml."""
    environment = {
        "PYTHONPATH": str(checkout),
        "PYTHONUNBUFFERED": "1",
        "MODEL_DIR": str(folder),
        "LOG_LEVEL": log_level,
    }
    command = [
        *(str(python), "-m", "gunicorn", "--preload", "--bind", f"127.0.0.1:{port}"),
        *("--workers", "1", "--threads", "8", "--timeout", "0", "_wsgi:app"),
    ]
    return Launch(command, environment, checkout / EXAMPLE)


@contextmanager
def serve(checkout: Path, python: Path, folder: Path, log: Path, log_level: str = "DEBUG") -> Iterator[Running]:
    """The peer with the model in `folder`, running."""
    port = free_port()
    with serving(launch(checkout, python, folder, port, log_level), port, log) as running:
        yield running
