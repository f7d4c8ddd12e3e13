"""The metrics of models on held-out texts: how each is computed, read by people and used by the gate.

A new metric is an entry of METRICS. One that the gate may compare by has a GateScore, whose name is in the enum of
`spec.evaluation.metric` (crds/labelstudiobackends.yaml).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS, FEWEST_IN_BIN = 15, 10
"""A bin of one or two texts is right in 0 or 100 % of them, whatever the model is worth."""
# A probability of 0 for what is true would make a mean infinite; this caps one example's loss at 16.1.
_SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Measured:
    """A model on the held-out texts of one control; all arrays have the shape (texts, classes)."""

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.bool_]
    true: NDArray[np.bool_]
    multiple: bool

    @cached_property
    def bins(self) -> list[tuple[float, float, int]]:
        """(mean probability, share of right ones, texts) of the most probable class, in bins of equally many texts."""
        best = self.probabilities.argmax(axis=1)
        rows = np.arange(len(best))
        sure, right = self.probabilities[rows, best], self.true[rows, best]
        bins = max(min(CALIBRATION_BINS, len(best) // FEWEST_IN_BIN), 1)
        parts = np.array_split(np.argsort(sure, kind="stable"), bins)
        return [(float(sure[part].mean()), float(right[part].mean()), len(part)) for part in parts]

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """Per class; 0 where nothing is right."""
        right = (self.predicted & self.true).sum(axis=0)
        total = self.predicted.sum(axis=0) + self.true.sum(axis=0)
        return np.asarray(2 * right / np.maximum(total, 1))


class Answers(Protocol):
    """What a model says about each example of one control; `probabilities` has the shape (examples, names)."""

    names: tuple[str, ...]
    multiple: bool
    probabilities: NDArray[np.float64]
    chosen: list[frozenset[str]]


@dataclass(frozen=True)
class GateScore:
    """How the gate compares two models by a metric, example by example."""

    setting: str
    """Value of `spec.evaluation.metric`."""
    per_example: Callable[[Answers, Sequence[frozenset[str]]], NDArray[np.float64]]
    """Scores of the answers against these labels, shape (examples,); higher is better."""
    tolerance: float
    """How much worse a candidate may be unless `spec.evaluation.tolerance` says otherwise."""
    sign: Literal[1, -1] = 1
    """-1: scores are shown negated, since lower values of the metric are better."""
    counts_errors: bool = False
    """Whether each example of a single choice scores 0 or 1, so that an exact test applies."""


@dataclass(frozen=True)
class Metric:
    """One figure; `name` is its key in `model.json`, `result.json` and the output of commands."""

    name: str
    label: str
    """For people."""
    compute: Callable[[Measured], float]
    is_share: bool = False
    """Whether it lies within 0 and 1, and is shown in per cent."""
    needs_probabilities: bool = False
    gate: GateScore | None = None


def agreement(answers: Answers, labels: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """Per example 0 to 1: common labels as a share of all that either names (a single choice: right or wrong)."""
    return np.array(
        [len(mine & other) / max(len(mine | other), 1) for mine, other in zip(answers.chosen, labels, strict=True)]
    )


def log_likelihood(answers: Answers, labels: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """Per example the mean over the labels' ln(probability), of a multiple choice over all classes."""
    column = {name: index for index, name in enumerate(answers.names)}
    members = np.zeros(answers.probabilities.shape, np.bool_)
    for row, names in enumerate(labels):
        members[row, [column[name] for name in names if name in column]] = True
    sure = np.log(np.clip(answers.probabilities, _SMALLEST_PROBABILITY, 1))
    if answers.multiple:
        absent = np.log(np.clip(1 - answers.probabilities, _SMALLEST_PROBABILITY, 1))
        return np.asarray(np.where(members, sure, absent).mean(axis=1))
    found = np.where(members, sure, 0).sum(axis=1) / np.maximum(members.sum(axis=1), 1)
    return np.asarray(np.where(members.any(axis=1), found, np.log(_SMALLEST_PROBABILITY)))


def _accuracy(measured: Measured) -> float:
    """Share of texts with exactly the right labels."""
    return float((measured.predicted == measured.true).all(axis=1).mean())


def _macro_f1(measured: Measured) -> float:
    """Over classes that are true or predicted, as in scikit-learn."""
    return float(measured.f1[(measured.predicted | measured.true).any(axis=0)].mean())


def _log_loss(measured: Measured) -> float:
    """Mean over texts (single choice) or over texts and classes (multiple choice) of -ln(probability of the truth)."""
    probabilities, true = measured.probabilities, measured.true
    right = np.where(true, probabilities, 1 - probabilities) if measured.multiple else probabilities[true]
    return float(-np.log(np.clip(right, _SMALLEST_PROBABILITY, 1)).mean())


def _calibration_error(measured: Measured) -> float:
    """Expected calibration error of the most probable class."""
    return sum(abs(sure - right) * size for sure, right, size in measured.bins) / len(measured.true)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "accuracy",
            _accuracy,
            is_share=True,
            gate=GateScore("Accuracy", agreement, tolerance=0.01, counts_errors=True),
        ),
        Metric("macro_f1", "macro F1", _macro_f1, is_share=True),
        Metric(
            "log_loss",
            "log loss",
            _log_loss,
            needs_probabilities=True,
            gate=GateScore("LogLoss", log_likelihood, tolerance=0.02, sign=-1),
        ),
        Metric("ece", "calibration error", _calibration_error, needs_probabilities=True),
    )
}
GATE_METRICS: Mapping[str, str] = {metric.gate.setting: name for name, metric in METRICS.items() if metric.gate}
"""Value of `spec.evaluation.metric` -> name of the metric."""
LABELS: Mapping[str, str] = {**{name: metric.label for name, metric in METRICS.items()}, "examples": "texts held out"}
"""Name -> label for people, of the metrics and of the number of texts that they were computed on."""
