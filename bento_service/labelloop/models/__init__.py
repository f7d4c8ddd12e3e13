"""Models: fit, save, load, predict."""

from labelloop.models.model import (
    Model,
    ModelFileError,
    NotEnoughExamplesError,
    ParameterError,
    Prediction,
    TextModel,
    load_model,
    result_of,
)

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
