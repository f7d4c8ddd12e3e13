"""Models: fit, save, load, predict."""

from labelloop.models.model import Model, ModelFileError, NotEnoughExamples, ParameterError, load_model

__all__ = ["Model", "ModelFileError", "NotEnoughExamples", "ParameterError", "load_model"]
