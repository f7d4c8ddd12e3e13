"""Models: fit, save, load, predict."""

from labelloop.models.errors import ModelFileError, NotEnoughExamplesError, ParameterError
from labelloop.models.model import Model, Prediction, TextModel, result_of
from labelloop.models.store import load_model

__all__ = [
    "Model",
    "ModelFileError",
    "NotEnoughExamplesError",
    "ParameterError",
    "Prediction",
    "TextModel",
    "load_model",
    "result_of",
]
