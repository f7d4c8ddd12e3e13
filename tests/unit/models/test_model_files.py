import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.models.samples import examples, schema

from labelloop.models import ModelFileError, load_model, model_files
from labelloop.models.text_classifier.text_classifier import TextClassifier


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    TextClassifier.fit(examples(1), schema(), {}).save(directory)
    return directory


def copy(stored, target):
    target.mkdir(exist_ok=True)
    for name in (model_files.DOCUMENT, model_files.ARRAYS):
        (target / name).write_bytes((stored / name).read_bytes())
    return target


def parts(stored):
    document = model_files.read_document(stored)
    return document, model_files.read_arrays(stored, document)


def rewritten(stored, target, change):
    """The model with its parts changed and a checksum that fits again: what an attacker would send."""
    document, arrays = parts(stored)
    document = {key: value for key, value in document.items() if key != "sha256"}
    change(document, arrays)
    model_files.write(target, document, arrays)
    return target


def test_a_missing_or_empty_folder_is_told(tmp_path):
    for directory in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelFileError, match=r"model\.json: cannot be read"):
            load_model(directory)


@pytest.mark.parametrize("name", [model_files.DOCUMENT, model_files.ARRAYS])
@pytest.mark.parametrize("keep", [0, 1, 0.5, 0.99])
def test_a_truncated_file_is_told(stored, tmp_path, name, keep):
    directory = copy(stored, tmp_path)
    data = (directory / name).read_bytes()
    (directory / name).write_bytes(data[: int(keep * len(data)) if keep < 1 else 1])
    with pytest.raises(ModelFileError, match=name):
        load_model(directory)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from([model_files.DOCUMENT, model_files.ARRAYS]), data=st.data())
