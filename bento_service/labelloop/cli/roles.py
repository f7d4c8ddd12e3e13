"""Commands that containers run: serving, and the pods' roles without arguments."""

import os
from pathlib import Path
from typing import Annotated

import typer

from labelloop.cli.model_class import ModelClassOption, choose_model_class


def serve(
    model: Annotated[Path | None, typer.Option(help="Model folder to start with (else LABELLOOP_MODEL_DIR).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at (else PORT, or 9090).")] = None,
    model_class: ModelClassOption = None,
) -> None:
    """Serve predictions to Label Studio (port 9090); with LABEL_STUDIO_API_KEY it counts and trains as well."""
    from labelloop.serving.server import run

    if model is not None:
        os.environ["LABELLOOP_MODEL_DIR"] = str(model.absolute())
    if port is not None:
        os.environ["PORT"] = str(port)
    choose_model_class(model_class)
    run()


def restore() -> None:
    """Fetch the snapshot of the last training from the registry (role of a training pod)."""
    from labelloop.publishing.restore import main as run

    raise typer.Exit(run())


def verify() -> None:
    """Compare the restored model's golden predictions on this base image (role of a rebase pod)."""
    from labelloop.publishing.verify import main as run

    raise typer.Exit(run())


def rebase() -> None:
    """Push the published model's layer on another base image (role of a rebase pod)."""
    from labelloop.publishing.rebase import main as run

    raise typer.Exit(run())
