"""Custom models: the class by its name, and its files in a model directory.

A class is named `module:Class` and found in the folder one runs in, in the image's folder for code, or wherever else
Python looks. Its files are data: what would be executed on reading is refused, when it is written and when it is read.
"""

import hashlib
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelloop.custom_model_settings import CLASS_VARIABLE
from labelloop.models import model_files
from labelloop.models.errors import ModelFileError
from labelloop.models.model import Model

KIND = "own-model"
FOLDER = "own"
"""What `save` writes is in this folder of the model directory."""
MAX_FILES = 1_000
_CODE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".pt", ".pth", ".py", ".pyc", ".so"})
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_ZIPPED_PICKLE = re.compile(rb"PK\x03\x04.*\.pkl", re.DOTALL)
_OBJECT_ARRAY = re.compile(rb"\x93NUMPY.{4,8}\{[^}]*'descr': '\|O'", re.DOTALL)
_EXECUTED = (_PICKLE, _ZIPPED_PICKLE, _OBJECT_ARRAY)


def name_of(cls: type[Model]) -> str:
    """`module:Class`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def code_digest(cls: type[Model]) -> str:
    """SHA-256 (hex) over the Python files of the class's package, or of its module: other code, another version."""
    source = inspect.getsourcefile(cls)
    digest = hashlib.sha256()
    if source is not None:
        package = "." in cls.__module__
        top = Path(source).parents[cls.__module__.count(".") - 1] if package else Path(source)
        for path in sorted(top.rglob("*.py")) if package else [top]:
            digest.update(f"{path.relative_to(top.parent).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def save(model: Model, directory: Path) -> None:
    """Write `model.json` and what the model's `save` writes. Raises ModelFileError for files that hold code."""
    folder = directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save(folder)
    document = {
        "format": model_files.FORMAT,
        "kind": KIND,
        "class": name_of(type(model)),
        "version": model.version,
        "created_at": model.created_at,
        "metrics": dict(model.metrics),
        "labels": {control: list(labels) for control, labels in model.labels.items()},
        "files": dict(_checked(folder)),
    }
    (directory / model_files.DOCUMENT).write_text(json.dumps(document, sort_keys=True, allow_nan=False) + "\n")


def load(directory: Path, cls: type[Model]) -> Model:
    """The model in `directory`, when it is of this class. Raises ModelFileError; what the class's own `load` raises."""
    document = read_document(directory)
    if document["class"] != name_of(cls):
        raise ModelFileError(
            f"{directory / model_files.DOCUMENT}: the model is of class {document['class']!r:.200}, {CLASS_VARIABLE} "
            f"is {name_of(cls)!r}: set it to the class that the model was trained with, or train again"
        )
    folder = directory / FOLDER
    if dict(_checked(folder)) != document["files"]:
        raise ModelFileError(
            f"{folder} does not hold the files that {model_files.DOCUMENT} names: write the model again"
        )
    model = cls.load(folder)
    describe(model, document)
    return model


def read_document(directory: Path) -> dict[str, Any]:
    """`model.json` of a custom model, its fields checked. Raises ModelFileError."""
    document = model_files.read_document(directory)
    wanted = {"class": str, "version": str, "metrics": dict, "labels": dict, "files": dict}
    for name, kind in wanted.items():
        if not isinstance(document.get(name), kind):
            raise ModelFileError(
                f"{directory / model_files.DOCUMENT}: {name} is missing or damaged: write the model again"
            )
    if not all(
        isinstance(labels, list) and all(isinstance(label, str) for label in labels)
        for labels in document["labels"].values()
    ):
        raise ModelFileError(f"{directory / model_files.DOCUMENT}: labels are no lists of names: write the model again")
    if not isinstance(document.get("created_at"), str | None):
        raise ModelFileError(f"{directory / model_files.DOCUMENT}: created_at is no time: write the model again")
    return document


def describe(model: Model, document: dict[str, Any]) -> None:
    """Set what `model.json` says about a model."""
    model.version = document["version"]
    model.created_at = document.get("created_at")
    model.metrics = document["metrics"]
    if not model.labels:
        model.labels = {control: tuple(labels) for control, labels in document["labels"].items()}


def _checked(folder: Path) -> Iterator[tuple[str, str]]:
    """(name, SHA-256) of the files. Raises ModelFileError for one that holds code, or is no file."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    if len(paths) > MAX_FILES:
        raise ModelFileError(f"{folder} holds more than {MAX_FILES} files: put them together")
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise ModelFileError(f"{path} is no file: a model holds files only")
        content = path.read_bytes()
        if path.suffix.lower() in _CODE_SUFFIXES or any(pattern.match(content) for pattern in _EXECUTED):
            raise ModelFileError(
                f"{path} holds code or a pickle, which is executed when it is read: save numbers as arrays "
                "(numpy.savez, safetensors) and the rest as JSON"
            )
        yield name, hashlib.sha256(content).hexdigest()
