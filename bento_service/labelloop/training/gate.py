"""The gate: may a freshly trained candidate take the place of the model that serves?

Both answer the same held-out texts, which neither was trained on, and are compared pair by pair. The candidate is
refused only when it is worse by more than the tolerance and chance is an unlikely cause (one-sided, 0.2 %): the exact
McNemar test for a single choice, a normal test of the mean difference for anything else.

Annotators accept part of the wrong choices that are pre-selected for them, so such labels lean to the model that made
them, the incumbent. Labels made unaided (`origin` manual; all of them with `evaluation.hideHoldoutPredictions`) decide
alone when there are enough. Otherwise the lean is taken out: each wrong pre-selection that somebody corrected stands
for `accepted_errors / (1 - accepted_errors)` more that nobody did, whose stored label is the incumbent's own answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Control, Schema
from labelloop.metrics import ACCURACY, METRICS, Metric
from labelloop.metrics import Comparison as MetricComparison
from labelloop.models.classifier import Classifier
from labelloop.training.gate_checks import SIGNIFICANCE, Comparison, Figures, Verdict, judge

Mode = Literal["Enforce", "Audit"]

UNAIDED_EXAMPLES = 200
"""From this many labels made without a pre-selection on, they decide alone."""
ACCEPTED_ERRORS = 0.3
"""Share of wrong pre-selections taken to be accepted, where nothing tells it."""
_SMALLEST_DISCORDANT = 9
"""0.5 ** 9 is the first power below SIGNIFICANCE: fewer lost texts are never significant."""
_SMALLEST_PROBABILITY = 1e-7
COMPARABLE = {metric.comparison.value: metric for metric in METRICS.values() if metric.comparison is not None}
"""By their value in `spec.evaluation.metric`."""


@dataclass(frozen=True)
class GateRules:
    """`spec.evaluation`: what a candidate must not fall below."""

    metric: Metric = ACCURACY
    """One with a comparison."""
    tolerance: float | None = None
    """How much worse it may be; None: the tolerance of the metric."""
    min_accuracy: float | None = None
    """The lowest accuracy on the held-out texts that may serve; None: any."""
    mode: Mode = "Enforce"
    """`Audit` reports what the gate would have decided and lets the candidate pass."""
    accepted_errors: float = ACCEPTED_ERRORS

    @property
    def allowed(self) -> float:
        """The tolerance in force."""
        return self.comparison.tolerance if self.tolerance is None else self.tolerance

    @property
    def comparison(self) -> MetricComparison:
        """How two models are compared."""
        assert self.metric.comparison is not None  # noqa: S101 - only those can be chosen
        return self.metric.comparison


def gate_rules(given: Mapping[str, object]) -> GateRules:
    """Rules from `spec.evaluation` as JSON gives it; what is missing has its default. Raises ValueError."""
    metric, mode = given.get("metric", "Accuracy"), given.get("mode", "Enforce")
    if not isinstance(metric, str) or metric not in COMPARABLE:
        raise ValueError(f"metric is {metric!r}: use {' or '.join(COMPARABLE)}")
    if mode not in get_args(Mode):
        raise ValueError(f"mode is {mode!r}: use {' or '.join(get_args(Mode))}")
    return GateRules(
        metric=COMPARABLE[metric],
        tolerance=_number("tolerance", given.get("tolerance"), 10),
        min_accuracy=_number("minAccuracy", given.get("minAccuracy"), 1),
        mode="Audit" if mode == "Audit" else "Enforce",
    )


def _number(name: str, value: object, maximum: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:
        raise ValueError(f"{name} is {value!r}: use a number from 0 to {maximum:g}")
    return float(value)


def compare(
    incumbent: Classifier | None, candidate: Classifier, held_out: Sequence[Example], schema: Schema, rules: GateRules
) -> Verdict:
    """Judge `candidate` on `held_out`, texts held out for both models; `incumbent` None: nothing was trained before.

    With several controls each is compared, and the first that is worse decides. Order and ids of the examples do not
    matter. Raises nothing for data: whatever cannot be compared passes and is reported.
    """
    found = [
        _compare_control(incumbent, candidate, control, answered, rules)
        for control in schema.controls
        if control.name in candidate.labels
        and (answered := [example for example in held_out if example.labels.get(control.name)])
    ]
    if not found:
        return Verdict(True, "NothingToCompare", "no text is held out: the candidate was not compared")
    refused = next((verdict for verdict in found if verdict.reason in ("WorseThanActive", "BelowMinimum")), None)
    verdict = refused or found[0]
    if refused is None or rules.mode == "Enforce":
        return verdict
    message = f"{verdict.message}; let through, since evaluation.mode is Audit"
    return Verdict(True, verdict.reason, message, verdict.figures)


def _compare_control(
    incumbent: Classifier | None, candidate: Classifier, control: Control, examples: Sequence[Example], rules: GateRules
) -> Verdict:
    ours = _Answers(candidate, control, examples)
    accuracy = float(ours.agreement(ours.truths).mean())
    figures: Figures = {"control": control.name, "metric": rules.metric.name, "examples": len(examples)}
    figures["accuracy"] = _rounded(accuracy)
    pairs = None if incumbent is None else _Pairs(ours, _Answers(incumbent, control, examples), examples, rules)
    if pairs is not None:
        figures |= pairs.figures()
    return judge(Comparison(len(examples), accuracy, rules.min_accuracy, rules.allowed, pairs, figures))


class _Answers:
    """What one model says about each example; arrays of shape (examples, labels), the labels being all of `names`."""

    def __init__(self, model: Classifier, control: Control, examples: Sequence[Example]) -> None:
        name = control.name
        known = model.labels.get(name, ())
        self.truths = [frozenset(example.labels[name]) for example in examples]
        self.names = (*known, *sorted(frozenset().union(*self.truths) - set(known)))
        self.multiple = control.multiple
        self.probabilities = np.zeros((len(examples), len(self.names)))
        if known:
            self.probabilities[:, : len(known)] = model.probabilities(name, [example.text for example in examples])
        self.chosen = self._chosen(model.thresholds(name) if known and control.multiple else None)

    def _chosen(self, thresholds: NDArray[np.float32] | None) -> list[frozenset[str]]:
        if thresholds is None:
            best = self.probabilities.argmax(axis=1)
            return [
                frozenset((self.names[column],)) if self.probabilities[row, column] > 0 else frozenset()
                for row, column in enumerate(best)
            ]
        above = self.probabilities[:, : len(thresholds)] >= thresholds
        return [frozenset(self.names[column] for column in np.flatnonzero(row)) for row in above]

    def agreement(self, labels: Sequence[frozenset[str]]) -> NDArray[np.float64]:
        """Per example 0 to 1: common labels as a share of all that either names (a single choice: right or wrong)."""
        return np.array(
            [len(mine & other) / max(len(mine | other), 1) for mine, other in zip(self.chosen, labels, strict=True)]
        )

    def log_likelihood(self, labels: Sequence[frozenset[str]]) -> NDArray[np.float64]:
        """Per example the mean over the labels' ln(probability), of a multiple choice over all classes."""
        column = {name: index for index, name in enumerate(self.names)}
        members = np.zeros(self.probabilities.shape, np.bool_)
        for row, names in enumerate(labels):
            members[row, [column[name] for name in names if name in column]] = True
        sure = np.log(np.clip(self.probabilities, _SMALLEST_PROBABILITY, 1))
        if self.multiple:
            absent = np.log(np.clip(1 - self.probabilities, _SMALLEST_PROBABILITY, 1))
            return np.asarray(np.where(members, sure, absent).mean(axis=1))
        found = np.where(members, sure, 0).sum(axis=1) / np.maximum(members.sum(axis=1), 1)
        return np.asarray(np.where(members.any(axis=1), found, np.log(_SMALLEST_PROBABILITY)))


