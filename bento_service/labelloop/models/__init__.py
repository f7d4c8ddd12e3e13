"""Models: fit, save, load, predict."""

from labelloop.models.model import Model, ModelFileError, NotEnoughExamplesError, ParameterError, load_model

__all__ = ["Model", "ModelFileError", "NotEnoughExamplesError", "ParameterError", "load_model"]
