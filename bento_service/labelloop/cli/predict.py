"""`labelloop predict`: the labels that a model gives to texts."""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

import typer

from labelloop.cli.data_options import ConfigOption, DataFile, EncodingOption, ModelOption, TextColumn, read_model
from labelloop.cli.model_class import ModelClassOption, choose_model_class
from labelloop.cli.output import FAILED, JSON_OPTION, CommandError, print_result, working

if TYPE_CHECKING:
    from labelloop.models.model import Model, TextModel

CHUNK = 1024
"""Texts predicted at a time: their probabilities for a thousand labels take 4 MB."""


class Ranked(TypedDict):
    """A label and its probability."""

    label: str
    score: float


class Answer(TypedDict):
    """What a model says about one text: the most probable label."""

    choices: list[str]
    score: float
    margin: float
    """Score less that of the next label: small where the model hesitates."""
    ranked: NotRequired[list[Ranked]]
    """With --top-k: that many labels, the most probable first."""


def predict(
    model: ModelOption,
    text: Annotated[list[str] | None, typer.Option(help="A text; may be given several times.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="File with the texts; without --text and --data: one a line from standard input."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write all columns and the predictions to this CSV file.")] = None,
    top_k: Annotated[int, typer.Option(min=1, help="How many labels of each text, the most probable first.")] = 1,
    text_column: TextColumn = "text",
    label_config: ConfigOption = None,
    encoding: EncodingOption = None,
    model_class: ModelClassOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Predict the labels of texts, with the probability of each; with a model of whole tasks, those of --data.

    Prints label, probability and text. A blank text gets no label, as from the server.
    """
    from labelloop.models.model import TextModel

    choose_model_class(model_class)
    if text is not None and data is not None:
        raise CommandError("--text and --data exclude each other: give one of them.")
    loaded = read_model(model)
    if not isinstance(loaded, TextModel):
        if out is not None or top_k > 1:
            raise CommandError(f"--out and --top-k need a model of texts, {type(loaded).__name__} predicts tasks.")
        _predict_tasks(loaded, data, label_config, encoding, as_json)
        return
    rows, texts = _inputs(text, data, text_column, encoding)
    with working(f"predicting {len(texts)} texts") as report:
        predictions = _predictions(loaded, texts, top_k, report)
    if out is not None:
        _write(out, rows, loaded, predictions, top_k)
        typer.echo(f"wrote {len(rows)} predictions to {out}")
    document = {"version": loaded.version, "predictions": predictions, "rows": rows}
    print_result(as_json, document, map(_line, predictions, texts) if out is None else ())


def _inputs(
    text: list[str] | None, data: Path | None, text_column: str, encoding: str | None
) -> tuple[list[dict[str, str]], Sequence[str]]:
    """Each row with all its columns, and its text."""
    if data is not None:
        table, texts = DataFile(data, text_column, encoding=encoding).texts()
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows], texts
    texts = text if text is not None else [line.rstrip("\n") for line in sys.stdin]
    return [{"text": one} for one in texts], texts


def _predictions(
    model: "TextModel", texts: Sequence[str], top_k: int, report: Callable[[float], None]
) -> list[dict[str, Answer]]:
    """For each text, by control; nothing for a blank text."""
    answers: list[dict[str, Answer]] = [{} for _ in texts]
    asked = [place for place, text in enumerate(texts) if text.strip()]
    for first in range(0, len(asked), CHUNK):
        places = asked[first : first + CHUNK]
        for control, labels in model.labels.items():
            shares = model.probabilities(control, [texts[place] for place in places])
            for place, row in zip(places, shares.tolist(), strict=True):
                answers[place][control] = _answer(labels, row, top_k)
        report((first + len(places)) / len(asked))
    return answers


def _answer(labels: Sequence[str], row: Sequence[float], top_k: int) -> Answer:
    order = sorted(range(len(row)), key=row.__getitem__, reverse=True)
    best, following = row[order[0]], row[order[1]] if len(order) > 1 else 0.0
    answer = Answer(choices=[labels[order[0]]], score=round(best, 6), margin=round(best - following, 6))
    if top_k > 1:
        answer["ranked"] = [Ranked(label=labels[place], score=round(row[place], 6)) for place in order[:top_k]]
    return answer


def _ranked(answer: Answer) -> list[Ranked]:
    return answer.get("ranked") or [Ranked(label=answer["choices"][0], score=answer["score"])]


def _line(prediction: Mapping[str, Answer], text: str) -> str:
    """Labels and scores of each control, then the text; tabs between them."""
    cells = [f"{one['label']}\t{one['score']:.3f}" for answer in prediction.values() for one in _ranked(answer)]
    return "\t".join([*(cells or ["\t"]), " ".join(text.split())])


def _write(
    out: Path,
    rows: Sequence[Mapping[str, str]],
    model: "TextModel",
    predictions: Sequence[Mapping[str, Answer]],
    top_k: int,
) -> None:
    """The rows with columns for each control: predicted_NAME, its score and margin, and further labels."""
    own = list(rows[0]) if rows else ["text"]
    added = [name for control in model.labels for name in _columns(control, top_k)]
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*own, *(name for name in added if name not in own)])
            writer.writeheader()
            for row, prediction in zip(rows, predictions, strict=True):
                cells = {name: value for control in prediction for name, value in _cells(control, prediction[control])}
                writer.writerow({**row, **dict.fromkeys(added, ""), **cells})
    except OSError as error:
        raise CommandError(f"--out {out} cannot be written ({error.strerror}): name another file.") from None


def _columns(control: str, top_k: int) -> Iterator[str]:
    name = f"predicted_{control}"
    yield from (name, f"{name}_score", f"{name}_margin")
    for place in range(2, top_k + 1):
        yield from (f"{name}_{place}", f"{name}_{place}_score")


def _cells(control: str, answer: Answer) -> Iterator[tuple[str, object]]:
    name = f"predicted_{control}"
    yield f"{name}_margin", answer["margin"]
    for place, one in enumerate(_ranked(answer), start=1):
        column = name if place == 1 else f"{name}_{place}"
        yield column, one["label"]
        yield f"{column}_score", one["score"]


def _predict_tasks(
    model: "Model", data: Path | None, label_config: Path | None, encoding: str | None, as_json: bool
) -> None:
    """Predictions in Label Studio's form, one line of JSON for each task."""
    from labelloop.prediction.answer_checks import checked
    from labelloop.training.model_calls import ModelFailedError, guard_model_call

    if data is None:
        raise CommandError(
            f"{type(model).__name__} predicts tasks: name an export of Label Studio with --data FILE.json."
        )
    labelled = DataFile(data, encoding=encoding, label_config=label_config).labelled()
    tasks = [{"id": task.id, "data": dict(task.data)} for task in labelled.tasks]
    try:
        with guard_model_call(type(model), "predict"):
            answers = checked(model.predict(tasks, labelled.schema), len(tasks), labelled.schema)
    except ModelFailedError as error:
        raise CommandError(str(error), FAILED) from None
    document = {"version": model.version, "predictions": [dict(answer.prediction) for answer in answers]}
    print_result(as_json, document, (json.dumps(answer.prediction, ensure_ascii=False) for answer in answers))
