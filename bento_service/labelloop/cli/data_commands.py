"""`train`, `evaluate` and `predict`: a model from a file or a project, without a server."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from labelloop.cli.model_class import ModelClassOption, choose_model_class, chosen_model_class
from labelloop.cli.output import FAILED, JSON_OPTION, NOT_ENOUGH_DATA, CommandError, tell, working
from labelloop.cli.training import train_into

if TYPE_CHECKING:
    from labelloop.datasets.files import LabelledFile
    from labelloop.models.model import Model, TextModel
    from labelloop.training.settings import TrainingSettings

DataOption = Annotated[Path | None, typer.Option(help="CSV or TSV table, or Label Studio's JSON export.")]
TextColumn = Annotated[str, typer.Option(help="Column of a table that holds the text.")]
LabelColumn = Annotated[str, typer.Option(help="Column of a table that holds the label.")]
ConfigOption = Annotated[Path | None, typer.Option("--label-config", help="Labelling configuration (XML), if any.")]
ModelOption = Annotated[Path, typer.Option(help="Model folder, as `train` writes it.")]


class Answer(TypedDict):
    """What a model says about one text."""

    choices: list[str]
    score: float


_CHUNK = 1024
"""Texts predicted at a time: their probabilities for a thousand classes take 4 MB."""
_HEADLINE = ("accuracy", "macro_f1", "log_loss", "ece", "examples")


def train(
    data: DataOption = None,
    project: Annotated[
        int | None, typer.Option(min=1, help="Project of Label Studio (LABEL_STUDIO_* say which).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model.")] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    label_config: ConfigOption = None,
    holdout: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the texts that metrics are measured on.")
    ] = 0.2,
    model_class: ModelClassOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Train a model from --data or --project into --out; without arguments it is the role of a training pod.

    The metrics are those of a model that never saw the held-out texts; the one that is written is fitted on all texts.
    C is taken from LOGISTIC_REGRESSION_C, or from LABELLOOP_PARAMETERS.
    """
    choose_model_class(model_class)
    if data is None and project is None and out is None:
        from labelloop.training.job import main as run

        raise typer.Exit(run())
    if (data is None) == (project is None) or out is None:
        raise CommandError("train needs --out and either --data FILE or --project N; see labelloop train --help")
    with working("reading"):
        settings, labelled, address = _labelled(data, project, text_column, label_column, label_config)
    result = train_into(settings, labelled, address, out, holdout)
    document = {
        "outcome": result.outcome,
        "reason": result.reason,
        "message": result.message,
        "version": result.version,
        "fit_seconds": result.seconds.get("fit"),
        **{name: result.metrics.get(name) for name in _HEADLINE if name in result.metrics},
        "metrics": dict(result.metrics),
        "counts": dict(result.counts),
        "labels": list(result.labels),
        "model": str(out) if result.outcome == "Trained" else None,
    }
    told = [f"{result.version}: {result.message}", f"written to {out}"] if result.outcome == "Trained" else []
    tell(as_json, document, told)
    if result.outcome != "Trained":
        code = NOT_ENOUGH_DATA if result.outcome == "NotEnoughData" else FAILED
        raise CommandError(f"nothing was trained ({result.reason}): {result.message}", code)


