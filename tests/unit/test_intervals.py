import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop.intervals import wilson, wilson_f1


@pytest.mark.parametrize(
    ("right", "size", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (9, 14, 0.3877, 0.8366), (100, 100, 0.9630, 1.0)],
)
def test_the_interval_is_wilsons(right: int, size: int, low: float, high: float):
    """Values of statsmodels.stats.proportion.proportion_confint(right, size, method="wilson")."""
    assert wilson(right / size, size) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("share", "size"), [(0.5, 0), (1.1, 10), (-0.1, 10), (float("nan"), 10)])
def test_what_was_not_measured_has_none(share: float, size: float):
    assert wilson(share, size) is None
    assert wilson_f1(share, size, size) is None


def test_it_holds_the_truth_19_times_in_20():
    rng = np.random.default_rng(1)
    found = [wilson(right / 30, 30) for right in rng.binomial(30, 0.8, 4000)]
    held = np.mean([low <= 0.8 <= high for low, high in found])
    assert 0.93 < held < 0.98


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_f1_lies_in_its_interval(right: int, missed: int, wrong: int):
    annotated, predicted = right + missed, right + wrong
    if not annotated + predicted:
        return
    f1 = 2 * right / (annotated + predicted)
    low, high = wilson_f1(f1, annotated, predicted)
    assert 0 <= low <= f1 + 1e-12
    assert f1 <= high + 1e-12 <= 1 + 1e-9
