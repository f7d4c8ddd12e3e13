"""Where built things are kept between checkouts, and how files get there whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class BuildError(Exception):
    """Something that the person at the keyboard can mend; the message says what and how."""


def cache_directory() -> Path:
    """`$LABELLOOP_CACHE`, else `$XDG_CACHE_HOME/labelloop`, else `~/.cache/labelloop`; made when missing."""
    configured = os.environ.get("LABELLOOP_CACHE")
    parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(configured) if configured else Path(parent) / "labelloop"
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`; the kernel lets go of it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another build, which holds {path} ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path to write to, renamed to `path` at the end: a killed build leaves no half file under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def place(source: Path, target: Path) -> None:
    """Let `target` be the file `source`: a hard link, or a copy when they are on different file systems."""
    if target.exists() and target.samefile(source):
        return
    with written_whole(target) as partial:
        partial.unlink()
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)


def digest_of(parts: Iterable[bytes | str]) -> str:
    """Return the first 16 hex digits of a SHA-256 over the parts, each with its length before it."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()[:16]


def keep_newest(pattern: str, directory: Path, count: int) -> None:
    """Delete all but the `count` newest files of `directory` that match `pattern`."""
    newest_first = sorted(directory.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[count:]:
        path.unlink(missing_ok=True)
