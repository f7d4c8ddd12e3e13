"""Calls into a custom model: whatever it raises becomes one error that names class, method and place.

Without the exception's own message, which may quote a task's text.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from labelloop.failures import frames, raise_site
from labelloop.models.custom import name_of
from labelloop.models.errors import ModelFileError, NotEnoughExamplesError, ParameterError
from labelloop.models.model import Model
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.prediction.answer_checks import AnswerError

_MEANT = (NotEnoughExamplesError, ParameterError, ModelFileError, MemoryError)


class ModelFailedError(Exception):
    """A custom model has raised something; `places` are the lines it came through."""

    def __init__(self, message: str, places: tuple[str, ...]) -> None:
        super().__init__(message)
        self.places = places


@contextmanager
def guard_model_call(model_class: type[Model], method: str) -> Iterator[None]:
    """Raises ModelFailedError for what a custom model raises, but for the errors that the interface names.

    An AnswerError, which says without a place what is wrong with an answer, becomes one too.
    """
    try:
        yield
    except (*_MEANT, ModelFailedError):
        raise
    except AnswerError as error:
        raise ModelFailedError(f"{model_class.__name__}.{method} {error}", ()) from None
    except (Exception, SystemExit) as error:
        if model_class is TextClassifier:
            raise
        told = f"{name_of(model_class)}.{method} failed with {type(error).__name__} ({raise_site(error)}): see the log"
        raise ModelFailedError(told, frames(error)) from None
