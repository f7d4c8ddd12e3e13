import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.models.samples import (
    ODD_TEXTS,
    WORDS,
    control,
    example,
    examples,
    multiple_examples,
    schema,
)

from labelloop.models import NotEnoughExamplesError, ParameterError, load_model
from labelloop.models.text_classifier.text_classifier import TextClassifier


@pytest.fixture(scope="module")
def model():
    return TextClassifier.fit(examples(), schema(), {})


def best(model, text, name="label"):
    return model.labels[name][int(model.probabilities(name, [text])[0].argmax())]


def test_it_learns_what_is_told(model):
    assert model.labels == {"label": ("billing", "delivery", "login")}
    for label, sentences in WORDS.items():
        for sentence in sentences:
            assert best(model, sentence.upper()) == label
    assert best(model, "the courier has my parcels") == "delivery"


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_every_text_gets_probabilities(model, text):
    found = model.probabilities("label", [text])
    assert found.shape == (1, 3)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_no_texts_give_no_rows(model):
    assert model.probabilities("label", []).shape == (0, 3)


def test_an_unknown_control_is_a_key_error(model):
    with pytest.raises(KeyError):
        model.probabilities("other", ["text"])


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=8))
def test_a_text_has_the_same_answer_alone_and_in_company(model, texts):
    together = model.probabilities("label", texts)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(model.probabilities("label", [text])[0], together[row], atol=1e-5)


def test_labels_nobody_has_used_yet_are_known_by_their_names():
    seen = [item for item in examples() if item.labels["label"][0] != "delivery"]
    described = control(labels=("billing", "delivery", "login"))
    model = TextClassifier.fit(seen, schema(described), {})
    assert model.labels["label"] == ("billing", "delivery", "login")
    assert best(model, "my delivery") == "delivery"


def test_names_that_say_nothing_do_not_spoil_what_examples_say():
    names = dict(zip(WORDS, ("1", "2", "3"), strict=True))
    renamed = [example(item.task, item.text, label=[names[item.labels["label"][0]]]) for item in examples()]
    model = TextClassifier.fit(renamed, schema(control(labels=("1", "2", "3"))), {})
    for label, sentences in WORDS.items():
        assert [best(model, sentence) for sentence in sentences] == [names[label]] * len(sentences)


def test_multiple_choice_labels_stand_alone():
    model = TextClassifier.fit(multiple_examples(8), schema(control(multiple=True)), {})
    found = model.probabilities("label", ["wrong amount on the bill", *ODD_TEXTS])
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    both = model.probabilities("label", ["my card was charged twice. my account is locked"])[0]
    assert len(model.thresholds("label")) == len(model.labels["label"])
    chosen = {name for name, ok in zip(model.labels["label"], both >= model.thresholds("label"), strict=True) if ok}
    assert "billing" in chosen


def test_a_multiple_choice_label_that_every_text_has_is_certain_but_not_infinite():
    items = [example(i, f"text {i}", label=["always", *(["odd"] if i % 2 else [])]) for i in range(6)]
    model = TextClassifier.fit(items, schema(control(labels=("always", "odd"), multiple=True)), {})
    assert 0.9 < model.probabilities("label", ["text 7"])[0, 0] < 1


def test_each_control_has_its_own_answer():
    items = [
        example(i, f"{text} {i}", label=[label], mood=["bad" if i % 2 else "good"])
        for i, (label, text) in enumerate((label, text) for label, texts in WORDS.items() for text in texts)
    ]
    model = TextClassifier.fit(items, schema(control(), control("mood", ("good", "bad"))), {})
    assert model.labels == {"label": ("billing", "delivery", "login"), "mood": ("bad", "good")}
    assert model.probabilities("mood", ["x", "y"]).shape == (2, 2)


def test_a_control_with_one_label_is_left_out():
    items = [*examples(1), example(99, "text", mood=["good"])]
    model = TextClassifier.fit(items, schema(control(), control("mood", ("good", "bad"))), {})
    assert set(model.labels) == {"label"}


def test_one_example_per_label_is_enough():
    model = TextClassifier.fit(examples(1)[::3], schema(), {})
    assert best(model, "where is my parcel") == "delivery"


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([], "none"),
        ([example(1, "text", label=["billing"])], "'billing'"),
        ([example(1, "", label=["a"]), example(2, " ", label=["b"])], "character"),
    ],
)
def test_too_few_examples_are_told(items, told):
    with pytest.raises(NotEnoughExamplesError, match=told):
        TextClassifier.fit(items, schema(), {})


@pytest.mark.parametrize("c", [0, -1, "10", True, float("nan"), float("inf"), None, [1]])
def test_an_unusable_c_is_told(c):
    with pytest.raises(ParameterError, match="C is"):
        TextClassifier.fit(examples(), schema(), {"C": c})


def test_an_unknown_parameter_is_told():
    with pytest.raises(ParameterError, match="'c' is unknown"):
        TextClassifier.fit(examples(), schema(), {"c": 10})


def test_c_matters():
    weak = TextClassifier.fit(examples(), schema(), {"C": 0.01}).probabilities("label", ["my parcel"])
    strong = TextClassifier.fit(examples(), schema(), {"C": 100}).probabilities("label", ["my parcel"])
    assert strong.max() > weak.max()


@pytest.mark.parametrize("multiple", [False, True])
def test_a_stored_model_answers_the_same(tmp_path, multiple):
    items = multiple_examples() if multiple else examples()
    model = TextClassifier.fit(items, schema(control(multiple=multiple)), {})
    model.version, model.created_at, model.metrics = "model-1", "2026-11-22T06:00:00.000000Z", {"accuracy": 0.5}
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    assert (loaded.version, loaded.created_at, loaded.metrics) == (model.version, model.created_at, model.metrics)
    assert loaded.labels == model.labels
    texts = [*WORDS["billing"], *ODD_TEXTS]
    np.testing.assert_array_equal(loaded.probabilities("label", texts), model.probabilities("label", texts))
    np.testing.assert_array_equal(loaded.thresholds("label"), model.thresholds("label"))


def test_the_same_examples_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        TextClassifier.fit(examples(), schema(), {}).save(tmp_path / name)
    for file in ("model.json", "arrays.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_serving_needs_numpy_only(model, tmp_path):
    model.save(tmp_path)
    script = (
        "import sys; from pathlib import Path; from labelloop.models import load_model;"
        "load_model(Path(sys.argv[1])).probabilities('label', ['text', 'other']);"
        "print([name for name in ('sklearn', 'scipy', 'pickle5', 'joblib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
