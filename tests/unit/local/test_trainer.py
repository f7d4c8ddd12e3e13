"""What the trainer leaves for the model page: pending updates, a training under way, a Label Studio that is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN, FakeLabelStudio

from labelloop.label_studio.client import LabelStudioClient
from labelloop.local.activity import Activity
from labelloop.local.local_settings import LocalSettings
from labelloop.local.trainer import LocalTrainer
from labelloop.local.version_store import ProjectStore, Store


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        fake.add_project(7, 20)
        yield fake


def settings(folder: Path, fake: FakeLabelStudio) -> LocalSettings:
    return LocalSettings.from_environment(
        {
            "MODEL_DIR": str(folder),
            "LABEL_STUDIO_URL": fake.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "START_TRAINING_EACH_N_UPDATES": "50",
            "LABELLOOP_POLL_SECONDS": "0.1",
        }
    )


@pytest.fixture
def trainer(tmp_path: Path, fake: FakeLabelStudio) -> LocalTrainer:
    store(tmp_path).hint()
    return LocalTrainer(settings(tmp_path, fake))


@pytest.fixture
def client(tmp_path: Path, fake: FakeLabelStudio) -> Iterator[LabelStudioClient]:
    credentials = settings(tmp_path, fake).credentials
    assert credentials is not None
    with LabelStudioClient(credentials) as client:
        yield client


def store(folder: Path) -> ProjectStore:
    return Store(folder).project(7)


def after_a_tick(trainer: LocalTrainer, client: LabelStudioClient, folder: Path) -> Activity:
    """What is shown once the trainer has counted; a poll is always due."""
    if 7 in trainer._tallies:
        trainer._tallies[7]._polled_at = None
    trainer._tick(client)
    shown = store(folder).shown()
    assert shown is not None
    return shown


def test_pending_updates_and_a_label_studio_that_is_away(
    tmp_path: Path, fake: FakeLabelStudio, trainer: LocalTrainer, client: LabelStudioClient
):
    fake.annotate(7, 3)
    assert after_a_tick(trainer, client, tmp_path) == Activity(50, pending=3)
    fake.token = "x" * 40
    away = after_a_tick(trainer, client, tmp_path)
    assert "token" in (away.problem or "")
    assert away.problem_since is not None
    assert away.pending == 3, "what was counted before"
    fake.token = TOKEN
    fake.annotate(7, 2)
    assert after_a_tick(trainer, client, tmp_path) == Activity(50, pending=5)


def test_a_training_under_way_and_its_end(tmp_path: Path, trainer: LocalTrainer, client: LabelStudioClient):
    store(tmp_path).request()
    assert after_a_tick(trainer, client, tmp_path).training_since is not None
    assert trainer._training is not None
    trainer._training.process.kill()
    trainer._training.process.wait()
    trainer._see_training()
    shown = store(tmp_path).shown()
    assert shown is not None
    assert shown.training_since is None


def test_what_cannot_be_read_is_not_shown(tmp_path: Path):
    assert store(tmp_path).shown() is None
    store(tmp_path).hint()
    for content in (b"", b"{", b"[]", b'{"unknown": 1}'):
        (store(tmp_path).directory / "activity.json").write_bytes(content)
        assert store(tmp_path).shown() is None
