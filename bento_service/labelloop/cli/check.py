"""`labelloop check`: why does it not work? Asks Label Studio and tells each trouble with its remedy."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from labelloop.cli.model_class import chosen_model_class
from labelloop.cli.output import FAILED, JSON_OPTION, CommandError, tell, working


def check(
    project: Annotated[int, typer.Option(min=1, help="Number of the project in Label Studio.")],
    url: Annotated[
        str | None, typer.Option(help="Where Label Studio reaches the backend, as in http://localhost:9090.")
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Diagnose the connection of a project and a backend: address, token, configuration, guard, webhook.

    Label Studio and token are taken from LABEL_STUDIO_URL (or LABEL_STUDIO_HOST) and LABEL_STUDIO_API_KEY.
    """
    from labelloop.diagnosis import diagnose
    from labelloop.label_studio import LabelStudioError
    from labelloop.local.settings import LocalSettings

    settings = LocalSettings.from_environment()
    if settings.credentials is None:
        raise CommandError(settings.unconfigured or "LABEL_STUDIO_API_KEY is not set")
    asked = url or settings.public_url
    try:
        with working("asking Label Studio"):
            found = diagnose(
                settings.credentials,
                project,
                None if asked is None else asked.rstrip("/"),
                basic_auth=bool(os.environ.get("BASIC_AUTH_USER", "").strip()),
                scope=chosen_model_class().scope(),
            )
    except LabelStudioError as error:
        raise CommandError(error.message, FAILED) from None
    document = {
        "healthy": not found.troubles,
        "troubles": [asdict(trouble) for trouble in found.troubles],
        "facts": found.facts,
    }
    facts = [f"{name:<13} {value}" for name, value in found.facts.items()]
    troubles = [f"{trouble.code}: {trouble.message}\n  -> {trouble.remedy}" for trouble in found.troubles]
    tell(as_json, document, [*facts, "", *(troubles or ["no trouble found"])])
    if found.troubles:
        raise typer.Exit(FAILED)
