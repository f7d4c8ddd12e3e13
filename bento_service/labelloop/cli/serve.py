"""`labelloop serve`: options for what are otherwise environment variables."""

import os
from pathlib import Path
from typing import Annotated

import typer

from labelloop.cli.model_class import ModelClassOption, choose_model_class


def serve(
    model: Annotated[Path | None, typer.Option(help="Model folder to start with (else LABELLOOP_MODEL_DIR).")] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen at (else LABELLOOP_HOST; else 127.0.0.1, in a pod 0.0.0.0). "
            "0.0.0.0: all addresses of this machine; then set BASIC_AUTH_USER and BASIC_AUTH_PASS."
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen at (else PORT, or 9090).")] = None,
    label_studio_url: Annotated[
        str | None, typer.Option(help="Address of Label Studio (else LABEL_STUDIO_URL, or http://localhost:8080).")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Token of Label Studio (else LABEL_STUDIO_API_KEY, which other users of this machine cannot see)."
        ),
    ] = None,
    project: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Project to count and train; may be given several times (else LABELLOOP_PROJECTS)."),
    ] = None,
    model_class: ModelClassOption = None,
    json_logs: Annotated[
        bool, typer.Option("--json", help="Write the log as JSON, one object a line (else LABELLOOP_LOG_FORMAT).")
    ] = False,
) -> None:
    """Serve predictions to Label Studio; with its token count and train as well."""
    from labelloop.serving.server import run

    chosen = {
        "LABELLOOP_MODEL_DIR": None if model is None else str(model.absolute()),
        "LABELLOOP_HOST": host,
        "PORT": None if port is None else str(port),
        "LABEL_STUDIO_URL": label_studio_url,
        "LABEL_STUDIO_API_KEY": api_key,
        "LABELLOOP_PROJECTS": None if not project else ",".join(map(str, project)),
        "LABELLOOP_LOG_FORMAT": "json" if json_logs else None,
    }
    # Trainings and models run in processes of their own, which read the same variables.
    os.environ.update({name: value for name, value in chosen.items() if value is not None})
    choose_model_class(model_class)
    run()
