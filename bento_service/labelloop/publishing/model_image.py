"""The model in a published image, without the rest of the image: its uppermost layer."""

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from labelloop.publishing.append import LISTS
from labelloop.publishing.layer import MODEL_FOLDER
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository

MAX_BYTES = 512 * 1024**2
"""Of the layer, compressed or not. A model for 1,000 classes takes some 10 MB."""
MAX_FILES = 1_000


class NotAModelImageError(ValueError):
    """What the reference names has no layer of ours with a model."""


def pull_model(repository: Repository, reference: Reference, directory: Path) -> None:
    """Write the model's files into `directory`, made when missing. Raises RegistryError, NotAModelImageError."""
    manifest = repository.manifest(reference.version)
    document = manifest.document()
    try:
        if manifest.media_type in LISTS:
            # Every image of the list got the same layer.
            document = repository.manifest(document["manifests"][0]["digest"]).document()
        digest = str(document["layers"][-1]["digest"])
    except (KeyError, IndexError, TypeError):
        raise NotAModelImageError(f"{reference} is no image with layers") from None
    directory.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=directory.parent) as folder:
        archive = Path(folder) / "layer.tar.gz"
        repository.blob_to_file(digest, archive, MAX_BYTES)
        try:
            _extract(archive, directory)
        except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise NotAModelImageError(f"the uppermost layer of {reference} cannot be read: {error}") from None
    if not (directory / "model.json").is_file():
        raise NotAModelImageError(f"the uppermost layer of {reference} holds no model")


def _extract(archive: Path, directory: Path) -> None:
    """Only plain files of the model's folder: nothing else in a layer may touch this machine."""
    left, files = MAX_BYTES, 0
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            inner = PurePosixPath(member.name.removeprefix("./"))
            left, files = left - member.size, files + 1
            if left < 0 or files > MAX_FILES:
                raise NotAModelImageError(f"the model's layer holds more than {MAX_BYTES} bytes or {MAX_FILES} files")
            if not member.isreg() or ".." in inner.parts or not inner.is_relative_to(MODEL_FOLDER):
                continue
            target = directory / inner.relative_to(MODEL_FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            content = tar.extractfile(member)
            target.write_bytes(content.read() if content else b"")
