from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from labelloop.local.decision import TrainingInput, backoff, decide

NOW = datetime(2026, 11, 22, tzinfo=UTC)
GIVEN = TrainingInput(
    now=NOW, training=False, requested=False, failures=0, not_before=None, pending=None, updates_per_training=10
)


@pytest.mark.parametrize(
    ("changes", "trains", "told"),
    [
        ({}, False, "not counted yet"),
        ({"pending": 9}, False, "9 of 10"),
        ({"pending": 10}, True, "10 of 10"),
        ({"pending": 25}, True, "25 of 10"),
        ({"pending": 25, "training": True}, False, "runs already"),
        ({"requested": True}, True, "requested"),
        ({"requested": True, "training": True}, False, "runs already"),
        ({"failures": 2, "not_before": NOW + timedelta(seconds=1), "pending": 25}, False, "2 trainings in a row"),
        ({"failures": 2, "not_before": NOW + timedelta(seconds=1), "requested": True}, True, "requested"),
        ({"failures": 2, "not_before": NOW, "pending": 0}, True, "again after 2"),
    ],
)
def test_the_first_reason_that_applies(changes: dict, trains: bool, told: str):
    decision = decide(replace(GIVEN, **changes))
    assert (decision.train, told in decision.reason) == (trains, True), decision


def test_back_off_doubles_up_to_an_hour():
    assert [backoff(failures, 30) for failures in (0, 1, 2, 3)] == [0, 30, 60, 120]
    assert backoff(1000, 30) == 3600
