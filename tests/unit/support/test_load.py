"""What the load client's pairs are judged to mean."""

from typing import Any

import pytest
from tests.support.load import judge


def pair(start: float, setup: str, predict: str, took: float = 0.01, error: str | None = None) -> dict[str, Any]:
    return {"start": start, "end": start + took, "setup": setup, "predict": predict, "error": error}


def test_agreeing_pairs_are_no_disagreement():
    report = judge([pair(0.0, "one", "one"), pair(0.01, "one", "one"), pair(0.02, "two", "two")])
    assert report.pairs == 3
    assert report.versions == ["one", "two"]
    assert report.disagreement_seconds == 0


def test_failures_are_kept_and_do_not_disagree():
    report = judge([pair(0.0, "one", "one"), pair(0.01, "one", "", error="predict: ConnectionResetError")])
    assert report.failures == ["predict: ConnectionResetError"]
    assert not report.disagreements


def test_one_switch_is_one_window_from_the_first_to_the_last_disagreeing_pair():
    pairs = [pair(0.1 * number, "one", "one") for number in range(5)]
    pairs += [
        pair(1.0, "one", "two"),
        pair(1.1, "two", "two"),
        pair(1.2, "two", "one", took=0.3),
        pair(1.6, "two", "two"),
    ]
    report = judge(reversed(pairs))
    assert len(report.disagreements) == 1
    assert report.disagreements[0].pairs == 2
    assert report.disagreement_seconds == pytest.approx(0.5)


def test_each_switch_has_its_own_window():
    pairs = [pair(0, "one", "two"), pair(5, "two", "two"), pair(9, "two", "three")]
    assert [found.versions for found in judge(pairs).disagreements] == [{"one", "two"}, {"two", "three"}]
    assert judge(pairs).disagreement_seconds == pytest.approx(0.01)


def test_a_version_is_first_seen_when_its_first_answer_ends():
    report = judge([pair(0, "one", "one"), pair(1, "two", "two", took=0.9), pair(1.1, "two", "two", took=0.1)])
    assert report.first_seen["two"] == pytest.approx(1.2)
    assert report.longest == pytest.approx(0.9)
