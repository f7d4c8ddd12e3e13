"""The layers with a model, or with the code of one: the same files give the same bytes."""

import gzip
import io
import tarfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from labelloop.publishing.registry import sha256

# `opt` itself has no entry: one would overwrite owner and mode that the base image gave it.
MODEL_FOLDER = "opt/labelloop/model"
CODE_FOLDER = "opt/labelloop/code"
_PARENT = "opt/labelloop"
_OTHER_FOLDERS = ("model.json", "pyvenv.cfg")
"""What tells a trained model or a virtual environment from code."""
COMPRESSION = 1  # arrays of floating-point numbers hardly shrink more, and the rollout waits for this


class LayerError(ValueError):
    """A folder cannot become a layer."""


@dataclass(frozen=True)
class Layer:
    """A layer of an image."""

    archive: bytes = field(repr=False)
    """The tar, uncompressed."""

    @cached_property
    def compressed(self) -> bytes:
        """What is pushed: gzip without a time in it."""
        return gzip.compress(self.archive, COMPRESSION, mtime=0)

    @property
    def diff_id(self) -> str:
        """The digest of the tar, which the image's configuration lists."""
        return sha256(self.archive)


def model_layer(directory: Path, leave_out: Collection[str] = ()) -> Layer:
    """The files below `directory` as `/opt/labelloop/model`: owner root, 0755 and 0644, times zero, sorted.

    `leave_out` names files in `directory` itself that do not belong to the model.
    Raises LayerError when there is no `model.json`, or something that is neither a file nor a folder.
    """
    if not (directory / "model.json").is_file():
        raise LayerError(f"{directory}: there is no model.json, so there is no model to publish")
    paths = (path for path in sorted(directory.rglob("*")) if path.parent != directory or path.name not in leave_out)
    return _layer(directory, paths, MODEL_FOLDER, "a model")


def code_layer(directory: Path) -> Layer:
    """The code of a custom model as `/opt/labelloop/code`, owned and dated like a model's files.

    Left out: hidden files, what Python compiled, tests (`test_*`), virtual environments, trained models.
    Raises LayerError when no Python file is left, or for something that is neither a file nor a folder.
    """
    if not directory.is_dir():
        raise LayerError(f"{directory} is no folder")
    paths = [*_code(directory)]
    if not any(path.suffix == ".py" for path in paths):
        raise LayerError(f"{directory}: there is no Python file, so there is no model class to publish")
    return _layer(directory, paths, CODE_FOLDER, "code")


def _code(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith((".", "test_")) or path.name == "__pycache__":
            continue
        if any((path / name).exists() for name in _OTHER_FOLDERS):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _code(path)


def _layer(directory: Path, paths: Iterable[Path], folder: str, what: str) -> Layer:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for parent in (_PARENT, folder):
            archive.addfile(_folder(parent))
        for path in paths:
            name = f"{folder}/{path.relative_to(directory).as_posix()}"
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise LayerError(f"{path}: {what} holds files and folders only")
            if path.is_dir():
                archive.addfile(_folder(name))
            else:
                content = path.read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
    return Layer(buffer.getvalue())


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry
