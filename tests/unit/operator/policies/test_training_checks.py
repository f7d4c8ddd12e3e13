"""When to train: one table, and the order in which reasons count."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.policies.training_checks import BACKOFF_MAXIMUM, TrainingInput, backoff, evaluate_training

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)
IDLE = TrainingInput(
    now=NOW,
    suspended=False,
    pin=None,
    repository="registry:5000/x",
    job=None,
    candidate=None,
    label_studio_problem=None,
    label_config_known=True,
    label_config_problem=None,
    request=None,
    failures=0,
    not_before=None,
    pending=9,
    updates_per_training=10,
)
DOWN = Problem("url", "http://ls", "check it", Reason.LABEL_STUDIO_UNREACHABLE)


@pytest.mark.parametrize(
    ("changes", "train", "reason"),
    [
        ({}, False, Reason.WAITING_FOR_UPDATES),
        ({"pending": None}, False, Reason.WAITING_FOR_UPDATES),
        ({"pending": 10}, True, Reason.TRAINING_STARTED),
        ({"pending": 11}, True, Reason.TRAINING_STARTED),
        ({"request": "r"}, True, Reason.TRAINING_STARTED),
        ({"request": "r", "failures": 1, "not_before": LATER}, True, Reason.TRAINING_STARTED),
        ({"failures": 1, "not_before": LATER}, False, Reason.BACKING_OFF),
        ({"failures": 1, "not_before": LATER, "pending": 10}, False, Reason.BACKING_OFF),
        ({"failures": 1, "not_before": NOW, "pending": 0}, True, Reason.TRAINING_STARTED),
        ({"failures": 1, "pending": 0}, True, Reason.TRAINING_STARTED),
    ],
)
def test_when_nothing_stands_against_it(changes: dict[str, Any], train: bool, reason: Reason) -> None:
    verdict = evaluate_training(replace(IDLE, **changes))
    assert (verdict.train, verdict.reason) == (train, reason)


@pytest.mark.parametrize(
    ("changes", "reason", "told"),
    [
        ({"job": "intents-ml-train-1"}, Reason.TRAINING_RUNNING, "intents-ml-train-1"),
        ({"suspended": True}, Reason.SUSPENDED, "spec.suspend"),
        ({"pin": "model-1"}, Reason.PINNED, "model-1"),
        ({"repository": None}, Reason.REGISTRY_NOT_CONFIGURED, "spec.registry.repository"),
        ({"candidate": "model-2"}, Reason.WAITING_FOR_ROLLOUT, "model-2"),
        ({"label_studio_problem": DOWN}, Reason.LABEL_STUDIO_UNREACHABLE, "check it"),
        ({"label_config_known": False}, Reason.CONNECTING, "not asked"),
        ({"label_config_problem": "no Choices"}, Reason.LABEL_CONFIG_UNSUPPORTED, "no Choices"),
    ],
)
@pytest.mark.parametrize("trigger", [{"pending": 10}, {"request": "r"}, {"failures": 1}])
def test_what_stands_against_every_trigger(
    changes: dict[str, Any], reason: Reason, told: str, trigger: dict[str, Any]
) -> None:
    verdict = evaluate_training(replace(IDLE, **trigger, **changes))
    assert (verdict.train, verdict.reason) == (False, reason)
    assert told in verdict.message


def test_waiting_tells_how_many_are_missing_and_until_when() -> None:
    assert evaluate_training(IDLE).message == "9 of 10 annotation updates; a training starts after 1 more"
    waiting = evaluate_training(replace(IDLE, failures=2, not_before=LATER))
    assert waiting.look_again_at == NOW + timedelta(seconds=10), "to read the Secrets again"
    assert "2026-11-22T06:00:30Z" in waiting.message


def test_the_back_off_doubles_up_to_an_hour() -> None:
    assert [backoff(failures, 30) for failures in (0, 1, 2, 3)] == [0, 30, 60, 120]
    assert backoff(8, 30) == backoff(10_000, 30) == BACKOFF_MAXIMUM


@pytest.mark.parametrize(
    ("changes", "train", "reason"),
    [
        ({"annotations": 19, "min_annotations": 20}, False, Reason.TOO_FEW_ANNOTATIONS),
        ({"annotations": 20, "min_annotations": 20}, True, Reason.TRAINING_STARTED),
        ({"annotations": 19, "min_annotations": 20, "request": "r"}, True, Reason.TRAINING_STARTED),
        ({"finished_at": NOW - timedelta(seconds=59), "min_interval": 60.0}, False, Reason.WAITING_FOR_MIN_INTERVAL),
        ({"finished_at": NOW - timedelta(seconds=60), "min_interval": 60.0}, True, Reason.TRAINING_STARTED),
        ({"finished_at": NOW, "min_interval": 60.0, "request": "r"}, True, Reason.TRAINING_STARTED),
        ({"finished_at": NOW, "min_interval": 60.0, "pending": 9}, False, Reason.WAITING_FOR_UPDATES),
    ],
)
def test_enough_updates_may_have_to_wait(changes: dict[str, Any], train: bool, reason: Reason) -> None:
    verdict = evaluate_training(replace(IDLE, **{"pending": 10, **changes}))
    assert (verdict.train, verdict.reason) == (train, reason)


def test_the_minimum_interval_says_when_it_ends() -> None:
    verdict = evaluate_training(replace(IDLE, pending=10, finished_at=NOW - timedelta(seconds=20), min_interval=60.0))
    assert verdict.look_again_at == NOW + timedelta(seconds=40)
    assert "2026-11-22T06:00:40" in verdict.message
    assert "spec.training.minInterval" in verdict.message


@pytest.mark.parametrize(
    ("changes", "train", "reason"),
    [
        ({"others_in_namespace": 2, "per_namespace": 2}, False, Reason.CONCURRENCY_LIMIT_REACHED),
        ({"others_in_namespace": 1, "per_namespace": 2}, True, Reason.TRAINING_STARTED),
        ({"others_in_namespace": 2, "per_namespace": 0}, True, Reason.TRAINING_STARTED),
        ({"others_with_label_studio": 3, "per_label_studio": 2}, False, Reason.CONCURRENCY_LIMIT_REACHED),
        ({"others_with_label_studio": 1, "per_label_studio": 2}, True, Reason.TRAINING_STARTED),
        ({"others_in_namespace": 2, "per_namespace": 2, "request": "r"}, False, Reason.CONCURRENCY_LIMIT_REACHED),
        ({"others_in_namespace": 2, "per_namespace": 2, "pending": 9}, False, Reason.WAITING_FOR_UPDATES),
    ],
)
def test_what_is_due_may_have_to_wait_for_its_turn(changes: dict[str, Any], train: bool, reason: Reason) -> None:
    verdict = evaluate_training(replace(IDLE, **{"pending": 10, **changes}))
    assert (verdict.train, verdict.reason) == (train, reason)


def test_waiting_for_a_turn_names_the_limit_and_looks_again() -> None:
    verdict = evaluate_training(replace(IDLE, pending=10, others_with_label_studio=4, per_label_studio=4))
    assert "trainings.perLabelStudio" in verdict.message
    assert verdict.look_again_at is not None
    assert verdict.look_again_at > NOW
