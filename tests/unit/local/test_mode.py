"""Two workers in one process: they tell one version, whatever is loaded where."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.waiting import until
from tests.support.serving_models import train

from labelloop.local.local_settings import LocalSettings
from labelloop.local.mode import LocalMode
from labelloop.local.project_state import Promoted
from labelloop.local.version_store import ProjectStore, Store
from labelloop.prediction.predictor import Predictor

COLD = "cold-000000000000"
ONE, TWO = "model-000000000001", "model-000000000002"
KEY = "7.1795325720"


class NoTrainer:
    """Stands for one that runs in another worker."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


def settings(folder: Path) -> LocalSettings:
    return LocalSettings.from_environment({"MODEL_DIR": str(folder), "LABEL_STUDIO_API_KEY": "0" * 40})


@asynccontextmanager
async def worker(folder: Path, server: str = "9090") -> AsyncIterator[LocalMode]:
    mode = LocalMode(settings(folder), Predictor(COLD, None), server, NoTrainer())
    await mode.start()
    try:
        yield mode
    finally:
        await mode.stop()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for version in (ONE, TWO):
        train(folder / version, version=version)
    return folder


def promote(folder: Path, models: Path, version: str, project: int = 7) -> ProjectStore:
    store = Store(folder).project(project)
    copy = folder / f"copy-{version}-{project}"
    copy.mkdir()
    for file in (models / version).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    store.add(copy, version)
    store.change(lambda state: state.promoted(Promoted(version, "now")))
    return store


async def told(mode: LocalMode, key: object = KEY) -> str:
    return (await mode.predictor(key)).version


async def until_told(version: str, *modes: LocalMode) -> set[tuple[str, ...]]:
    """Wait until all tell `version`; gives what they passed on the way, asked one right after the other."""
    seen: set[tuple[str, ...]] = set()
    async with asyncio.timeout(300):
        while (version,) * len(modes) not in seen:
            seen.add(tuple([await told(mode) for mode in modes]))
            await asyncio.sleep(0.005)
    return seen


async def test_a_project_nobody_trained_gets_what_the_backend_starts_with(tmp_path: Path):
    async with worker(tmp_path) as mode:
        assert (await mode.setup(KEY)).version == COLD
        assert await told(mode) == COLD
        assert mode.versions() == [COLD]
        assert Store(tmp_path).projects() == [7]


