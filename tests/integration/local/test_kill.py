"""Killed at any moment: the last good model is on disk, and what was not trained is trained again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN, FakeLabelStudio
from tests.support.waiting import eventually

from labelloop.local.version_store import Store
from labelloop.models import load_model

ROOT = Path(__file__).parents[3]
PROJECT = 7
TRAININGS = 50
PATIENCE = 300.0

# Everything a training needs is imported once; each training is then a fork that lives for a tenth of a second.
NURSERY = """
import os, signal, sys, time
import sklearn.linear_model, labelloop.models.text_classifier.text_classifier
from labelloop.local import training_process as training
for line in sys.stdin:
    attempt, kill_after = line.split()
    child = os.fork()
    if not child:
        os._exit(training.main({**os.environ, "LABELLOOP_ATTEMPT": attempt}))
    if kill_after != "never":
        time.sleep(float(kill_after))
        os.kill(child, signal.SIGKILL)  # not waited for yet: until then the number is nobody else's
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        fake.add_project(PROJECT, 0)
        for number in range(4):
            add_pair(fake, number)
        yield fake


def add_pair(fake: FakeLabelStudio, number: int) -> None:
    fake.add_labelled(PROJECT, f"invoice charge {number}", "billing")
    fake.add_labelled(PROJECT, f"password login {number}", "login")


def variables(fake: FakeLabelStudio, folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT / "bento_service"),
        "OPENBLAS_NUM_THREADS": "1",
        "MODEL_DIR": str(folder),
        "LABEL_STUDIO_URL": fake.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "LABELLOOP_PROJECT": str(PROJECT),
    }


class Nursery:
    """Starts trainings that can be killed."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            text=True,
        )

    def train(self, attempt: str, kill_after: float | None = None) -> int:
        """The training's exit status, negative the signal that killed it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{attempt} {'never' if kill_after is None else kill_after}\n")
        self._process.stdin.flush()
        return os.waitstatus_to_exitcode(int(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)


def test_killed_at_random_during_fifty_trainings(fake: FakeLabelStudio, tmp_path: Path):
    chance = random.Random(20261122)
    store = Store(tmp_path).project(PROJECT)
    nursery = Nursery(variables(fake, tmp_path), tmp_path / "log")
    assert nursery.train("first") == 0, nursery.log.read_text()
    began = time.monotonic()
    assert nursery.train("second") == 0, nursery.log.read_text()
    whole = time.monotonic() - began
    killed = 0
    for attempt in range(TRAININGS):
        add_pair(fake, 100 + attempt)
        code = nursery.train(str(attempt), kill_after=chance.uniform(0, whole * 1.2))
        assert code in (0, -signal.SIGKILL), nursery.log.read_text()
        killed += code != 0
        whole *= 1.1 if code else 0.8  # as fast as the machine is just now: some are killed, some are not
        state = store.read()
        assert state.current is not None
        assert load_model(store.path_of(state.current)).version == state.current
        assert all(load_model(store.path_of(version)).version == version for version in store.versions())
    print(f"{killed} of {TRAININGS} trainings killed by SIGKILL; a good model on disk each time")
    assert killed > 5

    add_pair(fake, 1000)
    assert nursery.train("last") == 0, nursery.log.read_text()
    nursery.close()
    state = store.read()
    assert state.last is not None
    assert (state.last.attempt, state.last.outcome) == ("last", "Trained")
    assert state.cut.size == 2 * (4 + TRAININGS + 1)
    assert not store.work_directory.exists()


def test_a_server_killed_while_it_trains_serves_its_last_model_and_trains_again(fake: FakeLabelStudio, tmp_path: Path):
    from tests.integration.serving.conftest import serve

    models = tmp_path / "models"
    store = Store(models).project(PROJECT)
    settings = variables(fake, models) | {"START_TRAINING_EACH_N_UPDATES": "2"}
    with serve(tmp_path, settings | {"LABELLOOP_PROJECTS": str(PROJECT)}) as server:
        eventually(lambda: store.read().current, PATIENCE, server.told)
        first = store.read().current
        eventually(lambda: not store.work_directory.exists(), PATIENCE, server.told)
        # A training lasts a tenth of a second: without an answer it stays in the middle until it is killed.
        fake.held = store.work_directory.exists
        add_pair(fake, 50)
        store.hint()
        eventually(store.work_directory.exists, PATIENCE, server.told)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(PATIENCE)
    assert store.read().cut.size == 8
    fake.held = lambda: False
    with serve(tmp_path, settings) as server:
        health = server.call("GET", "/health").json()
        assert health["model_version"].startswith("model-")
        eventually(lambda: store.read().cut.size == 10, PATIENCE, server.told)
        assert store.read().current != first
