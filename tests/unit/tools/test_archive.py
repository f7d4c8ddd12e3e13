"""Docker archives."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from tools.images.archive import ImageArchive
from tools.images.cache import BuildError

LAYERS = [b"lower" * 1000, b"upper"]


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    config = {"config": {"User": "1034:1034"}, "rootfs": {"type": "layers", "diff_ids": [sha(one) for one in LAYERS]}}
    members = {"0/layer.tar": LAYERS[0], "1/layer.tar": LAYERS[1], "c.json": json.dumps(config).encode()}
    members["manifest.json"] = json.dumps([{"Config": "c.json", "Layers": ["0/layer.tar", "1/layer.tar"]}]).encode()
    with tarfile.open(tmp_path / "image.tar", "w") as file:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return tmp_path / "image.tar"


def test_layers_are_compressed_in_order_and_with_the_same_bytes_each_time(archive: Path, tmp_path: Path):
    image = ImageArchive.read(archive)

    first = image.compressed_layers(tmp_path / "one")
    second = image.compressed_layers(tmp_path / "two")

    assert [gzip.decompress(file.read_bytes()) for file in first] == LAYERS
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_a_compressed_layer_is_taken_from_the_cache(archive: Path, tmp_path: Path):
    image = ImageArchive.read(archive)
    (first, _) = image.compressed_layers(tmp_path / "cache")
    first.write_bytes(b"kept")

    assert image.compressed_layers(tmp_path / "cache")[0].read_bytes() == b"kept"


@pytest.mark.parametrize("content", [b"", b"no tar"])
def test_something_else_is_refused_with_the_remedy(tmp_path: Path, content: bytes):
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(BuildError, match=r"x\.tar is no docker archive.*make image"):
        ImageArchive.read(tmp_path / "x.tar")


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(BuildError, match=r"none\.tar"):
        ImageArchive.read(tmp_path / "none.tar")
