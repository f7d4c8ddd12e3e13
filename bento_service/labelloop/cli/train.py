"""`labelloop train`: a model from a file or a project, without a server."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.data_options import FILE_HELP, ConfigOption, DataFile, EncodingOption, LabelColumn, TextColumn
from labelloop.cli.model_class import ModelClassOption, choose_model_class, chosen_model_class
from labelloop.cli.output import FAILED, JSON_OPTION, NOT_ENOUGH_DATA, CommandError, print_result, warn, working
from labelloop.cli.training_run import Contradiction, contradictions, train_into
from labelloop.environment import runs_in_a_pod
from labelloop.metrics import HEADLINE

if TYPE_CHECKING:
    from labelloop.datasets.labelled_files import LabelledFile
    from labelloop.training.result import Result

USAGE = "train needs --out and either --data FILE or --project N; see labelloop train --help."
_MAX_SHOWN = 3


def train(
    data: Annotated[Path | None, typer.Option(help=FILE_HELP)] = None,
    project: Annotated[
        int | None, typer.Option(min=1, help="Project of Label Studio (LABEL_STUDIO_* name the server and the token).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model.")] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    label_config: ConfigOption = None,
    encoding: EncodingOption = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.9,
            help="Hold out this share of the texts to measure on; 0 measures nothing. "
            "Without it a tenth, between 20 and 500 texts, at most a fifth.",
        ),
    ] = None,
    model_class: ModelClassOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Train a model from --data or --project into --out.

    The metrics are those of a model that never saw the held-out texts; the one that is written is fitted on all texts.
    C is taken from LOGISTIC_REGRESSION_C, or from LABELLOOP_PARAMETERS. In a training pod: the pod's role.
    """
    choose_model_class(model_class)
    if data is None and project is None and out is None and runs_in_a_pod():
        from labelloop.training.train_command import main as run

        raise typer.Exit(run())
    if (data is None) == (project is None) or out is None:
        raise CommandError(USAGE)
    with working("reading"):
        if data is not None:
            labelled = DataFile(data, text_column, label_column, encoding, label_config).labelled()
            address = "file"
        else:
            labelled, address = _from_project(project or 1)
    result, conflicts = _trained(labelled, address, project or 1, out, holdout)
    for conflict in conflicts[:_MAX_SHOWN]:
        warn(f"contradicting labels: {conflict}")
    print_result(as_json, _document(result, conflicts, out), _lines(result, conflicts, out))
    if result.outcome != "Trained":
        code = NOT_ENOUGH_DATA if result.outcome == "NotEnoughData" else FAILED
        raise CommandError(f"nothing was trained ({result.reason}): {result.message}", code)


def _trained(
    labelled: "LabelledFile", address: str, project: int, out: Path, holdout: float | None
) -> "tuple[Result, list[Contradiction]]":
    from labelloop.training.training_settings import TrainingSettings

    settings = TrainingSettings.from_environment({**os.environ, "LABELLOOP_PROJECT": str(project)})
    settings = replace(settings, active_version=None, store_snapshot=False)
    if holdout is not None:
        settings = replace(settings, holdout=holdout, exact_holdout=True)
    with working("looking for contradicting labels"):
        conflicts = contradictions(labelled)
    return train_into(settings, labelled, address, out), conflicts


def _document(result: "Result", conflicts: list[Contradiction], out: Path) -> Mapping[str, object]:
    return {
        "outcome": result.outcome,
        "reason": result.reason,
        "message": result.message,
        "version": result.version,
        "fit_seconds": result.seconds.get("fit"),
        **{name: result.metrics.get(name) for name in HEADLINE if name in result.metrics},
        "metrics": dict(result.metrics),
        "counts": dict(result.counts),
        "labels": list(result.labels),
        "contradicting_texts": len(conflicts),
        "model": str(out) if result.outcome == "Trained" else None,
    }


def _lines(result: "Result", conflicts: list[Contradiction], out: Path) -> list[str]:
    if result.outcome != "Trained":
        return []
    lines = [f"{result.version}: {result.message}", f"written to {out}"]
    if conflicts:
        have = "text has" if len(conflicts) == 1 else "texts have"
        lines.append(f"{len(conflicts)} {have} contradicting labels")
    return lines


def _from_project(number: int) -> "tuple[LabelledFile, str]":
    from labelloop.datasets.labelled_files import LabelledFile
    from labelloop.label_config.schema import LabelConfigError, parse_label_config
    from labelloop.label_studio import LabelStudioError, labelled_tasks, project
    from labelloop.label_studio.client import LabelStudioClient
    from labelloop.local.local_settings import LocalSettings

    settings = LocalSettings.from_environment()
    if settings.credentials is None:
        raise CommandError(settings.unconfigured or "LABEL_STUDIO_API_KEY is not set")
    try:
        with LabelStudioClient(settings.credentials) as client:
            schema = parse_label_config(client.run(project(number)).label_config, chosen_model_class().scope())
            return LabelledFile(client.run(labelled_tasks(number)), schema), settings.credentials.url
    except (LabelStudioError, LabelConfigError) as error:
        raise CommandError(str(error), FAILED) from None
