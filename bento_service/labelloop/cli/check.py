"""`labelloop check`: why does it not work? Asks Label Studio and reports each trouble with its remedy."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.model_class import chosen_model_class
from labelloop.cli.output import FAILED, JSON_OPTION, CommandError, print_result, working
from labelloop.cli.project_facts import project_facts

if TYPE_CHECKING:
    from labelloop.local.local_settings import LocalSettings

WORDS = {
    "label_studio": "Label Studio",
    "backends": "connected backends",
    "labels": "labels",
    "ignored": "controls without predictions",
}
"""Names of facts; one that is not here is shown by its own name, with spaces."""


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
    from labelloop.cli.diagnosis import diagnose
    from labelloop.label_studio import LabelStudioError
    from labelloop.local.local_settings import LocalSettings

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
            here = local_facts(project, settings)
    except LabelStudioError as error:
        raise CommandError(error.message, FAILED) from None
    document = {
        "healthy": not found.troubles,
        "troubles": [asdict(trouble) for trouble in found.troubles],
        "facts": {**found.facts, **here},
    }
    troubles = [f"{trouble.code}: {trouble.message}\n  -> {trouble.remedy}" for trouble in found.troubles]
    print_result(as_json, document, [*fact_lines({**found.facts, **here}), "", *(troubles or ["no trouble found"])])
    if found.troubles:
        raise typer.Exit(FAILED)


def local_facts(project: int, settings: "LocalSettings") -> Mapping[str, object]:
    """What serves, what is pending and how the last training ended, when the server's folder is on this machine."""
    from labelloop.local.version_store import Store

    store = Store(settings.directory)
    return project_facts(store.project(project), settings).lines() if project in store.projects() else {}


def fact_lines(facts: Mapping[str, object]) -> Iterator[str]:
    """One line each, in plain words."""
    for name, value in facts.items():
        yield f"{WORDS.get(name, name.replace('_', ' ')):<28} {_in_words(value)}"


def _in_words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {number}" for name, number in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
