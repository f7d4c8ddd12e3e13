"""Model classes by name, and models in directories: the text classifier or a custom model."""

import importlib
import sys
from pathlib import Path
from typing import overload

from labelloop.custom_model_settings import CLASS_VARIABLE, DEFAULT_CLASS, REMEDY
from labelloop.environment import SettingsError
from labelloop.failures import raise_site
from labelloop.models import custom, model_files
from labelloop.models.errors import ModelFileError
from labelloop.models.model import Model
from labelloop.models.text_classifier.text_classifier import TextClassifier

CODE_DIRECTORY = Path("/opt/labelloop/code")
"""Where an image keeps the code of a custom model, in a layer of its own."""


def model_class(name: str | None) -> type[Model]:
    """The class of that name, imported; None: the text classifier. Raises SettingsError that says what is missing."""
    if name is None or name == DEFAULT_CLASS:
        return TextClassifier
    module_name, _, attribute = name.partition(":")
    for folder in (CODE_DIRECTORY, Path.cwd()):  # the folder one runs in comes first
        if str(folder) not in sys.path and folder.is_dir():
            sys.path.insert(0, str(folder))
    try:
        found = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError as error:
        raise SettingsError(f"{CLASS_VARIABLE} is {name!r}, which cannot be imported ({error}): {REMEDY}") from None
    except Exception as error:
        told = f"{type(error).__name__} in {raise_site(error)}"
        raise SettingsError(f"{CLASS_VARIABLE} is {name!r}, whose module fails with {told}: mend it") from None
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise SettingsError(f"{CLASS_VARIABLE} is {name!r}, which is no subclass of labelloop.models.Model: {REMEDY}")
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        raise SettingsError(f"{CLASS_VARIABLE} is {name!r}, which lacks {', '.join(missing)}: write it")
    return found


def save_model(model: Model, directory: Path) -> None:
    """Write the model so that `load_model` reads it. Raises ModelFileError, and what a custom model raises."""
    if isinstance(model, TextClassifier):
        model.save(directory)
    else:
        custom.save(model, directory)


@overload
def load_model(directory: Path) -> TextClassifier: ...
@overload
def load_model(directory: Path, model_class: type[Model]) -> Model: ...
def load_model(directory: Path, model_class: type[Model] | None = None) -> Model:
    """Load the model that is in `directory`: the text classifier, or one of `model_class`.

    Raises ModelFileError, also when it is missing or empty, or of another class than `model_class`.
    """
    kind = model_files.read_document(directory).get("kind")
    wanted = TextClassifier.KIND
    if model_class is None or model_class is TextClassifier:
        if kind == TextClassifier.KIND:
            return TextClassifier.load(directory)
    else:
        if kind == custom.KIND:
            return custom.load(directory, model_class)
        wanted = custom.name_of(model_class)
    raise ModelFileError(
        f"{directory / model_files.DOCUMENT}: kind is {kind!r:.100}, known is {wanted!r}: serve this model with the "
        "version of labelloop that made it, and with the LABELLOOP_MODEL_CLASS that it was trained with"
    )
