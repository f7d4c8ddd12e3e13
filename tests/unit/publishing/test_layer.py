"""The layer with the model."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from labelloop.publishing.layer import LayerError, code_layer, model_layer
from labelloop.publishing.registry import sha256


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "more").mkdir(parents=True)
    (folder / "model.json").write_bytes(b"{}")
    (folder / "arrays.npz").write_bytes(bytes(2000))
    (folder / "more" / "a").write_bytes(b"a")
    return folder


def entries(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        return file.getmembers()


def test_files_lie_where_the_server_looks_and_belong_to_root(model: Path):
    found = {entry.name: (entry.mode, entry.isdir(), entry.size) for entry in entries(model_layer(model).archive)}

    assert found == {
        "opt/labelloop": (0o755, True, 0),
        "opt/labelloop/model": (0o755, True, 0),
        "opt/labelloop/model/arrays.npz": (0o644, False, 2000),
        "opt/labelloop/model/model.json": (0o644, False, 2),
        "opt/labelloop/model/more": (0o755, True, 0),
        "opt/labelloop/model/more/a": (0o644, False, 1),
    }
    assert {(one.uid, one.gid, one.mtime, one.uname) for one in entries(model_layer(model).archive)} == {(0, 0, 0, "")}


def test_folders_come_before_what_is_in_them(model: Path):
    names = [entry.name for entry in entries(model_layer(model).archive)]
    for name in names:
        parent = name.rpartition("/")[0]
        assert parent == "opt" or names.index(parent) < names.index(name)


def test_times_modes_and_order_of_creation_leave_no_trace(model: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    (copy / "more").mkdir(parents=True)
    for path in sorted((p for p in model.rglob("*") if p.is_file()), reverse=True):
        target = copy / path.relative_to(model)
        target.write_bytes(path.read_bytes())
        target.chmod(0o600)
        os.utime(target, (1, 1))

    assert model_layer(copy).archive == model_layer(model).archive
    assert model_layer(copy).compressed == model_layer(model).compressed


def test_another_byte_gives_another_layer(model: Path):
    before = model_layer(model)
    (model / "arrays.npz").write_bytes(bytes(1999) + b"\x01")

    assert model_layer(model).diff_id != before.diff_id


def test_the_diff_id_is_that_of_what_is_unpacked(model: Path):
    layer = model_layer(model)
    assert layer.diff_id == sha256(gzip.decompress(layer.compressed))


@pytest.mark.parametrize("kind", ["missing folder", "no model.json", "link"])
def test_what_cannot_be_a_model_is_refused(model: Path, kind: str):
    if kind == "link":
        (model / "secret").symlink_to("/etc/passwd")
    else:
        (model / "model.json").unlink()
    with pytest.raises(LayerError, match=r"model"):
        model_layer(model.parent / "none" if kind == "missing folder" else model)


def test_a_named_file_of_the_folder_itself_is_left_out(model: Path):
    (model / "result.json").write_bytes(b"{}")
    (model / "more" / "result.json").write_bytes(b"{}")
    names = {entry.name for entry in entries(model_layer(model, leave_out=("result.json",)).archive)}
    assert "opt/labelloop/model/result.json" not in names
    assert "opt/labelloop/model/more/result.json" in names


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    for name in (
        "sorter.py",
        "words/__init__.py",
        "words/common.json",
        "test_sorter.py",
        ".git/config",
        "__pycache__/sorter.pyc",
        "words/__pycache__/a.pyc",
        "venv/pyvenv.cfg",
        "venv/lib/a.py",
        "model/model.json",
        "model/arrays.npz",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_code_is_what_a_training_imports(code: Path):
    found = {entry.name: (entry.mode, entry.uid, entry.mtime) for entry in entries(code_layer(code).archive)}
    assert found == {
        "opt/labelloop": (0o755, 0, 0),
        "opt/labelloop/code": (0o755, 0, 0),
        "opt/labelloop/code/sorter.py": (0o644, 0, 0),
        "opt/labelloop/code/words": (0o755, 0, 0),
        "opt/labelloop/code/words/__init__.py": (0o644, 0, 0),
        "opt/labelloop/code/words/common.json": (0o644, 0, 0),
    }
    before = code_layer(code).diff_id
    (code / "sorter.py").touch()
    assert code_layer(code).diff_id == before


def test_a_folder_without_code_is_no_code(tmp_path: Path, code: Path):
    with pytest.raises(LayerError, match="no Python file"):
        code_layer(tmp_path / "code/model")
    with pytest.raises(LayerError, match="is no folder"):
        code_layer(tmp_path / "none")
    (code / "words/link.py").symlink_to("/etc/passwd")
    with pytest.raises(LayerError, match="files and folders only"):
        code_layer(code)
