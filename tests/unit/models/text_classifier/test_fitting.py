import os
import subprocess
import sys

import numpy as np
import pytest
from tests.unit.models.samples import WORDS, control, example, examples, multiple_examples, schema

from labelloop.models.text_classifier import fitting
from labelloop.models.text_classifier.linear import HeadTask
from labelloop.models.text_classifier.text_classifier import TextClassifier

SCRIPT = """
import hashlib, sys
from pathlib import Path
from examples.tickets import tickets
from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Choice, Control, Schema
from labelloop.models.text_classifier.text_classifier import TextClassifier
made = tickets(400)
choices = tuple(Choice(name) for name in sorted({ticket.label for ticket in made}))
schema = Schema((Control("label", "text", "Text", "text", choices, False),), "")
rows = [Example(i, ticket.text, {"label": (ticket.label,)}) for i, ticket in enumerate(made)]
TextClassifier.fit(rows, schema, {}).save(Path(sys.argv[1]))
"""


def test_the_bytes_do_not_depend_on_the_number_of_cores(tmp_path):
    for threads in ("1", "2"):
        variables = {"PYTHONPATH": ":".join(sys.path), "OPENBLAS_NUM_THREADS": threads, "PATH": os.environ["PATH"]}
        subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / threads)], check=True, env=variables)
    for file in ("model.json", "arrays.npz"):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()


def test_a_sample_keeps_rare_classes_and_weighs_the_frequent_ones():
    chosen = [("common",)] * 900 + [("rare",)] * 5 + [()] * 95
    task = HeadTask("label", chosen, {"common": "common", "rare": "rare"}, multiple=False)
    rows, weights = fitting._sample(1000, [task], 200)
    assert len(rows) <= 200
    assert (np.diff(rows) > 0).all()
    assert {*range(900, 905)} <= {*rows.tolist()}
    assert weights[(rows >= 900) & (rows < 905)].tolist() == [1] * 5
    assert weights.sum() == pytest.approx(1000)


def test_what_is_few_is_not_sampled():
    rows, weights = fitting._sample(2, [HeadTask("label", [("x",), ("y",)], {"x": "x", "y": "y"}, False)], 2)
    assert (rows.tolist(), weights.tolist()) == ([0, 1], [1, 1])


def test_a_sample_still_learns(monkeypatch):
    monkeypatch.setattr(fitting, "MAX_CELLS", 240)
    model = TextClassifier.fit(examples(12), schema(), {})
    for label, sentences in WORDS.items():
        for found in model.probabilities("label", sentences):
            assert model.labels["label"][int(found.argmax())] == label


def test_features_are_bounded(monkeypatch):
    monkeypatch.setattr(fitting, "MAX_WEIGHTS", 300)
    assert len(TextClassifier.fit(examples(), schema(), {})._vocabulary) <= 100


@pytest.mark.parametrize("repeat", [1, 4, 8])
def test_a_multiple_choice_is_calibrated_and_has_thresholds(repeat):
    model = TextClassifier.fit(multiple_examples(repeat), schema(control(multiple=True)), {})
    thresholds = model.thresholds("label")
    assert ((thresholds >= 0.05) & (thresholds <= 0.95)).all()


def test_controls_learn_from_their_own_labels_only():
    """A control whose labels half of the texts lack is learned as if the others were not there."""
    half = examples()[:18]
    both = [*half, *(example(100 + i, f"odd {i}", mood=["good" if i % 2 else "bad"]) for i in range(10))]
    alone = TextClassifier.fit(half, schema(), {})
    together = TextClassifier.fit(both, schema(control(), control("mood", ("good", "bad"))), {})
    texts = [item.text for item in half]
    np.testing.assert_allclose(
        alone.probabilities("label", texts).argmax(axis=1), together.probabilities("label", texts).argmax(axis=1)
    )
    assert together.labels["mood"] == ("bad", "good")
