"""Calls into a model of one's own: whatever it raises becomes one error that names class, method and place.

Without the exception's own message, which may quote a task's text.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelloop.models.model import Model, ModelFileError, NotEnoughExamplesError, ParameterError
from labelloop.models.own import name_of
from labelloop.models.text_classifier import TextClassifier

_MEANT = (NotEnoughExamplesError, ParameterError, ModelFileError, MemoryError)


class ModelFailedError(Exception):
    """A model of one's own has raised something; `places` are the lines it came through."""

    def __init__(self, message: str, places: tuple[str, ...]) -> None:
        super().__init__(message)
        self.places = places


@contextmanager
def calling(model_class: type[Model], method: str) -> Iterator[None]:
    """Raises ModelFailedError for what a model of one's own raises, but for the errors that the interface names."""
    try:
        yield
    except (*_MEANT, ModelFailedError):
        raise
    except (Exception, SystemExit) as error:
        if model_class is TextClassifier:
            raise
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        told = f"{name_of(model_class)}.{method} failed with {type(error).__name__} ({where}): see the log"
        places = tuple(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
        raise ModelFailedError(told, places) from None
