import numpy as np
import pytest
from tests.unit.models.samples import ODD_TEXTS, control, schema

from labelloop.label_config.schema import Choice, Control
from labelloop.models import ModelFileError
from labelloop.models.text_classifier.cold_start import CONFIDENCE, ColdStart


def named(*choices, multiple=False):
    return ColdStart(schema(Control("label", "text", "Text", "text", choices, multiple)))


def best(model, text):
    return model.labels["label"][int(model.probabilities("label", [text])[0].argmax())]


def test_the_label_that_reads_like_the_text_wins():
    model = named(Choice("card_arrival"), Choice("lostParcel"), Choice("x", alias="refund"), Choice("y", hint="log in"))
    assert model.labels == {"label": ("card_arrival", "lostParcel", "refund", "y")}
    assert best(model, "when does my card arrive") == "card_arrival"
    assert best(model, "you LOST my parcel") == "lostParcel"
    assert best(model, "I want to be refunded") == "refund"
    assert best(model, "I can not log in") == "y"


@pytest.mark.parametrize("k", [1, 2, 3, 12, 200])
@pytest.mark.parametrize("text", [*ODD_TEXTS, "label 1", "label"])
def test_scores_stay_low_and_finite(k, text):
    model = ColdStart(schema(control(labels=tuple(f"label {number}" for number in range(k)))))
    found = model.probabilities("label", [text])[0]
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert 1 / k - 1e-6 <= found.max() <= 1 / k + CONFIDENCE * (1 - 1 / k) + 1e-6
    assert found.min() >= (1 - CONFIDENCE) / k - 1e-6


def test_nothing_similar_means_every_label_alike():
    found = ColdStart(schema(control(labels=("aa", "bb")))).probabilities("label", ["", "zzz"])
    np.testing.assert_allclose(found, 0.5)


def test_multiple_choice_proposes_what_is_named():
    model = named(Choice("sports"), Choice("politics"), Choice("music"), multiple=True)
    found = model.probabilities("label", ["sports and music", "", *ODD_TEXTS])
    assert ((found >= 0) & (found <= 0.5)).all()
    assert (found[0] >= model.thresholds("label")).tolist() == [True, False, True]
    assert not (found[1] >= model.thresholds("label")).any()


@pytest.mark.parametrize("label", ["", " ", "_", "!!!", "😀"])
def test_labels_without_letters_do_no_harm(label):
    found = named(Choice(label), Choice("other")).probabilities("label", ["other", label])
    assert np.isfinite(found).all()


def test_it_has_a_version_and_no_file(tmp_path):
    assert ColdStart(schema()).version.startswith("cold-")
    assert ColdStart(schema(), "cold-abc").version == "cold-abc"
    with pytest.raises(ModelFileError):
        ColdStart(schema()).save(tmp_path)
    with pytest.raises(ModelFileError):
        ColdStart.load(tmp_path)
