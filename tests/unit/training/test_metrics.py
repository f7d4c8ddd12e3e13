"""A new metric is one entry of the table: evaluation, gate, commands and model page follow."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.models import AnsweringModel

from labelloop.datasets.examples import Example
from labelloop.label_config import Choice, Control, Schema
from labelloop.metrics import METRICS, Answers, Comparison, Metric
from labelloop.serving.model_page import figures
from labelloop.training.evaluate import evaluate
from labelloop.training.gate import COMPARABLE, compare, gate_rules
from labelloop.training.task_classifier import without_probabilities

NAMES = ("a", "b")
CONTROL = Control("label", "text", "Text", "text", tuple(Choice(name) for name in NAMES), multiple=False)
SCHEMA = Schema((CONTROL,), "digest")
EXAMPLES = [Example(number, f"text {number}", {"label": (NAMES[number % 2],)}) for number in range(400)]


def members(answers: Answers, labels: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    return np.array([[name in chosen for name in answers.names] for chosen in labels], float)


BRIER = Metric(
    "brier",
    "Brier score",
    lambda measured: float(((measured.probabilities - measured.true) ** 2).sum(axis=1).mean()),
    larger_is_better=False,
    needs_probabilities=True,
    comparison=Comparison(
        "Brier",
        lambda answers, labels: -((answers.probabilities - members(answers, labels)) ** 2).sum(axis=1),
        tolerance=0.05,
        counts=False,
    ),
)


class Sure(AnsweringModel):
    """Right about all texts, this sure of it."""

    def __init__(self, sure: float) -> None:
        self.labels = {"label": NAMES}
        self._sure = sure

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        rest = 1 - self._sure
        rows = [(self._sure, rest) if int(text.split()[1]) % 2 == 0 else (rest, self._sure) for text in texts]
        return np.array(rows, np.float32)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "brier", BRIER)
    monkeypatch.setitem(COMPARABLE, "Brier", BRIER)
    monkeypatch.setattr(figures, "HEADLINE", (*METRICS, "examples"))


def test_it_is_measured_and_shown() -> None:
    metrics = evaluate(Sure(0.9), EXAMPLES, SCHEMA)
    assert metrics["brier"] == pytest.approx(0.02, abs=1e-6)
    assert without_probabilities(metrics)["brier"] is None
    (shown,) = figures.controls(Sure(0.9), metrics, {})
    assert dict(shown.figures)["Brier score"].value == metrics["brier"]


def test_the_gate_compares_by_it() -> None:
    rules = gate_rules({"metric": "Brier"})
    assert rules.allowed == 0.05
    verdict = compare(Sure(0.9), Sure(0.6), EXAMPLES, SCHEMA, rules)
    assert (verdict.accepted, verdict.reason) == (False, "WorseThanActive")
    assert verdict.message.startswith("Brier score 0.320 against 0.020 of the model that serves")
    assert compare(Sure(0.9), Sure(0.89), EXAMPLES, SCHEMA, rules).accepted
