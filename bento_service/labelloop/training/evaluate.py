"""How good a model is on texts it was not trained on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from labelloop.datasets.split import FEWEST_MEASURED
from labelloop.metrics import METRICS
from labelloop.models.classifier import Classifier

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.label_config.schema import Schema

CALIBRATION_BINS, FEWEST_IN_BIN = 15, 10
"""A bin of one or two texts is right in 0 or 100 % of them, whatever the model is worth."""
MAX_CONFUSIONS = 20
# A probability of 0 for what is true would make the mean infinite; this caps one example's loss at 16.1.
_SMALLEST_PROBABILITY = 1e-7
_DIGITS = 6


@dataclass
class Measured:
    """See metrics.Measured."""

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

    def f1(self) -> NDArray[np.float64]:
        """See metrics.Measured."""
        right = (self.predicted & self.true).sum(axis=0)
        total = self.predicted.sum(axis=0) + self.true.sum(axis=0)
        return np.asarray(2 * right / np.maximum(total, 1))

    def log_loss(self) -> float:
        """See metrics.Measured."""
        probabilities, true = self.probabilities, self.true
        right = np.where(true, probabilities, 1 - probabilities) if self.multiple else probabilities[true]
        return float(-np.log(np.clip(right, _SMALLEST_PROBABILITY, 1)).mean())

    def calibration_error(self) -> float:
        """See metrics.Measured."""
        return sum(abs(sure - right) * size for sure, right, size in self.bins) / len(self.true)


def evaluate(model: Classifier, examples: Sequence["Example"], schema: "Schema") -> dict[str, object]:
    """Metrics of the control the model covers; of several the means, and those of each under `controls`.

    Each: all of METRICS, `examples` (how many texts), `per_class`, `calibration`, and `confusions` of a single choice.
    METRICS are finite, or None with fewer than FEWEST_MEASURED texts. Counts and labels only, no texts.
    """
    metrics: dict[str, dict[str, object]] = {}
    for control in schema.controls:
        if control.name in model.labels:
            metrics[control.name] = _evaluate_control(model, examples, control.name, multiple=control.multiple)
    if len(metrics) > 1:
        return {**_means(list(metrics.values())), "controls": metrics}
    return dict(next(iter(metrics.values()), _metrics_unknown(0)))


def _means(metrics: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Over the controls that have figures; `examples` is that of the control with the most."""
    means: dict[str, object] = {}
    for name in METRICS:
        known = [value for part in metrics if isinstance(value := part[name], float)]
        means[name] = _rounded(sum(known) / len(known)) if known else None
    return {**means, "examples": max(count for part in metrics if isinstance(count := part["examples"], int))}


def _evaluate_control(
    model: Classifier, examples: Sequence["Example"], control: str, *, multiple: bool
) -> dict[str, object]:
    texts = [example.text for example in examples if example.labels.get(control)]
    truths = [example.labels[control] for example in examples if example.labels.get(control)]
    if len(texts) < FEWEST_MEASURED:
        return _metrics_unknown(len(texts))
    if not multiple:
        truths = [labels[:1] for labels in truths]
    # Labels the model has never seen count too: it is wrong about them.
    known = model.labels[control]
    names = (*known, *sorted({label for labels in truths for label in labels} - {*known}))
    true = _membership(truths, names)
    probabilities = np.zeros(true.shape)
    probabilities[:, : len(known)] = model.probabilities(control, texts)
    predicted = _chosen(probabilities, model.thresholds(control) if multiple else None)
    measured = Measured(probabilities, predicted, true, multiple)
    found: dict[str, object] = {
        **{name: _rounded(metric.compute(measured)) for name, metric in METRICS.items()},
        "examples": len(texts),
        "per_class": _per_class(names, measured),
        "calibration": [
            {"confidence": _rounded(sure), "accuracy": _rounded(right), "examples": size}
            for sure, right, size in measured.bins
        ],
    }
    return found if multiple else {**found, "confusions": _confusions(names, predicted, true)}


def _metrics_unknown(examples: int) -> dict[str, object]:
    return {**dict.fromkeys(METRICS), "examples": examples}


def _confusions(names: Sequence[str], predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> list[list[object]]:
    """[true, predicted, how often] of the mistakes made most, at most MAX_CONFUSIONS; one class per row."""
    pairs = zip(true.argmax(axis=1).tolist(), predicted.argmax(axis=1).tolist(), strict=True)
    counted = Counter((names[truth], names[said]) for truth, said in pairs if truth != said)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [[truth, said, number] for (truth, said), number in ranked[:MAX_CONFUSIONS]]


def _membership(truths: Sequence[Sequence[str]], names: Sequence[str]) -> NDArray[np.bool_]:
    column = {name: index for index, name in enumerate(names)}
    members = np.zeros((len(truths), len(names)), np.bool_)
    for row, labels in enumerate(truths):
        members[row, [column[label] for label in labels]] = True
    return members


def _chosen(probabilities: NDArray[np.float64], thresholds: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    """Single choice: the most probable class. Multiple choice: the classes at or above their thresholds."""
    chosen = np.zeros(probabilities.shape, np.bool_)
    if thresholds is None:
        chosen[np.arange(len(chosen)), probabilities.argmax(axis=1)] = True
    else:
        chosen[:, : len(thresholds)] = probabilities[:, : len(thresholds)] >= thresholds
    return chosen


def _per_class(names: Sequence[str], measured: Measured) -> Mapping[str, Mapping[str, object]]:
    predicted, true = measured.predicted, measured.true
    right = (predicted & true).sum(axis=0)
    precision = right / np.maximum(predicted.sum(axis=0), 1)
    recall = right / np.maximum(true.sum(axis=0), 1)
    f1 = measured.f1()
    return {
        name: {
            "precision": _rounded(float(precision[index])),
            "recall": _rounded(float(recall[index])),
            "f1": _rounded(float(f1[index])),
            "examples": int(true[:, index].sum()),
            "predicted": int(predicted[:, index].sum()),
        }
        for index, name in enumerate(names)
    }


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
