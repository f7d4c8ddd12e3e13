"""The layer with the model: the same files give the same bytes."""

import gzip
import io
import tarfile
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from labelloop.publishing.registry import sha256

# `opt` itself has no entry: one would overwrite owner and mode that the base image gave it.
MODEL_FOLDER = "opt/labelloop/model"
_PARENTS = ("opt/labelloop", MODEL_FOLDER)
COMPRESSION = 1  # arrays of floating-point numbers hardly shrink more, and the rollout waits for this


class LayerError(ValueError):
    """The model directory cannot become a layer."""


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
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for parent in _PARENTS:
            archive.addfile(_folder(parent))
        for path in sorted(directory.rglob("*")):
            if path.parent == directory and path.name in leave_out:
                continue
            name = f"{MODEL_FOLDER}/{path.relative_to(directory).as_posix()}"
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise LayerError(f"{path}: a model holds files and folders only")
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
