"""What the workers of one server share: the agreement per project, and which worker has loaded what.

Files in a folder, guarded by flock: the kernel lets go of a killed worker's locks, so nothing needs tidying up. An
exchange costs a few microseconds and is done on the event loop.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import orjson

from labelloop.local.version_handover import Handover

T = TypeVar("T")
Announcement = tuple[Handover, T]
_RECORD_BYTES = 512


class WorkerState:
    """One per worker; the first one of a server starts with an empty board."""

    def __init__(self, directory: Path) -> None:
        """`directory` belongs to one server: workers of another must not share it."""
        directory.mkdir(parents=True, exist_ok=True)
        self._records: dict[int, int] = {}
        self._directory = directory
        with (directory / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._living():
                for path in directory.iterdir():
                    if path.name != "lock":
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
            name = f"{os.getpid()}-{secrets.token_hex(4)}"
            self._path = directory / f"worker-{name}"
            self._worker = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._worker, fcntl.LOCK_EX)
            (directory / name).rename(self._path)  # seen by others only now: unlocked it would look like a dead one

    def close(self) -> None:
        """This worker loads and answers no more."""
        self._path.unlink(missing_ok=True)
        for descriptor in (self._worker, *self._records.values()):
            os.close(descriptor)
        self._records.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def report_loaded(self, versions: Mapping[int, frozenset[str]]) -> None:
        """What this worker can answer with, by project."""
        content = orjson.dumps({str(project): sorted(loaded) for project, loaded in versions.items()})
        os.pwrite(self._worker, content, 0)
        os.ftruncate(self._worker, len(content))

    def all_have(self, project: int, version: str) -> bool:
        """Whether every living worker that knows the project has loaded `version`."""
        for path in self._living():
            try:
                loaded = orjson.loads(path.read_bytes())
            except FileNotFoundError:
                continue  # it has just ended
            except orjson.JSONDecodeError:
                return False  # it is being written, or the worker is starting
            if version not in loaded.get(str(project), ()):
                return False
        return True

    def exchange(self, project: int, first: Handover, change: Callable[[Handover], Announcement[T]]) -> T:
        """Replace a project's agreement by what `change` makes of it, alone; `first` when there is none yet."""
        record = self._record(project)
        fcntl.flock(record, fcntl.LOCK_EX)
        try:
            content = os.pread(record, _RECORD_BYTES, 0)
            before = Handover(*orjson.loads(content)) if content else first
            after, result = change(before)
            if after != before or not content:
                told = orjson.dumps([after.announced, after.setup_at, after.ready_since])
                os.pwrite(record, told.ljust(_RECORD_BYTES), 0)
            return result
        finally:
            fcntl.flock(record, fcntl.LOCK_UN)

    def _record(self, project: int) -> int:
        if project not in self._records:
            path = self._directory / f"project-{project}"
            self._records[project] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._records[project]

    def _living(self) -> list[Path]:
        """Files of the workers that live; those of dead ones are removed."""
        living = []
        for path in self._directory.glob("worker-*"):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                living.append(path)
            else:
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
        return living
