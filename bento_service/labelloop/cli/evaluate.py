"""`labelloop evaluate`: how good a model is on labelled texts, as a whole and by label."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelloop.cli.data_options import (
    FILE_HELP,
    ConfigOption,
    DataFile,
    EncodingOption,
    LabelColumn,
    ModelOption,
    TextColumn,
    read_model,
)
from labelloop.cli.model_class import ModelClassOption, choose_model_class
from labelloop.cli.output import JSON_OPTION, NOT_ENOUGH_DATA, CommandError, print_result, table, warn, working
from labelloop.intervals import FEWEST_PER_LABEL
from labelloop.metrics import HEADLINE

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.models.model import Model

MOST_NAMES, MOST_CONFUSIONS = 10, 10


def evaluate(
    model: ModelOption,
    data: Annotated[Path, typer.Option(help=FILE_HELP)],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    label_config: ConfigOption = None,
    encoding: EncodingOption = None,
    model_class: ModelClassOption = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Measure a model on labelled texts: accuracy, macro F1, log loss, calibration error, figures by label, confusions.

    Labels that the model does not know count as mistakes, and are named.
    """
    from labelloop.datasets.examples import examples
    from labelloop.training.gate import GateRules
    from labelloop.training.measure import measure

    choose_model_class(model_class)
    with working("reading"):
        loaded = read_model(model)
        control = next(iter(loaded.labels), "label")
        labelled = DataFile(data, text_column, label_column, encoding, label_config).labelled(control)
        known = examples(labelled.tasks, labelled.schema).examples
    if not any(control.name in loaded.labels for control in labelled.schema.controls):
        raise CommandError(
            f"{data} has labels for {labelled.schema.controls[0].name!r}, the model answers "
            f"{', '.join(loaded.labels)}: give the labelling configuration with --label-config."
        )
    unknown = unknown_labels(loaded, known)
    if unknown:
        _report_unknown(data, loaded, known, unknown)
    with working("evaluating"):
        metrics, _ = measure(loaded, None, known, (), labelled.schema, GateRules())
    print_result(
        as_json, {"version": loaded.version, **metrics, "unknown_labels": dict(unknown)}, _lines(loaded, metrics)
    )
    if metrics.get("accuracy") is None:
        raise CommandError(f"{data} has {metrics.get('examples')} labelled texts, too few to measure.", NOT_ENOUGH_DATA)


def unknown_labels(model: "Model", examples: Sequence["Example"]) -> Counter[str]:
    """Labels that the model never gives -> how many texts have them."""
    return Counter(
        label
        for example in examples
        for control, labels in example.labels.items()
        for label in labels
        if control in model.labels and label not in model.labels[control]
    )


def _report_unknown(data: Path, model: "Model", examples: Sequence["Example"], unknown: Counter[str]) -> None:
    """A warning, or CommandError when the model knows none of the labels: then it is another model's file."""
    ranked = [label for label, _ in unknown.most_common()]
    names = ", ".join(ranked[:MOST_NAMES]) + (f" and {len(ranked) - MOST_NAMES} more" * (len(ranked) > MOST_NAMES))
    what = f"{unknown.total()} of {len(examples)} texts have labels that the model does not know: {names}"
    given = {label for example in examples for labels in example.labels.values() for label in labels}
    if given <= unknown.keys():
        knows = ", ".join(label for labels in model.labels.values() for label in labels[:MOST_NAMES])
        raise CommandError(f"{data}: {what}. The model knows {knows}: use a model that was trained on these labels.")
    warn(f"{data}: {what}; they count as mistakes")


def _lines(model: "Model", metrics: Mapping[str, Any]) -> Iterator[str]:
    yield model.version
    for name in HEADLINE:
        if name in metrics:
            yield f"{name:<10} {_number(metrics[name])}"
    for control, part in metrics.get("controls", {"": metrics}).items():
        if "per_class" in part:
            yield ""
            yield from by_label(control or "label", part["per_class"])
        if part.get("confusions"):
            yield ""
            yield from confusions(part["confusions"])


def by_label(title: str, per_class: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Figures of each label, the lowest F1 first; those of few texts last and without figures."""
    ranked = sorted(
        per_class.items(), key=lambda item: (item[1]["examples"] < FEWEST_PER_LABEL, item[1]["f1"], item[0])
    )
    rows = [
        (name, str(found["examples"]), *(_figure(found[figure], found["examples"]) for figure in _FIGURES))
        for name, found in ranked
    ]
    lines = table((title, "texts", *_FIGURES), rows)
    if any(found["examples"] < FEWEST_PER_LABEL for found in per_class.values()):
        lines.append(f"-: fewer than {FEWEST_PER_LABEL} texts, too few to measure")
    return lines


def confusions(found: Sequence[Sequence[Any]]) -> list[str]:
    """The mistakes that are made most."""
    rows = [(str(truth), str(answer), str(times)) for truth, answer, times in found[:MOST_CONFUSIONS]]
    return table(("labelled", "predicted", "texts"), rows)


_FIGURES = ("precision", "recall", "f1")


def _figure(value: float, texts: int) -> str:
    return "-" if texts < FEWEST_PER_LABEL else f"{value:.3f}"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else json.dumps(value)
