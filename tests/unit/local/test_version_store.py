"""The folder of a project, also when whoever writes it dies in between."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from labelloop.local import version_store as store_module
from labelloop.local.project_state import ProjectState, Promoted
from labelloop.local.version_store import ProjectStore, Store, StoreError

ONE, TWO, THREE = (f"model-{number:012x}" for number in (1, 2, 3))


def made(folder: Path, name: str) -> Path:
    path = folder / f"made-{name}"
    path.mkdir(parents=True)
    (path / "model.json").write_text(name)
    return path


def promote(store: ProjectStore, version: str) -> None:
    store.add(made(store.directory, version), version)
    store.change(lambda state: state.promoted(Promoted(version, "now")))


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    return Store(tmp_path).project(7)


@pytest.fixture
def three(store: ProjectStore) -> ProjectStore:
    for version in (ONE, TWO, THREE):
        promote(store, version)
    return store


def test_nothing_there_is_a_cold_start(store: ProjectStore):
    assert store.read() == ProjectState()
    assert store.versions() == []
    assert store.stamp() == (0, 0)
    assert (store.requested(), store.hinted()) == (None, 0)


def test_every_change_of_the_state_shows_in_its_stamp(store: ProjectStore):
    stamps = {store.stamp()}
    for version in (ONE, TWO):
        promote(store, version)
        stamps.add(store.stamp())
    assert len(stamps) == 3


def test_versions_come_in_the_order_of_their_promotion(three: ProjectStore):
    assert three.versions() == [ONE, TWO, THREE]
    assert three.read().current == THREE


def test_a_rollback_goes_back_one_by_one_and_forward_by_name(three: ProjectStore):
    assert three.rollback() == TWO
    assert three.rollback() == ONE
    with pytest.raises(StoreError, match="no version before"):
        three.rollback()
    assert three.rollback(THREE) == THREE
    assert three.read().current == THREE
    assert three.rollback() == TWO


def test_an_unknown_version_is_told_with_those_that_are_there(three: ProjectStore):
    with pytest.raises(StoreError, match=f"model-ffffffffffff; there are: {ONE}, {TWO}, {THREE}"):
        three.rollback("model-ffffffffffff")


def test_pruning_keeps_the_newest_and_the_one_that_serves(three: ProjectStore):
    three.rollback(ONE)
    assert three.prune(1) == [TWO]
    assert three.versions() == [ONE, THREE]
    assert three.prune(5) == []


def test_a_damaged_state_falls_back_to_the_newest_version(three: ProjectStore, caplog: pytest.LogCaptureFixture):
    (three.directory / "state.json").write_text("{")
    assert three.read().current == THREE
    assert "state.json" in caplog.text


def test_only_names_of_versions_become_folders(store: ProjectStore, tmp_path: Path):
    with pytest.raises(StoreError, match="is not of the form"):
        store.add(made(tmp_path, "x"), "../../etc")


def test_a_version_that_is_there_already_stays(store: ProjectStore, tmp_path: Path):
    promote(store, ONE)
    other = made(tmp_path, "other")
    store.add(other, ONE)
    assert (store.path_of(ONE) / "model.json").read_text() == ONE


def test_requests_and_hints_differ_from_the_ones_before(store: ProjectStore):
    first = store.request()
    assert store.requested() == first
    assert store.request() != first
    store.hint()
    assert store.hinted() > 0


def test_projects_are_found_by_number(tmp_path: Path):
    store = Store(tmp_path)
    assert store.projects() == []
    for name in ("7", "12", "7-1.2-999", "x"):
        (tmp_path / "projects" / name).mkdir(parents=True)
    assert store.projects() == [7, 12]


def test_a_project_laid_aside_is_no_project_any_more(three: ProjectStore, tmp_path: Path):
    aside = three.lay_aside("7.1795325720/../..")
    assert Store(tmp_path).projects() == []
    assert (aside / "versions" / ONE).is_dir()


class Killed(BaseException):
    """Stands for SIGKILL."""


STEPS: list[tuple[object, str]] = [
    (os, "fsync"),
    (Path, "rename"),
    (Path, "replace"),
    (Path, "open"),
    (Path, "mkdir"),
    (Path, "unlink"),
    (store_module.shutil, "rmtree"),
]


def killed_at(step: int, after: bool, monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> bool:
    """Run `action`, killed before or after its Nth change of the disk; False when it has fewer."""
    count = 0

    def watched(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == step and not after:
                raise Killed
            result = original(*arguments, **options)
            if count == step:
                raise Killed
            return result

        return call

    with monkeypatch.context() as patched:
        for owner, name in STEPS:
            patched.setattr(owner, name, watched(getattr(owner, name)))
        try:
            action()
        except Killed:
            return True
    return False


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_of_a_promotion_one_whole_version_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
):
    step, killed = 0, True
    while killed:
        step += 1
        store = Store(tmp_path / str(step)).project(7)
        promote(store, ONE)
        made(store.directory, TWO)

        def promotion(store: ProjectStore = store) -> None:
            store.clean_up()
            store.add(store.directory / f"made-{TWO}", TWO)
            store.change(lambda state: state.promoted(Promoted(TWO, "now")))
            store.prune(1)

        killed = killed_at(step, after, monkeypatch, promotion)
        again = Store(tmp_path / str(step)).project(7)
        current = again.read().current
        assert current in (ONE, TWO)
        assert (again.path_of(str(current)) / "model.json").read_text() == current
        again.clean_up()
        assert all((again.path_of(version) / "model.json").read_text() == version for version in again.versions())
        promote_again = again.directory / "made-again"
        promote_again.mkdir()
        (promote_again / "model.json").write_text(THREE)
        again.add(promote_again, THREE)
        again.change(lambda state: state.promoted(Promoted(THREE, "now")))
        assert again.read().current == THREE
    assert step > 8
