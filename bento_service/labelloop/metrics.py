"""The metrics of models, in one table: training, gate, results, command line and model page read it.

A new metric is an entry here. If the gate may use it, it is also a value of `spec.evaluation.metric` in the CRD.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the command line reads the table without numpy
    import numpy as np
    from numpy.typing import NDArray

Labels = Sequence[frozenset[str]]


class Measured(Protocol):
    """A model on the held-out texts of one control; arrays have the shape (texts, classes)."""

    probabilities: "NDArray[np.float64]"
    predicted: "NDArray[np.bool_]"
    true: "NDArray[np.bool_]"
    multiple: bool

    def f1(self) -> "NDArray[np.float64]":
        """Per class; 0 where nothing is right."""
        ...

    def log_loss(self) -> float:
        """Mean over texts (single choice) or texts and classes (multiple choice) of -ln(probability of the truth)."""
        ...

    def calibration_error(self) -> float:
        """Expected calibration error of the most probable class."""
        ...


class Answers(Protocol):
    """What a model says about some texts of one control; `probabilities` has the shape (texts, names)."""

    names: tuple[str, ...]
    probabilities: "NDArray[np.float64]"
    chosen: list[frozenset[str]]
    multiple: bool

    def agreement(self, labels: Labels) -> "NDArray[np.float64]":
        """Per text, 0 to 1: labels in common as a share of all."""
        ...

    def log_likelihood(self, labels: Labels) -> "NDArray[np.float64]":
        """Per text, in nats, at most 0."""
        ...


@dataclass(frozen=True)
class Comparison:
    """How the gate compares two models by a metric."""

    value: str
    """In `spec.evaluation.metric`."""
    score: "Callable[[Answers, Labels], NDArray[np.float64]]"
    """Per text; larger is better."""
    tolerance: float
    """A mean loss of score that may be accepted, unless the user sets another one."""
    counts: bool
    """Scores of a single choice are 0 or 1, so an exact test applies."""


@dataclass(frozen=True)
class Metric:
    """A figure of a model on its held-out texts."""

    name: str
    """In `metrics` and in result.json."""
    title: str
    compute: "Callable[[Measured], float]"
    larger_is_better: bool = True
    percent: bool = False
    """Whether people read it in per cent."""
    needs_probabilities: bool = False
    """Whether a custom model that only gives results has none."""
    comparison: Comparison | None = None

    @property
    def sign(self) -> int:
        """1, or -1 where a smaller figure is better: the figure is `sign` times the mean score."""
        return 1 if self.larger_is_better else -1


ACCURACY = Metric(
    "accuracy",
    "accuracy",
    lambda measured: float((measured.predicted == measured.true).all(axis=1).mean()),
    percent=True,
    comparison=Comparison("Accuracy", lambda answers, labels: answers.agreement(labels), 0.01, counts=True),
)
LOG_LOSS = Metric(
    "log_loss",
    "log loss",
    lambda measured: measured.log_loss(),
    larger_is_better=False,
    needs_probabilities=True,
    comparison=Comparison("LogLoss", lambda answers, labels: answers.log_likelihood(labels), 0.02, counts=False),
)
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        # Over classes that are true or predicted, as in scikit-learn.
        Metric(
            "macro_f1",
            "macro F1",
            lambda measured: float(measured.f1()[(measured.predicted | measured.true).any(axis=0)].mean()),
            percent=True,
        ),
        LOG_LOSS,
        Metric(
            "ece",
            "calibration error",
            lambda measured: measured.calibration_error(),
            larger_is_better=False,
            needs_probabilities=True,
        ),
    )
}
HEADLINE = (*METRICS, "examples")
"""Figures of a model as a whole, in the order in which they are shown."""


def title(name: str) -> str:
    """A headline figure in words."""
    return "texts held out" if name == "examples" else METRICS[name].title