def test_a_flipped_bit_is_told(stored, tmp_path_factory, name, data):
    directory = copy(stored, tmp_path_factory.mktemp("flipped"))
    content = bytearray((directory / name).read_bytes())
    end = len(content) - (name == model_files.DOCUMENT)  # the last line break says nothing
    place = data.draw(st.integers(0, end - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    (directory / name).write_bytes(content)
    with pytest.raises(ModelFileError):
        load_model(directory)


def test_another_models_arrays_are_told(stored, tmp_path):
    directory = copy(stored, tmp_path)
    other = tmp_path / "other"
    TextClassifier.fit(examples(2), schema(), {}).save(other)
    (directory / model_files.ARRAYS).write_bytes((other / model_files.ARRAYS).read_bytes())
    with pytest.raises(ModelFileError, match="checksum"):
        load_model(directory)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": NaN}'])
def test_a_document_that_is_none_is_told(tmp_path, content):
    (tmp_path / model_files.DOCUMENT).write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.json"):
        load_model(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", None, [1]])
def test_an_unknown_format_is_told(tmp_path, version):
    (tmp_path / model_files.DOCUMENT).write_text(json.dumps({"format": version, "kind": "text-classifier"}))
    with pytest.raises(ModelFileError, match="format is"):
        load_model(tmp_path)


def test_an_unknown_kind_is_told(stored, tmp_path):
    with pytest.raises(ModelFileError, match="kind is 'image-classifier'"):
        load_model(rewritten(stored, tmp_path, lambda document, arrays: document.update(kind="image-classifier")))


def replaced(name, make):
    return lambda document, arrays: arrays.update({name: make(arrays[name])})


def nan(array):
    array = array.copy()
    array.flat[0] = np.nan
    return array


HOSTILE = {
    "weights of another shape": replaced("control0.weights", lambda array: array[:, :-1]),
    "weights of another type": replaced("control0.weights", lambda array: array.astype(np.float32)),
    "flat weights": replaced("control0.weights", lambda array: array.ravel()),
    "NaN in idf": replaced("idf", nan),
    "infinite bias": replaced("control0.bias", lambda array: array * np.float32(np.inf)),
    "ids beyond the table": replaced("ids", lambda array: array + np.uint32(1 << 20)),
    "ids out of order": replaced("ids", lambda array: array[::-1]),
    "no ids": replaced("ids", lambda array: array[:0]),
    "a type that is not used": replaced("idf", lambda array: array.astype(np.complex64)),
    "missing array": lambda document, arrays: arrays.pop("control0.slope"),
    "missing key": lambda document, arrays: document.pop("labels"),
    "labels twice": lambda document, arrays: document["labels"].update(label=["a", "a", "b"]),
    "labels that are no text": lambda document, arrays: document["labels"].update(label=["a", 1, None]),
    "a single label": lambda document, arrays: document["labels"].update(label=["a"]),
    "controls that are no list": lambda document, arrays: document.update(controls=7),
    "windows too long": lambda document, arrays: document["features"].update(longest=9),
    "huge table": lambda document, arrays: document["features"].update(bits=60),
    "bits as text": lambda document, arrays: document["features"].update(bits="16"),
    "another feature method": lambda document, arrays: document["features"].update(method="words"),
    "another cut": lambda document, arrays: document["features"].update(max_characters=10),
    "version that is no text": lambda document, arrays: document.update(version={"a": 1}),
    "metrics that are no object": lambda document, arrays: document.update(metrics=[1]),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_parts_that_do_not_fit_are_told(stored, tmp_path, change):
    with pytest.raises(ModelFileError):
        load_model(rewritten(stored, tmp_path, change))


def packed(entries, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_archive(stored, target, archive):
    document = model_files.read_document(stored)
    document["sha256"] = model_files._checksum(document, archive)
    (target / model_files.ARRAYS).write_bytes(archive)
    (target / model_files.DOCUMENT).write_text(json.dumps(document))
    return target


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


class Exploding:
    def __reduce__(self):
        return (pytest.fail, ("code of the file was executed",))


def test_a_pickle_is_refused_unread(stored, tmp_path):
    pickled = npy(np.array([Exploding()], dtype=object), allow_pickle=True)
    with pytest.raises(ModelFileError, match="not what labelloop writes"):
        load_model(with_archive(stored, tmp_path, packed({"ids.npy": pickled})))


def test_a_header_that_promises_more_than_there_is_allocates_nothing(stored, tmp_path):
    header = npy(np.zeros(4, np.uint32)).replace(b"(4,), }", b"(999999999999,), }"[:18])
    assert b"999999999999" in header
    with pytest.raises(ModelFileError):
        load_model(with_archive(stored, tmp_path, packed({"ids.npy": header})))


def test_an_archive_that_unpacks_to_too_much_is_refused(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(model_files, "MAX_ARRAY_BYTES", 1_000_000)
    bomb = packed({"ids.npy": npy(np.zeros(2_000_000, np.uint32))}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(ModelFileError, match="unpacked"):
        load_model(with_archive(stored, tmp_path, bomb))


def test_too_large_files_are_refused(stored, tmp_path, monkeypatch):
    directory = copy(stored, tmp_path)
    monkeypatch.setattr(model_files, "MAX_DOCUMENT_BYTES", 100)
    with pytest.raises(ModelFileError, match="larger than 100 bytes"):
        load_model(directory)


@pytest.mark.parametrize("archive", [b"PK", b"not a zip", packed({"ids.npy": b"\x93NUMPY"}), packed({"ids.npy": b""})])
def test_an_archive_that_is_none_is_told(stored, tmp_path, archive):
    with pytest.raises(ModelFileError):
        load_model(with_archive(stored, tmp_path, archive))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", [model_files.DOCUMENT, model_files.ARRAYS])
def test_what_is_no_file_is_neither_waited_for_nor_read_for_ever(stored, tmp_path, name, make):
    directory = copy(stored, tmp_path)
    (directory / name).unlink()
    make(directory / name)
    with pytest.raises(ModelFileError, match="not a file"):
        load_model(directory)


def test_a_link_to_a_file_is_followed(stored, tmp_path):
    directory = copy(stored, tmp_path)
    for name in (model_files.DOCUMENT, model_files.ARRAYS):
        (directory / name).unlink()
        (directory / name).symlink_to(stored / name)
    assert load_model(directory).labels == load_model(stored).labels


def test_a_file_larger_than_the_limit_is_not_read(stored, tmp_path):
    directory = copy(stored, tmp_path)
    os.truncate(directory / model_files.ARRAYS, 1 << 40)  # takes no room on the disk
    with pytest.raises(ModelFileError, match="larger than"):
        load_model(directory)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_within_a_compressed_array_is_told_even_when_the_checksum_fits(stored, tmp_path, compression):
    noise = np.arange(5000, dtype=np.uint32) * np.uint32(2654435761)
    archive = bytearray(packed({"ids.npy": npy(noise)}, compression))
    for place in range(60, len(archive) - 200):
        archive[place] ^= 0x55
    with pytest.raises(ModelFileError, match=r"not a readable archive|header"):
        load_model(with_archive(stored, tmp_path, bytes(archive)))


@pytest.mark.parametrize("header", ["'", "{'descr': '<f4', (", "(" * 3000, "{'descr': '|O', 'shape': (1,)}", "\x00"])
def test_a_header_that_is_no_header_is_told(stored, tmp_path, header):
    text = header.encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    with pytest.raises(ModelFileError, match="no readable header"):
        load_model(with_archive(stored, tmp_path, packed({"ids.npy": member})))


@pytest.mark.parametrize("name", ["control0.scale", "control0.slope", "idf"])
def test_numbers_that_make_answers_overflow_are_refused(stored, tmp_path, name):
    with pytest.raises(ModelFileError, match=r"beyond 1e\+09"):
        load_model(rewritten(stored, tmp_path, replaced(name, lambda array: np.full_like(array, 3e38))))


def test_a_number_that_json_cannot_write_is_told(stored, tmp_path):
    directory = copy(stored, tmp_path)
    content = (directory / model_files.DOCUMENT).read_text()
    (directory / model_files.DOCUMENT).write_text(content.replace('"format":1', '"format":1,"x":1e999'))
    with pytest.raises(ModelFileError, match="checksum"):
        load_model(directory)


@pytest.mark.parametrize("field", ["format", "kind"])
def test_messages_are_bounded(stored, tmp_path, field):
    (tmp_path / model_files.DOCUMENT).write_text(json.dumps({"format": 1, field: "x" * 100_000}))
    with pytest.raises(ModelFileError) as caught:
        load_model(tmp_path)
    assert len(str(caught.value)) < 500
