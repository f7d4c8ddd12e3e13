"""The folder of one project: versions, state, requests. Any moment is a good one to be killed at.

    versions/model-0123456789ab/   a model directory, complete from the moment it has this name
    state.json                     which version serves and what was counted; replaced by rename
    snapshot.jsonl.gz, ...         what the newest training read, for the next one
    work/                          the training under way; removed before the next
    hint, requested, announced     from the workers: something changed, Start Training was pressed, what is announced
    activity.json                  what the trainer last observed, for the model page
    batch-prediction.json          how the newest batch prediction ended

A version is written elsewhere, flushed to the disk, renamed into place, and only then named in `state.json`.
"""

import fcntl
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from labelloop.local.activity import Activity
from labelloop.local.project_state import ProjectState, Promoted, StateError

STATE_FILE, ACTIVITY_FILE = "state.json", "activity.json"
_VERSION = re.compile(r"model-[0-9a-f]{12}")

log = logging.getLogger(__name__)


class StoreError(ValueError):
    """A command cannot be done; the message says why and what to do."""


class ProjectStore:
    """One project's folder; made when something is first written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.versions_directory = directory / "versions"
        self.work_directory = directory / "work"
        self._state_path = directory / STATE_FILE

    @property
    def project(self) -> int:
        """Its number in Label Studio."""
        return int(self.directory.name)

    # State

    def stamp(self) -> tuple[int, int]:
        """Changes whenever the state does; (0, 0) before there is one."""
        try:
            status = self._state_path.stat()
        except OSError:
            return 0, 0
        return status.st_mtime_ns, status.st_ino

    def read(self) -> ProjectState:
        """The state; a damaged one is reported and counts as: the newest version that is there, nothing counted."""
        try:
            return ProjectState.from_json(self._state_path.read_bytes())
        except FileNotFoundError:
            return ProjectState()
        except (OSError, StateError) as error:
            found = self._versions_by_age()
            log.error("%s %s: going on with %s", self._state_path, error, found[-1] if found else "a cold start")
            return ProjectState(current=found[-1] if found else None)

    def change(self, change: Callable[[ProjectState], ProjectState]) -> ProjectState:
        """Replace the state by what `change` makes of it; one process at a time."""
        with self._locked():
            before = self.read()
            after = change(before)
            if after != before or not self._state_path.exists():
                write_durably(self._state_path, after.to_json())
            return after

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Versions

    def path_of(self, version: str) -> Path:
        """The model directory of a version."""
        return self.versions_directory / version

    def versions(self) -> list[str]:
        """Versions whose files are there, oldest promotion first."""
        there = self._versions_by_age()
        promoted = [entry.version for entry in self.read().history if entry.version in there]
        return [*(version for version in there if version not in promoted), *promoted]

    def add(self, model: Path, version: str) -> None:
        """Move a finished model directory among the versions; a version already there stays, being the same."""
        if not _VERSION.fullmatch(version):
            raise StoreError(f"version {version!r} is not of the form model-0123456789ab")
        target = self.path_of(version)
        if target.exists():
            return
        for file in model.iterdir():
            _flush(file)
        _flush(model)
        self.versions_directory.mkdir(parents=True, exist_ok=True)
        model.rename(target)
        _flush(self.versions_directory)

    def rollback(self, version: str | None = None) -> str:
        """Let `version`, or the one promoted before the current one, serve again. Raises StoreError."""
        there = self.versions()
        state = self.read()
        wanted = version or _before(there, state.current)
        if wanted is None:
            raise StoreError(f"project {self.project} has no version before {state.current or 'its cold start'}")
        if wanted not in there:
            told = ", ".join(there) or "none"
            raise StoreError(f"project {self.project} has no version {wanted}; there are: {told}")
        self.change(lambda state: _serving_again(state, wanted))
        return wanted

    def prune(self, keep: int) -> list[str]:
        """Remove all but the `keep` newest versions and the one that serves; gives what was removed."""
        with self._locked():
            current = self.read().current
            there = self.versions()
            goes = [version for version in there[: max(len(there) - keep, 0)] if version != current]
            for version in goes:
                # First out of sight, so that nobody loads half of it.
                hidden = self.versions_directory / f".{version}-{time.monotonic_ns()}"
                self.path_of(version).rename(hidden)
                shutil.rmtree(hidden, ignore_errors=True)
        return goes

    def clean_up(self) -> None:
        """Remove what a killed process left; not while a training is under way."""
        with self._locked():
            shutil.rmtree(self.work_directory, ignore_errors=True)
            for path in self.directory.glob(f"{STATE_FILE}.*.tmp"):
                path.unlink(missing_ok=True)
            for path in self.versions_directory.glob(".*"):
                shutil.rmtree(path, ignore_errors=True)

    def lay_aside(self, key: str) -> Path:
        """Move the folder away, since it belongs to another project of the same number."""
        aside = self.directory.with_name(f"{self.directory.name}-{re.sub('[^0-9.]', '', key)[:40]}-{time.time_ns()}")
        self.directory.rename(aside)
        return aside

    def _versions_by_age(self) -> list[str]:
        try:
            found = [path for path in self.versions_directory.iterdir() if _VERSION.fullmatch(path.name)]
        except OSError:
            return []
        return [path.name for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    # What workers tell the trainer

    def hint(self) -> None:
        """Something changed in the project: count soon."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "hint").touch()

    def hinted(self) -> int:
        """Changes with each hint."""
        try:
            return (self.directory / "hint").stat().st_mtime_ns
        except OSError:
            return 0

    def announce(self, version: str) -> None:
        """Label Studio is given this version from now on."""
        (self.directory / "announced").write_text(version)

    def announced(self) -> str | None:
        """The version that was announced last; None: not known."""
        try:
            return (self.directory / "announced").read_text()
        except OSError:
            return None

    def request(self) -> str:
        """Somebody wants a training: it stands on the disk when this returns."""
        self.directory.mkdir(parents=True, exist_ok=True)
        request = str(time.time_ns())
        write_durably(self.directory / "requested", request.encode())
        return request

    def requested(self) -> str | None:
        """The newest request, handled or not."""
        try:
            return (self.directory / "requested").read_text()
        except OSError:
            return None

    # What the trainer tells people

    def show(self, activity: Activity) -> None:
        """Replace what is shown. Not flushed: after a power failure the trainer writes it again."""
        path = self.directory / ACTIVITY_FILE
        hidden = path.with_name(f".{ACTIVITY_FILE}")
        hidden.write_bytes(activity.to_json())
        hidden.replace(path)

    def shown(self) -> Activity | None:
        """What the trainer last observed; None: nothing yet."""
        try:
            return Activity.from_json((self.directory / ACTIVITY_FILE).read_bytes())
        except OSError:
            return None


class Store:
    """MODEL_DIR: all projects of one backend."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def project(self, number: int) -> ProjectStore:
        """A project's folder, there or not."""
        return ProjectStore(self.directory / "projects" / str(number))

    def projects(self) -> list[int]:
        """Numbers of the projects that have a folder."""
        try:
            names = [path.name for path in (self.directory / "projects").iterdir()]
        except OSError:
            return []
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file by rename, with its content on the disk before and the new name after."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _before(there: list[str], current: str | None) -> str | None:
    if current not in there:
        return there[-1] if there else None
    position = there.index(current)
    return there[position - 1] if position else None


def _serving_again(state: ProjectState, version: str) -> ProjectState:
    known = next((entry for entry in state.history if entry.version == version), None)
    if known is None:
        return state.promoted(Promoted(version, datetime.now(UTC).isoformat()))
    # The place in the history stays: a second rollback goes one further back.
    return replace(state, current=version, since=datetime.now(UTC).isoformat())
