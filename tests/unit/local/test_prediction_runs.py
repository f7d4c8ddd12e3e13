"""When local mode writes predictions: after a swap, once for each version, again after a failure."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.label_studio import TOKEN

from labelloop.local.local_settings import LocalSettings
from labelloop.local.prediction_runs import MOST_ATTEMPTS, PredictionRuns
from labelloop.local.version_store import ProjectStore, Store

FIRST, SECOND = "model-0000000000aa", "model-0000000000bb"


class Child:
    """A process that runs until a test ends it."""

    stdin = None

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self) -> int | None:
        return self.returncode

    def kill(self) -> None:
        self.returncode = -9

    def end(self, code: int, message: str = "wrote 3 predictions") -> None:
        Path(self.variables["LABELLOOP_TERMINATION_LOG"]).write_text(json.dumps({"message": message}))
        self.returncode = code


class World:
    """Project 7 with its runs, the processes they started, and a clock."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.store: ProjectStore = Store(folder).project(7)
        self.children: list[Child] = []
        self.now = 0.0
        given = {"MODEL_DIR": str(folder), "LABEL_STUDIO_API_KEY": TOKEN, "LABELLOOP_BACKOFF_SECONDS": "10"}
        settings = LocalSettings.from_environment(given | variables)
        self.runs = PredictionRuns(settings, {}, self._started, lambda: self.now)

    def _started(self, variables: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        self.children.append(Child(variables))
        return self.children[-1]  # type: ignore[return-value]

    def serve(self, version: str, announced: bool = True) -> None:
        self.store.change(lambda state: replace(state, current=version))
        if announced:
            self.store.announce(version)

    def look(self) -> None:
        self.runs.keep([self.store])

    @property
    def versions(self) -> list[str]:
        return [child.variables["LABELLOOP_MODEL_VERSION"] for child in self.children]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_each_version_is_written_once_after_it_is_announced(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    world.look()
    world.serve(FIRST, announced=False)
    world.look()
    assert world.versions == []
    world.serve(FIRST)
    world.look()
    world.look()
    child = world.children[0]
    assert child.variables["LABELLOOP_PROJECT"] == "7"
    assert child.variables["LABELLOOP_MODEL_DIR"].endswith(FIRST)
    child.end(0)
    world.look()
    world.look()
    assert world.versions == [FIRST]
    assert caplog.messages == ["Project 7: wrote 3 predictions"]
    world.serve(SECOND)
    world.look()
    assert world.versions == [FIRST, SECOND]


def test_a_newer_version_ends_the_run_of_the_older_one(world: World):
    world.serve(FIRST)
    world.look()
    world.serve(SECOND)
    world.look()
    assert world.children[0].returncode == -9
    assert world.versions == [FIRST, SECOND]


def test_a_failure_is_tried_again_after_a_pause_and_not_for_ever(world: World, caplog: pytest.LogCaptureFixture):
    world.serve(FIRST)
    for _ in range(MOST_ATTEMPTS + 2):
        world.look()
        if world.children[-1].returncode is None:
            world.children[-1].end(1, "no answer: check the url")
        world.look()
        world.look()
        world.now += 3600
    assert world.versions == [FIRST] * MOST_ATTEMPTS
    assert len(caplog.messages) == MOST_ATTEMPTS
    assert all("no answer: check the url" in message for message in caplog.messages)
    assert "the next version is waited for" in caplog.messages[-1]
    world.serve(SECOND)
    world.look()
    assert world.versions[-1] == SECOND


def test_the_pause_after_a_failure_is_kept(world: World):
    world.serve(FIRST)
    world.look()
    world.children[0].end(1)
    world.now = 9
    world.look()
    assert len(world.children) == 1
    world.now = 20
    world.look()
    assert len(world.children) == 2


def test_a_killed_run_without_a_result_is_a_failure(world: World, caplog: pytest.LogCaptureFixture):
    world.serve(FIRST)
    world.look()
    world.children[0].kill()
    world.look()
    assert "signal 9" in caplog.messages[0]


def test_a_run_that_the_end_of_the_server_cut_short_is_done_again(world: World, tmp_path: Path):
    world.serve(FIRST)
    world.look()
    world.runs.stop()
    assert world.children[0].returncode == -9
    again = World(tmp_path)
    again.look()
    assert again.versions == [FIRST]
    again.children[0].end(0)
    again.look()
    once_more = World(tmp_path)
    once_more.look()
    assert once_more.versions == []


def test_scope_none_writes_nothing(tmp_path: Path):
    world = World(tmp_path, LABELLOOP_PREDICTIONS_SCOPE="None")
    world.serve(FIRST)
    world.look()
    assert world.versions == []
