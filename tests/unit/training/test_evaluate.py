import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss
from tests.support.models import AnsweringModel

from labelloop.datasets.examples import Example
from labelloop.datasets.split import FEWEST_MEASURED
from labelloop.label_config.schema import Choice, Control, Schema
from labelloop.training.evaluate import evaluate

NAMES = ("a", "b", "c")


class Told(AnsweringModel):
    """Answers what it was reported, by text."""

    def __init__(self, answers, labels=NAMES, controls=("label",)):
        self.labels = dict.fromkeys(controls, labels)
        self._answers = answers

    def probabilities(self, control, texts):
        return np.array([self._answers[text] for text in texts], np.float32)


def schema(multiple=False, names=("label",)):
    choices = tuple(Choice(name) for name in NAMES)
    return Schema(tuple(Control(name, "text", "Text", "text", choices, multiple) for name in names), "digest")


def held_out(truths):
    return [Example(i, str(i), {"label": tuple(labels)}) for i, labels in enumerate(truths)]


SINGLE = st.lists(
    st.tuples(st.sampled_from(NAMES), st.lists(st.integers(1, 9), min_size=3, max_size=3)),
    min_size=FEWEST_MEASURED,
    max_size=30,
)


@settings(deadline=None, max_examples=30)
@given(SINGLE)
def test_single_choice_metrics_are_those_of_scikit_learn(rows):
    truths = [truth for truth, _ in rows]
    answers = np.array([np.array(weights) / sum(weights) for _, weights in rows])
    found = evaluate(Told({str(i): row for i, row in enumerate(answers)}), held_out([[t] for t in truths]), schema())
    predicted = [NAMES[i] for i in answers.astype(np.float32).argmax(axis=1)]
    assert found["accuracy"] == pytest.approx(accuracy_score(truths, predicted), abs=1e-6)
    assert found["macro_f1"] == pytest.approx(f1_score(truths, predicted, average="macro"), abs=1e-6)
    assert found["log_loss"] == pytest.approx(log_loss(truths, answers, labels=NAMES), abs=1e-5)
    assert found["examples"] == len(rows)
    assert {name: part["examples"] for name, part in found["per_class"].items()} == {n: truths.count(n) for n in NAMES}


def test_multiple_choice_needs_the_exact_set():
    truths = [["a"], ["a", "b"]] * 5
    answers = {str(i): [0.9, 0.1 if i % 2 == 0 else 0.4, 0.2] for i in range(10)}
    found = evaluate(Told(answers), held_out(truths), schema(multiple=True))
    assert found["accuracy"] == 0.5
    assert found["per_class"]["a"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "examples": 10, "predicted": 10}
    assert found["per_class"]["b"]["recall"] == 0
    assert found["macro_f1"] == 0.5
    right = [-math.log(0.9) - math.log(0.9) - math.log(0.8), -math.log(0.9) - math.log(0.4) - math.log(0.8)]
    assert found["log_loss"] == pytest.approx(sum(right) / 6, abs=1e-5)


def test_a_label_the_model_has_never_seen_is_wrong_and_finite():
    answers = {str(i): [1, 0] for i in range(10)}
    found = evaluate(Told(answers, ("a", "b")), held_out([["a"]] * 9 + [["c"]]), schema())
    assert found["accuracy"] == 0.9
    assert math.isfinite(found["log_loss"])
    assert found["per_class"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "examples": 1, "predicted": 0}


@pytest.mark.parametrize("number", [0, 1, FEWEST_MEASURED - 1])
def test_too_few_texts_give_no_figures(number):
    found = evaluate(Told({}), held_out([["a"]] * number), schema())
    assert found == {"accuracy": None, "macro_f1": None, "log_loss": None, "ece": None, "examples": number}


def test_several_controls_are_told_apart_and_their_means():
    answers = {str(i): [0.8, 0.1, 0.1] for i in range(10)}
    examples = [Example(i, str(i), {"label": ("a",), "mood": ("b",)}) for i in range(10)]
    found = evaluate(Told(answers, controls=("mood", "label")), examples, schema(names=("label", "mood")))
    assert found["controls"]["label"]["accuracy"] == 1
    assert found["controls"]["mood"]["accuracy"] == 0
    assert (found["accuracy"], found["ece"], found["examples"]) == (0.5, 0.5, 10)


def test_a_control_without_figures_does_not_count_in_the_means():
    answers = {str(i): [0.8, 0.1, 0.1] for i in range(10)}
    examples = [Example(i, str(i), {"label": ("a",), **({"mood": ("b",)} if i < 5 else {})}) for i in range(10)]
    found = evaluate(Told(answers, controls=("mood", "label")), examples, schema(names=("label", "mood")))
    assert found["controls"]["mood"]["accuracy"] is None
    assert (found["accuracy"], found["examples"]) == (1, 10)


def test_the_calibration_error_is_what_the_bins_say():
    rows = [[0.9, 0.1, 0.0]] * 30 + [[0.6, 0.4, 0.0]] * 30
    truths = [["a"]] * 27 + [["b"]] * 3 + [["a"]] * 12 + [["b"]] * 18
    found = evaluate(Told({str(i): row for i, row in enumerate(rows)}), held_out(truths), schema())
    assert sum(part["examples"] for part in found["calibration"]) == 60
    assert [part["examples"] for part in found["calibration"]] == [10] * 6, "a bin of fewer texts would be chance"
    assert [part["confidence"] for part in found["calibration"]] == sorted(
        p["confidence"] for p in found["calibration"]
    )
    by_bins = [abs(part["confidence"] - part["accuracy"]) * part["examples"] for part in found["calibration"]]
    assert found["ece"] == pytest.approx(sum(by_bins) / 60, abs=1e-5)
    assert found["confusions"] == [["b", "a", 21]]


def test_the_most_frequent_confusions_come_first_and_are_few():
    names = tuple(f"{number:02}" for number in range(30))
    rows, truths = {}, []
    for number in range(1, 30):
        for _ in range(number):
            rows[str(len(truths))] = [1.0, *[0.0] * 29]
            truths.append([names[number]])
    found = evaluate(Told(rows, names), held_out(truths), schema())
    assert found["confusions"][0] == ["29", "00", 29]
    assert len(found["confusions"]) == 20
