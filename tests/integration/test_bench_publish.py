"""The short form of `bench.publish`: ours alone, on a base image of a few bytes."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from bench import publish

from labelloop.publishing.reference import Reference


def base_archive(path: Path) -> Path:
    """A docker archive of an image with one small layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        _add(tar, "etc/os-release", b"Debian")
    diff_id = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer.getvalue())
        _add(archive, "config.json", json.dumps(config).encode())
        _add(archive, "manifest.json", json.dumps([{"Config": "config.json", "Layers": ["layer.tar"]}]).encode())
    return path


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def test_whole_images_are_pushed_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LABELLOOP_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "data.csv"
    data.write_text(
        "text,label\n" + "".join(f"where is parcel {n},delivery\nmoney back {n},refund\n" for n in range(20))
    )
    base = base_archive(tmp_path / "base.tar")
    options = ["--ours-only", "--base-archive", str(base), "--rounds", "2", "--out", str(tmp_path)]
    assert publish.main(["--data", str(data), *options]) == 0
    told = json.loads((tmp_path / "publish.json").read_text())
    assert told["rounds"] == len(told["seconds"]["ours"]) == 2
    assert all(min(steps.values()) >= 0 and sum(steps.values()) > 0 for steps in told["seconds"]["ours"])
    assert 0 < told["layer_bytes"] < 1_000_000
    assert told["ratios"] == {}
    page = (tmp_path / "publish.md").read_text()
    assert told["machine"] in page
    assert "| **ours** |" in page
    assert (tmp_path / "publish.svg").read_text().startswith("<?xml")


def test_an_image_with_another_model_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LABELLOOP_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text('{"format": 1}')
    with publish.sides(model, base_archive(tmp_path / "base.tar"), with_peer=False) as found:
        found["ours"](1)
        repository = found["ours"].args[2]
        assert isinstance(repository, Reference)
        publish.new_version(model, tmp_path / "other", 2)
        with pytest.raises(RuntimeError, match=r"another model\.json"):
            publish.check_image(repository, "model-000000000001", tmp_path / "other")
