"""Errors of models."""


class ModelFileError(ValueError):
    """A model directory cannot be used: missing, truncated, damaged, too large or of an unknown format."""


class NotEnoughExamplesError(ValueError):
    """The examples cannot train any model. The message says what is missing; the user can fix it."""


class ParameterError(ValueError):
    """A value in `spec.model.parameters` is not usable. The message names the parameter, its value and the remedy."""
