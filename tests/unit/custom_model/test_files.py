"""Model directories of custom models, as a hostile registry or a broken disk would hand them over."""

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import custom_models
from tests.support.custom_models import MODULE, VERSION, Obedient

from labelloop.models import ModelFileError, load_model
from labelloop.publishing.layer import model_layer
from labelloop.publishing.verify import judge


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return custom_models.stored(tmp_path_factory.mktemp("model"))


def copied(stored: Path, target: Path) -> Path:
    shutil.copytree(stored, target)
    return target


def test_what_was_saved_is_loaded_and_fits_into_a_layer(stored: Path) -> None:
    model = load_model(stored, Obedient)
    assert (model.version, model.labels) == (VERSION, {})
    assert model_layer(stored).archive == model_layer(stored).archive


def an_object_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def a_zipped_pickle() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.pkl", b"anything"),
        ("model.joblib", b"anything"),
        ("helper.py", b"pass"),
        ("deep/library.so", b"anything"),
        ("harmless.bin", pickle.dumps({"a": 1})),
        ("harmless.npy", an_object_array()),
        ("harmless.zip", a_zipped_pickle()),
    ],
)
def test_code_and_pickles_are_refused_on_reading_too(stored: Path, tmp_path: Path, name: str, content: bytes) -> None:
    folder = copied(stored, tmp_path / "model")
    (folder / "own" / name).parent.mkdir(exist_ok=True)
    (folder / "own" / name).write_bytes(content)
    with pytest.raises(ModelFileError, match="holds code or a pickle"):
        load_model(folder, Obedient)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "own" / "link").symlink_to("/etc/hostname"),
        lambda folder: os.mkfifo(folder / "own" / "pipe"),
        lambda folder: (folder / "own" / "more.json").write_text("{}"),
        lambda folder: (folder / "own" / "most.json").unlink(),
        lambda folder: (folder / "model.json").write_text("{"),
        lambda folder: (folder / "model.json").unlink(),
    ],
)
def test_other_files_than_saved_are_refused(stored: Path, tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    folder = copied(stored, tmp_path / "model")
    spoil(folder)
    with pytest.raises(ModelFileError):
        load_model(folder, Obedient)


JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([1]) | st.just({"a": 5}) | st.just({})


@settings(max_examples=60)
@given(
    name=st.sampled_from(["format", "kind", "class", "version", "created_at", "metrics", "labels", "files"]), junk=JUNK
)
def test_a_damaged_document_is_read_or_refused(
    stored: Path, tmp_path_factory: pytest.TempPathFactory, name: str, junk: object
) -> None:
    folder = copied(stored, tmp_path_factory.mktemp("damaged") / "model")
    document = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**document, name: junk}))
    try:
        model = load_model(folder, Obedient)
    except ModelFileError as error:
        assert str(folder) in str(error)  # noqa: PT017
    else:
        assert isinstance(model.version, str)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("Obedient", "Rebased"), ("Untrained", "NeedsTraining"), ("Broken", "NeedsTraining"), ("Gone", "NeedsTraining")],
)
def test_a_new_base_image_is_tried_with_the_class_that_it_holds(
    stored: Path, monkeypatch: pytest.MonkeyPatch, name: str, outcome: str
) -> None:
    monkeypatch.setenv("LABELLOOP_MODEL_CLASS", f"{MODULE}:{name}")
    assert judge(stored).outcome == outcome
