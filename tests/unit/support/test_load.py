"""What the load client's pairs are judged to mean."""

from typing import Any

import pytest
from tests.support.load import judge


def pair(start: float, setup: str, predict: str, took: float = 0.01, error: str | None = None) -> dict[str, Any]:
    asked = start + took / 2
    return {"start": start, "asked": asked, "end": start + took, "setup": setup, "predict": predict, "error": error}


def test_a_switch_between_two_pairs():
    report = judge([pair(0.0, "one", "one"), pair(0.01, "one", "one"), pair(0.02, "two", "two")])
    assert report.pairs == 3
    assert report.versions == ["one", "two"]
    assert report.side_by_side == 0


def test_failures_are_kept_and_tell_no_version():
    report = judge([pair(0.0, "one", "one"), pair(0.01, "one", "", error="predict: ConnectionResetError")])
    assert report.failures == ["predict: ConnectionResetError"]
    assert report.versions == ["one"]


def test_a_pair_under_way_at_the_switch_does_not_count_however_slow_it_is():
    report = judge([pair(0.0, "one", "one"), pair(1.0, "one", "two", took=4.0), pair(1.5, "one", "one", took=0.2)])
    assert report.side_by_side == 0


def test_requests_that_the_old_version_answers_after_the_new_one_did_count_from_that_answer():
    pairs = [pair(0.0, "one", "one"), pair(1.0, "one", "two", took=0.1), pair(1.5, "two", "one", took=0.2)]
    assert judge(reversed(pairs)).side_by_side == pytest.approx(0.5)  # sent at 1.6; the first answer was at 1.1


def test_the_longest_of_several_switches_is_told():
    pairs = [pair(0, "one", "two", took=1), pair(2, "one", "two"), pair(5, "two", "two"), pair(9, "two", "three")]
    assert judge(pairs).side_by_side == pytest.approx(1)


def test_a_version_is_first_seen_when_its_first_answer_ends():
    report = judge([pair(0, "one", "one"), pair(1, "two", "two", took=0.9), pair(1.1, "two", "two", took=0.1)])
    assert report.first_seen["two"] == pytest.approx(1.2)
    assert report.longest == pytest.approx(0.9)
