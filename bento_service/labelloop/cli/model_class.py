"""`--model-class`: the custom model that a command works with."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.output import CommandError

if TYPE_CHECKING:
    from labelloop.models.model import Model

ModelClassOption = Annotated[
    str | None,
    typer.Option(
        "--model-class", help="Model of your own as module:Class (else LABELLOOP_MODEL_CLASS, or the text classifier)."
    ),
]


def choose_model_class(name: str | None) -> None:
    """Let the environment name the class, so that processes of this one find it too."""
    if name is not None:
        os.environ["LABELLOOP_MODEL_CLASS"] = name


def chosen_model_class() -> "type[Model]":
    """The class that the environment names. Raises CommandError."""
    from labelloop.custom_model_settings import class_name
    from labelloop.environment import Environment, SettingsError
    from labelloop.models.store import model_class

    try:
        return model_class(class_name(Environment()))
    except SettingsError as error:
        raise CommandError(str(error)) from None
