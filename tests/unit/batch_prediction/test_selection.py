"""Which predictions are written and which versions are removed."""

from datetime import UTC, datetime, timedelta

import pytest

from labelloop.batch_prediction.selection import predictions_of, still_there, versions_to_remove
from labelloop.label_studio import StoredVersion, Task

NAMES = [f"model-{number:012x}" for number in range(4)]
NEW = NAMES[3]
START = datetime(2026, 12, 1, tzinfo=UTC)


def stored(*names: str) -> list[StoredVersion]:
    """Of each version, the oldest first."""
    return [StoredVersion(name, 10, START + timedelta(hours=hour)) for hour, name in enumerate(names)]


@pytest.mark.parametrize(("keep", "removed"), [(1, NAMES[:3]), (2, NAMES[:2]), (3, NAMES[:1]), (4, []), (100, [])])
def test_the_newest_versions_stay_and_the_new_one_is_one_of_them(keep: int, removed: list[str]):
    assert versions_to_remove(stored(*NAMES), NEW, keep, selected=NEW) == removed


def test_a_new_version_without_a_prediction_counts_all_the_same():
    assert versions_to_remove(stored(*NAMES[:3]), NEW, 2, selected="") == NAMES[:2]


def test_the_version_of_a_rollback_is_the_new_one_whatever_its_age():
    assert versions_to_remove(stored(*NAMES), NAMES[0], 2, selected="") == NAMES[1:3]


def test_only_versions_of_labelloop_are_removed():
    others = ("imported", "", "model-1", "cold-0123456789ab")
    assert versions_to_remove(stored(*others, *NAMES), NEW, 2, selected="") == ["cold-0123456789ab", *NAMES[:2]]


def test_the_selected_version_is_never_removed():
    assert versions_to_remove(stored(*NAMES), NEW, 1, selected=NAMES[0]) == NAMES[1:3]


def test_tasks_without_a_result_are_not_written():
    tasks = [Task(number, {}) for number in (3, 4, 5, 6)]
    region = {"value": {"choices": ["billing"]}}
    predictions = predictions_of(
        tasks,
        [
            {"model_version": NEW, "score": 0.5, "result": [region]},
            {"model_version": NEW},
            {"model_version": NEW, "error": "The model failed"},
            {"model_version": NEW, "result": []},
        ],
    )
    assert predictions == [{"task": 3, "model_version": NEW, "score": 0.5, "result": [region]}]


def test_predictions_of_tasks_that_are_gone_are_left_out():
    predictions = [{"task": number} for number in (3, 4, 5)]
    assert still_there(predictions, [5, 3, 9]) == [{"task": 3}, {"task": 5}]