def evaluate(
    model: ModelOption,
    data: Annotated[Path, typer.Option(help="CSV or TSV table, or Label Studio's JSON export.")],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    label_config: ConfigOption = None,
    model_class: ModelClassOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Tell how good a model is on labelled texts: accuracy, macro F1, log loss, calibration error, and by class."""
    from labelloop.datasets.examples import examples
    from labelloop.training.gate import GateRules
    from labelloop.training.measure import measure

    choose_model_class(model_class)
    with working("reading"):
        loaded = _model(model)
        control = next(iter(loaded.labels), "label")
        labelled = _file(data, text_column, label_column, label_config, control)
        known = examples(labelled.tasks, labelled.schema).examples
    if not any(control.name in loaded.labels for control in labelled.schema.controls):
        raise CommandError(
            f"{data} has labels for {labelled.schema.controls[0].name!r}, the model answers "
            f"{', '.join(loaded.labels)}: "
            "give the labelling configuration with --label-config"
        )
    with working("evaluating"):
        metrics, _ = measure(loaded, None, known, (), labelled.schema, GateRules())
    headline = {name: metrics[name] for name in _HEADLINE if name in metrics}
    document = {"version": loaded.version, **metrics}
    tell(as_json, document, [loaded.version, *(f"{name:<10} {_number(value)}" for name, value in headline.items())])
    if metrics.get("accuracy") is None:
        raise CommandError(f"{data} has {metrics.get('examples')} labelled texts, too few to measure", NOT_ENOUGH_DATA)


def predict(
    model: ModelOption,
    text: Annotated[list[str] | None, typer.Option(help="A text; may be given several times.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Table with the texts; without --text and --data: one a line from standard input."),
    ] = None,
    text_column: TextColumn = "text",
    label_config: ConfigOption = None,
    model_class: ModelClassOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Predict the labels of texts, with the probability of each; with a model of whole tasks, those of --data."""
    from labelloop.models.model import TextModel

    choose_model_class(model_class)
    loaded = _model(model)
    if not isinstance(loaded, TextModel):
        _predict_tasks(loaded, data, label_config, as_json)
        return
    texts = list(text or ()) + (_texts(data, text_column) if data is not None else [])
    if text is None and data is None:
        texts = [line.rstrip("\n") for line in sys.stdin]
    with working(f"predicting {len(texts)} texts"):
        predictions = _predictions(loaded, texts)
    document = {"version": loaded.version, "predictions": predictions}
    lines = (
        "\t".join(f"{', '.join(answer['choices'])}\t{answer['score']:.3f}" for answer in prediction.values())
        for prediction in predictions
    )
    tell(as_json, document, lines)


def _predict_tasks(model: "Model", data: Path | None, label_config: Path | None, as_json: bool) -> None:
    """Predictions in Label Studio's form, one line of JSON for each task."""
    from labelloop.models.answers import checked
    from labelloop.training.model_calls import ModelFailedError, calling

    if data is None:
        raise CommandError(
            f"{type(model).__name__} predicts tasks: name an export of Label Studio with --data FILE.json"
        )
    labelled = _file(data, "text", "label", label_config, "label")
    tasks = [{"id": task.id, "data": dict(task.data)} for task in labelled.tasks]
    try:
        with calling(type(model), "predict"):
            answers = checked(model.predict(tasks, labelled.schema), len(tasks), labelled.schema)
    except ModelFailedError as error:
        raise CommandError(str(error), FAILED) from None
    document = {"version": model.version, "predictions": [dict(answer.prediction) for answer in answers]}
    tell(as_json, document, (json.dumps(answer.prediction, ensure_ascii=False) for answer in answers))


def _predictions(model: "TextModel", texts: list[str]) -> list[dict[str, Answer]]:
    """For each text, by control: the most probable label (single choice) and its probability."""
    answers: list[dict[str, Answer]] = [{} for _ in texts]
    for control, labels in model.labels.items():
        for first in range(0, len(texts), _CHUNK):
            shares = model.probabilities(control, texts[first : first + _CHUNK])
            for place, row in enumerate(shares, start=first):
                best = int(row.argmax())
                answers[place][control] = Answer(choices=[labels[best]], score=round(float(row[best]), 6))
    return answers


def _labelled(
    data: Path | None, project: int | None, text_column: str, label_column: str, label_config: Path | None
) -> "tuple[TrainingSettings, LabelledFile, str]":
    from labelloop.training.settings import TrainingSettings

    settings = TrainingSettings.from_environment({**os.environ, "LABELLOOP_PROJECT": str(project or 1)})
    settings = replace(settings, active_version=None, store_snapshot=False)
    if data is not None:
        return settings, _file(data, text_column, label_column, label_config, "label"), "file"
    labelled, address = _from_project(project or 1)
    return settings, labelled, address


def _from_project(number: int) -> "tuple[LabelledFile, str]":
    from labelloop.datasets.files import LabelledFile
    from labelloop.label_config import LabelConfigError, parse_label_config
    from labelloop.label_studio import LabelStudioError, labelled_tasks, project
    from labelloop.label_studio.client import LabelStudioClient
    from labelloop.local.settings import LocalSettings

    settings = LocalSettings.from_environment()
    if settings.credentials is None:
        raise CommandError(settings.unconfigured or "LABEL_STUDIO_API_KEY is not set")
    try:
        with LabelStudioClient(settings.credentials) as client:
            schema = parse_label_config(client.run(project(number)).label_config, chosen_model_class().scope())
            return LabelledFile(client.run(labelled_tasks(number)), schema), settings.credentials.url
    except (LabelStudioError, LabelConfigError) as error:
        raise CommandError(str(error), FAILED) from None


def _file(data: Path, text_column: str, label_column: str, label_config: Path | None, control: str) -> "LabelledFile":
    from labelloop.datasets.files import DataFileError, read_labelled

    try:
        config = None if label_config is None else label_config.read_text()
        return read_labelled(
            data,
            text_column=text_column,
            label_column=label_column,
            label_config=config,
            control=control,
            scope=chosen_model_class().scope(),
        )
    except OSError as error:
        raise CommandError(f"--label-config {label_config} cannot be read ({error.strerror})") from None
    except DataFileError as error:
        raise CommandError(str(error)) from None


def _texts(data: Path, text_column: str) -> list[str]:
    if data.suffix.lower() == ".json":
        labelled = _file(data, text_column, "", None, "label")
        from labelloop.task_text import text_of

        return [text_of(task.data, labelled.schema.controls[0]) or "" for task in labelled.tasks]
    from labelloop.datasets.files import DataFileError, read_texts

    try:
        return read_texts(data, text_column)
    except DataFileError as error:
        raise CommandError(str(error)) from None


def _model(folder: Path) -> "Model":
    from labelloop.models import ModelFileError, load_model
    from labelloop.training.model_calls import ModelFailedError, calling

    model_class = chosen_model_class()
    try:
        inner = (folder / "model" / "model.json").exists()
        with calling(model_class, "load"):
            return load_model(folder / "model" if inner else folder, model_class)
    except (ModelFileError, ModelFailedError) as error:
        raise CommandError(f"--model cannot be used: {error}") from None


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else json.dumps(value)
