"""A model's figures as the page shows them: with the interval of what so few texts can say, or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import TYPE_CHECKING

from labelloop.datasets.split import FEWEST_MEASURED
from labelloop.intervals import FEWEST_PER_LABEL, Interval, wilson, wilson_f1
from labelloop.json_values import as_list, as_mapping, as_number, as_share, as_text
from labelloop.metrics import HEADLINE, METRICS, title
from labelloop.serving.model_page.plots import Plot, calibration

if TYPE_CHECKING:
    from labelloop.models.model import Model
    from labelloop.prediction.custom_predictor import CustomModel

MAX_PAIRS = 20
LONG_TABLE = 15
"""Rows from which on a table says how many it has, since it scrolls."""


@dataclass(frozen=True)
class Figure:
    """A number, as text, and the 95 % interval of a share."""

    value: float | None
    text: str
    interval: Interval | None = None

    @property
    def range(self) -> str:
        """The interval in whole per cent; empty without one."""
        if self.interval is None:
            return ""
        low, high = self.interval
        return f"{floor(low * 100)}-{-floor(-high * 100)}%"


@dataclass(frozen=True)
class ClassRow:
    """One label. `few`: why there are no figures of it, instead of `figures` (precision, recall, F1)."""

    label: str
    texts: float | None
    held_out: float | None
    few: str | None
    figures: Sequence[Figure]


@dataclass(frozen=True)
class ControlFacts:
    """One control of the labelling configuration."""

    name: str
    figures: Sequence[tuple[str, Figure]]
    missing: str | None
    """Why there are no figures; None: there are."""
    classes: Sequence[ClassRow]
    """The worst first; those too few to measure last."""
    confusions: Sequence[tuple[str, str, float]]
    """Annotated, predicted, how often."""
    calibration: Plot | None

    @property
    def is_long(self) -> bool:
        """Whether the table of labels scrolls."""
        return len(self.classes) > LONG_TABLE


def controls(
    model: "Model | CustomModel | None", metrics: Mapping[str, object], origin: Mapping[str, object]
) -> list[ControlFacts]:
    """All controls of the model, in its order."""
    if model is None:
        return []
    several = as_mapping(metrics.get("controls"))
    labelled = as_mapping(origin.get("labels"))
    found = []
    for name, classes in model.labels.items():
        own = as_mapping(several.get(name)) or (metrics if len(model.labels) == 1 else {})
        found.append(_control(name, classes, own, as_mapping(labelled.get(name)), origin))
    return found


def share(value: object, size: object) -> Figure:
    """A share of `size` texts."""
    known, texts = as_share(value), as_number(size)
    return Figure(known, as_text(value, percent=True), None if known is None or texts is None else wilson(known, texts))


def _rough(found: Figure) -> Figure:
    """Without decimals, which the few texts of one label cannot have."""
    return found if found.value is None else replace(found, text=f"{found.value:.0%}")


def _control(
    name: str,
    classes: Sequence[str],
    metrics: Mapping[str, object],
    counts: Mapping[str, object],
    origin: Mapping[str, object],
) -> ControlFacts:
    figures = []
    if (accuracy := share(metrics.get("accuracy"), metrics.get("examples"))).text != "-":
        figures.append(("accuracy", accuracy))
    shown = [(key, as_text(metrics.get(key), percent=key in METRICS and METRICS[key].percent)) for key in HEADLINE[1:]]
    figures += [(title(key), Figure(as_number(metrics.get(key)), text)) for key, text in shown if text != "-"]
    per_class = as_mapping(metrics.get("per_class"))
    missing = None if as_number(metrics.get("accuracy")) is not None else _why_none(metrics, origin)
    rows = [
        _class_row(label, counts.get(label), as_mapping(per_class.get(label)), measured=missing is None)
        for label in classes
    ]
    rows.sort(key=_badness)
    return ControlFacts(name, figures, missing, rows, _confusions(metrics, per_class), calibration(metrics))


def _class_row(label: str, count: object, metrics: Mapping[str, object], *, measured: bool) -> ClassRow:
    annotated, predicted = as_number(metrics.get("examples")), as_number(metrics.get("predicted"))
    texts = as_number(count)
    if not metrics or (annotated or 0) < FEWEST_PER_LABEL:
        return ClassRow(label, texts, annotated, _few(annotated) if measured else "not measured", ())
    f1 = as_share(metrics.get("f1"))
    both = None if f1 is None or annotated is None or predicted is None else wilson_f1(f1, annotated, predicted)
    precision = share(metrics.get("precision"), predicted)
    if predicted is not None and predicted < FEWEST_PER_LABEL:
        precision = Figure(None, f"too few ({predicted:,.0f})")
    figures = (precision, share(metrics.get("recall"), annotated), Figure(f1, as_text(f1), both))
    return ClassRow(label, texts, annotated, None, tuple(map(_rough, figures)))


def _few(size: float | None) -> str:
    return f"too few to measure ({size or 0:,.0f} of {FEWEST_PER_LABEL})"


def _badness(row: ClassRow) -> tuple[bool, float, str]:
    f1 = row.figures[2].value if row.figures else None
    return f1 is None, f1 or 0.0, row.label


def _why_none(metrics: Mapping[str, object], origin: Mapping[str, object]) -> str:
    """Why a control has no figures, and how many texts it takes."""
    held_out, needed = as_number(metrics.get("examples")), as_number(origin.get("figures_from"))
    if held_out:
        return f"No figures: {held_out:,.0f} texts were held out to measure it, {FEWEST_MEASURED} are needed."
    trained_on = as_number(origin.get("trained_on"))
    known = "" if trained_on is None else f" The model was trained on all {trained_on:,.0f}."
    if needed is None:
        return f"No figures: no texts were held out to measure it.{known}"
    return f"No figures yet: texts are held out to measure a model from {needed:,.0f} labelled texts on.{known}"


def _confusions(metrics: Mapping[str, object], per_class: Mapping[str, object]) -> list[tuple[str, str, float]]:
    """The most frequent first; of those equally frequent, those of the rarest labels."""
    pairs = [
        (str(pair[0]), str(pair[1]), as_number(pair[2]) or 0.0)
        for pair in as_list(metrics.get("confusions"))
        if isinstance(pair, list) and len(pair) == 3
    ]

    def rank(pair: tuple[str, str, float]) -> tuple[float, float]:
        return -pair[2], as_number(as_mapping(per_class.get(pair[0])).get("examples")) or 0.0

    return sorted(pairs, key=rank)[:MAX_PAIRS]
