"""Docker archives (`docker save`): their parts, and layers compressed once for all registries."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tools.images.cache import BuildError, keep_newest, written_whole

COMPRESSION = 1  # on two cores compressing costs more than the bytes it saves on the way to a registry next door
BLOBS_KEPT = 30
CHUNK = 1024**2


@dataclass(frozen=True)
class ImageArchive:
    """A docker archive that holds one image."""

    path: Path
    config: bytes
    layer_members: tuple[str, ...]
    """Names of the layers' tars in the archive, lowest first."""

    @classmethod
    def read(cls, path: Path) -> ImageArchive:
        """Raises BuildError for a file that is no docker archive of one image."""
        try:
            with tarfile.open(path, "r:") as archive:
                (image,) = json.loads(_member(archive, "manifest.json").read())
                return cls(path, _member(archive, image["Config"]).read(), tuple(image["Layers"]))
        except (OSError, tarfile.TarError, ValueError, KeyError) as error:
            raise BuildError(
                f"{path} is no docker archive of one image ({error}): make it with `make image`."
            ) from None

    @property
    def settings(self) -> dict[str, Any]:
        """Entry point, environment, labels and so on."""
        settings: dict[str, Any] = json.loads(self.config)["config"]
        return settings

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the layers' tars, lowest first."""
        return list(json.loads(self.config)["rootfs"]["diff_ids"])

    @contextmanager
    def layer(self, name: str) -> Iterator[IO[bytes]]:
        """A layer's tar as a stream."""
        with tarfile.open(self.path, "r:") as archive:
            yield _member(archive, name)

    def compressed_layers(self, cache: Path) -> list[Path]:
        """Files with the layers compressed, from the cache where it has them; the same tar gives the same bytes."""
        with ThreadPoolExecutor(2) as pool:
            files = list(
                pool.map(
                    lambda pair: self._compressed(cache, *pair), zip(self.diff_ids, self.layer_members, strict=True)
                )
            )
        for file in files:
            file.touch()
        keep_newest("*.gz", cache / "blobs", BLOBS_KEPT)
        return files

    def _compressed(self, cache: Path, diff_id: str, member: str) -> Path:
        file = cache / "blobs" / f"{diff_id.removeprefix('sha256:')}-{COMPRESSION}.gz"
        if not file.exists():
            with (
                written_whole(file) as partial,
                partial.open("wb") as raw,
                gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as target,
                self.layer(member) as source,
            ):
                shutil.copyfileobj(source, target, CHUNK)
        return file


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(f"{name} is missing")
    return member