async def test_the_models_on_disk_serve_right_from_the_start(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    promote(tmp_path, models, TWO, project=8)
    async with worker(tmp_path) as mode:
        assert await told(mode) == ONE
        assert await told(mode, "8.1") == TWO
        assert await told(mode, 8) == TWO
        assert await told(mode, "9.1") == COLD
        assert mode.versions() == [ONE, TWO]


@pytest.mark.parametrize("key", [None, "", "x", True, -1, "0", "1" * 40, {}, "7.x"])
async def test_a_request_that_names_no_project_means_the_only_one(tmp_path: Path, models: Path, key: object):
    promote(tmp_path, models, ONE)
    async with worker(tmp_path) as mode:
        assert await told(mode, key) == ONE
        assert [shown.predictor.version for shown in mode.shown()] == [ONE]


async def test_two_workers_switch_together_and_only_when_both_have_it(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    async with worker(tmp_path) as one, worker(tmp_path) as two:
        assert {await told(one), await told(two)} == {ONE}
        promote(tmp_path, models, TWO)
        seen = await until_told(TWO, one, two)
        assert seen <= {(ONE, ONE), (TWO, TWO)}


async def test_a_setup_just_answered_keeps_its_version_for_the_predict_that_follows(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    async with worker(tmp_path) as one, worker(tmp_path) as two:
        announced = (await one.setup(KEY)).version
        promote(tmp_path, models, TWO)
        await until(lambda: two.versions() == [TWO], "the new version is wanted")
        assert await told(two) == announced == ONE
        await until(lambda: one.shown()[0].predictor.version == TWO, "shown")
        await until_told(TWO, two)
        assert (await one.setup(KEY)).version == TWO


async def test_every_swap_is_one_line_in_the_log_whoever_announces_it(
    tmp_path: Path, models: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "labelloop")

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if "serving" in record.getMessage()]

    promote(tmp_path, models, ONE)
    async with worker(tmp_path) as mode:
        assert lines() == [f"Project 7: serving {ONE}"], "after a start the trained model is named"
        store = promote(tmp_path, models, TWO)
        await mode._load_wanted(mode._projects[7])  # the poller has loaded it, and /setup comes before its next look
        assert (await mode.setup(KEY)).version == TWO
        assert lines()[1:] == [f"Project 7: serving {TWO}"]
        store.rollback()
        await until_told(ONE, mode)
        assert lines()[2:] == [f"Project 7: serving {ONE}"]


async def test_all_projects_are_shown_or_the_one_that_is_asked_for(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    promote(tmp_path, models, TWO, project=8)
    async with worker(tmp_path) as mode:
        assert [shown.predictor.version for shown in mode.shown()] == [ONE, TWO]
        assert mode.projects == [7, 8]
        found = mode.shown_for("8")
        assert found is not None
        assert found.predictor.version == TWO
        for unknown in ("99", "abc", "", "07", "7.1"):
            assert mode.shown_for(unknown) is None


async def test_a_worker_that_starts_in_between_answers_what_the_others_announce(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    async with worker(tmp_path) as one:
        await one.setup(KEY)
        promote(tmp_path, models, TWO)
        async with worker(tmp_path) as two:
            assert await told(one) == await told(two)


async def test_a_damaged_version_leaves_the_one_before_serving(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    store = promote(tmp_path, models, TWO)
    (store.path_of(TWO) / "arrays.npz").write_bytes(b"damaged")
    async with worker(tmp_path) as mode:
        assert await told(mode) == ONE


async def test_a_rollback_by_command_is_followed(tmp_path: Path, models: Path):
    promote(tmp_path, models, ONE)
    store = promote(tmp_path, models, TWO)
    async with worker(tmp_path) as mode:
        assert await told(mode) == TWO
        assert store.rollback() == ONE
        await until_told(ONE, mode)


async def test_another_project_of_the_same_number_does_not_get_the_old_ones_model(tmp_path: Path, models: Path):
    store = promote(tmp_path, models, ONE)
    store.change(lambda state: replace(state, key=KEY))
    async with worker(tmp_path) as mode:
        assert await told(mode, KEY) == ONE
        assert await told(mode, "7.1800000000") == COLD


async def test_start_training_stands_on_the_disk_before_it_is_accepted(tmp_path: Path):
    async with worker(tmp_path) as mode:
        assert mode.request_training(KEY) is None
        assert Store(tmp_path).project(7).requested()
        mode.hint("8.1")
        assert Store(tmp_path).project(8).hinted()


async def test_without_a_connection_start_training_is_refused_and_no_folder_is_made(tmp_path: Path):
    mode = LocalMode(LocalSettings.from_environment({"MODEL_DIR": str(tmp_path)}), Predictor(COLD, None), "9090")
    await mode.start()
    assert "LABEL_STUDIO_API_KEY" in (mode.request_training(KEY) or "")
    assert (await mode.setup(KEY)).version == COLD
    mode.hint(KEY)
    assert Store(tmp_path).projects() == []
    await mode.stop()


class Closing:
    """A custom model, in as far as local mode sees one."""

    closed = False

    model_class = "Closing"

    def __init__(self, version: str) -> None:
        self.version = version

    def close(self) -> None:
        self.closed = True


async def test_a_model_that_answered_for_one_that_is_lost_goes_on(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
):
    loaded = {TWO: Closing(TWO)}
    promote(tmp_path, models, ONE)
    async with worker(tmp_path) as one:
        await one.setup(KEY)
        promote(tmp_path, models, TWO)
        monkeypatch.setattr("labelloop.local.mode.load", lambda _store, version, _own: loaded.get(version))
        async with worker(tmp_path) as two:
            assert await two.predictor(KEY) is loaded[TWO], "what the others announce cannot be loaded here"
            await until_told(TWO, one, two)
            await two._look()
            assert await two.predictor(KEY) is loaded[TWO]
            assert not loaded[TWO].closed
