import numpy as np
import pytest

from labelloop.models.text_classifier.calibration import calibrate
from labelloop.models.text_classifier.linear import probabilities


def drawn(slope, texts=4000, k=4, multiple=False, offset=0.0):
    """Logits, and truths that are as likely as `slope` times the logits say."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(texts, k)).astype(np.float32) * 2
    likely = probabilities((logits * slope + offset).astype(np.float32), multiple=multiple)
    if multiple:
        return logits, rng.random((texts, k)) < likely
    truth = (likely.cumsum(axis=1) < rng.random((texts, 1))).sum(axis=1).clip(max=k - 1)
    return logits, np.eye(k, dtype=bool)[truth]


@pytest.mark.parametrize("slope", [0.4, 1.0, 3.0])
def test_the_slope_of_a_single_choice_is_found(slope):
    found = calibrate(*drawn(slope), multiple=False)
    assert found.slope == pytest.approx(slope, rel=0.1)
    assert found.offset == 0


@pytest.mark.parametrize(("slope", "offset"), [(0.5, 0.0), (2.0, -1.0)])
def test_slope_and_offset_of_a_multiple_choice_are_found(slope, offset):
    found = calibrate(*drawn(slope, multiple=True, offset=offset), multiple=True)
    assert found.slope == pytest.approx(slope, rel=0.1)
    assert found.offset == pytest.approx(offset, abs=0.15)


def test_without_texts_nothing_changes():
    found = calibrate(np.zeros((0, 3), np.float32), np.zeros((0, 3), bool), multiple=True)
    assert (found.slope, found.offset, found.thresholds.tolist()) == (1, 0, [0.5] * 3)


@pytest.mark.parametrize("multiple", [False, True])
def test_a_few_texts_that_are_all_right_do_not_make_it_certain(multiple):
    logits = np.array([[2, -2], [-2, 2]], np.float32)
    found = calibrate(logits, logits > 0, multiple=multiple)
    assert np.isfinite(found.slope)
    assert found.slope < 5


def test_thresholds_part_the_classes_and_rare_ones_follow_the_others():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(3000, 3)).astype(np.float32) * 3
    truth = logits > np.array([1.5, 1.5, 1.5])
    truth[:, 2] = False
    truth[0, 2] = True
    found = calibrate(logits, truth, multiple=True)
    scores = probabilities((found.slope * logits + found.offset).astype(np.float32), multiple=True)
    for column in range(2):
        chosen = scores[:, column] >= found.thresholds[column]
        assert 2 * (chosen & truth[:, column]).sum() / (chosen.sum() + truth[:, column].sum()) > 0.95
    assert abs(found.thresholds[2] - found.thresholds[0]) < 0.1


def test_thresholds_stay_within_reason():
    logits = np.full((100, 2), 9, np.float32)
    found = calibrate(logits, np.ones((100, 2), bool), multiple=True)
    assert ((found.thresholds >= 0.05) & (found.thresholds <= 0.95)).all()