class _Pairs:
    """Both models on the same examples; `differences` per example, positive where the candidate is better."""

    def __init__(self, candidate: _Answers, incumbent: _Answers, examples: Sequence[Example], rules: GateRules) -> None:
        self._rules = rules
        self._scores = self._scored(candidate, candidate.truths), self._scored(incumbent, candidate.truths)
        self._unaided = np.array([example.origin == "manual" for example in examples])
        difference = self._scores[0] - self._scores[1]
        if self._unaided.sum() >= UNAIDED_EXAMPLES:
            self._used = self._unaided
            lean = np.zeros(len(examples))
        else:
            self._used = np.ones(len(examples), np.bool_)
            lean = self._lean(candidate, incumbent, examples, difference)
        self.differences = (difference + lean)[self._used]
        self.compared = len(self.differences)
        self.mean = float(self.differences.mean())
        observed = difference[self._used]
        self._discordant = int((np.abs(observed) > 1e-12).sum())
        exact = rules.comparison.counts and bool(np.isin(observed, (-1, 0, 1)).all())
        self.p_value = self._exact() if exact else self._normal()

    def _scored(self, answers: _Answers, labels: Sequence[frozenset[str]]) -> NDArray[np.float64]:
        return self._rules.comparison.score(answers, labels)

    def _lean(
        self,
        candidate: _Answers,
        incumbent: _Answers,
        examples: Sequence[Example],
        difference: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """What the accepted errors behind each corrected one add: their true difference, less the stored one."""
        share = self._rules.accepted_errors
        corrected = np.array([example.origin == "prediction-changed" for example in examples])
        corrected &= incumbent.agreement(incumbent.truths) < 1
        stored = self._scored(candidate, incumbent.chosen) - self._scored(incumbent, incumbent.chosen)
        return np.asarray(np.where(corrected, share / (1 - share) * (difference - stored), 0.0))

    def _exact(self) -> float:
        """Exact McNemar: P(at least so many losses among the discordant pairs); real-valued once the lean is out."""
        lost = (self._discordant - float(self.differences.sum())) / 2
        lost = min(max(lost, 0.0), float(self._discordant))
        return float(betainc(lost, self._discordant - lost + 1, 0.5)) if lost > 0 else 1.0

    def _normal(self) -> float:
        error = float(self.differences.std(ddof=1)) / sqrt(len(self.differences)) if len(self.differences) > 1 else 0.0
        return NormalDist().cdf(self.mean / error) if error > 0 else 1.0

    @property
    def detectable(self) -> float:
        """The smallest loss that would have been refused, in the units of the metric."""
        quantile = -NormalDist().inv_cdf(SIGNIFICANCE)
        if not self._rules.comparison.counts:
            return max(self._rules.allowed, quantile * float(self.differences.std()) / sqrt(len(self.differences)))
        pairs = max(self._discordant, _SMALLEST_DISCORDANT)
        return max(self._rules.allowed, max(_SMALLEST_DISCORDANT, quantile * sqrt(pairs)) / len(self.differences))

    def figures(self) -> Figures:
        """For result.json; log losses are reported as such, lower being better."""
        groups: Figures = {}
        for name, members in (("manual", self._unaided), ("assisted", ~self._unaided)):
            if members.any():
                candidate, incumbent = self._reported_scores(members)
                groups[name] = {"candidate": candidate, "incumbent": incumbent, "examples": int(members.sum())}
        candidate, incumbent = self._reported_scores(self._used)
        return {
            "candidate": candidate,
            "incumbent": incumbent,
            "difference": _rounded(self.mean),
            "compared": self.compared,
            "p_value": _rounded(self.p_value),
            "detectable": _rounded(self.detectable),
            "origins": groups,
        }

    def _reported_scores(self, members: NDArray[np.bool_]) -> tuple[float, float]:
        sign = self._rules.metric.sign
        candidate, incumbent = (_rounded(sign * float(scores[members].mean())) for scores in self._scores)
        return candidate, incumbent

    def message(self) -> str:
        """One line with both figures."""
        candidate, incumbent = self._reported_scores(self._used)
        return (
            f"{self._rules.metric.title} {candidate:.3f} against {incumbent:.3f} of the model that serves, "
            f"on {self.compared} held-out texts"
        )


def _rounded(value: float) -> float:
    return round(value, 6)
