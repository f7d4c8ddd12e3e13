"""How a resource goes, and how it is summed up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelloop_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, set_condition
from labelloop_operator.api.spec import Problem
from labelloop_operator.policies.deletion_checks import DeletionInput, DeletionStep, evaluate_deletion, gives_up_at
from labelloop_operator.policies.readiness import ReadinessInput, evaluate_readiness

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
GOING = DeletionInput(
    now=NOW, requested_at=NOW, timeout=60, finalizer=True, registered=True, skip=False, project_known=True
)


@pytest.mark.parametrize(
    ("changes", "departure"),
    [
        ({}, DeletionStep.DEREGISTER),
        ({"now": NOW + timedelta(seconds=59)}, DeletionStep.DEREGISTER),
        ({"now": NOW + timedelta(seconds=60)}, DeletionStep.ABANDON),
        ({"project_known": False}, DeletionStep.ABANDON),
        ({"skip": True}, DeletionStep.RELEASE),
        ({"registered": False}, DeletionStep.RELEASE),
        ({"finalizer": False}, DeletionStep.GONE),
    ],
)
def test_the_next_step_of_a_deletion(changes: dict[str, Any], departure: DeletionStep) -> None:
    assert evaluate_deletion(replace(GOING, **changes)) is departure


def test_patience_ends_at_the_time_out() -> None:
    assert gives_up_at(GOING) == NOW + timedelta(seconds=60)


def conditions(**statuses: tuple[ConditionStatus, Reason]) -> tuple[Condition, ...]:
    found: tuple[Condition, ...] = ()
    for type_, (status, reason) in {**ALL_WELL, **statuses}.items():
        found = set_condition(found, ConditionType(type_), status, reason, f"about {type_}", 1, NOW)
    return found


ALL_WELL = {
    "SpecValid": (ConditionStatus.TRUE, Reason.VALID),
    "Serving": (ConditionStatus.TRUE, Reason.AVAILABLE),
    "Registered": (ConditionStatus.TRUE, Reason.REGISTERED),
    "LabelConfigSupported": (ConditionStatus.TRUE, Reason.SUPPORTED),
    "TrainingSucceeded": (ConditionStatus.FALSE, Reason.REGISTRY_UNREACHABLE),
    "RolloutSucceeded": (ConditionStatus.FALSE, Reason.PROGRESS_DEADLINE_EXCEEDED),
}


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({}, ConditionStatus.TRUE, Reason.READY),
        ({"SpecValid": (ConditionStatus.FALSE, Reason.INVALID_SPEC)}, ConditionStatus.FALSE, Reason.INVALID_SPEC),
        ({"Serving": (ConditionStatus.FALSE, Reason.STARTING)}, ConditionStatus.FALSE, Reason.STARTING),
        ({"Registered": (ConditionStatus.UNKNOWN, Reason.CONNECTING)}, ConditionStatus.FALSE, Reason.CONNECTING),
        ({"Registered": (ConditionStatus.FALSE, Reason.REGISTRATION_DISABLED)}, ConditionStatus.TRUE, Reason.READY),
        (
            {"LabelConfigSupported": (ConditionStatus.FALSE, Reason.LABEL_CONFIG_UNSUPPORTED)},
            ConditionStatus.FALSE,
            Reason.LABEL_CONFIG_UNSUPPORTED,
        ),
    ],
)
def test_ready_has_the_reason_of_the_first_thing_that_is_wrong(
    changes: dict[str, tuple[ConditionStatus, Reason]], status: ConditionStatus, reason: Reason
) -> None:
    found = evaluate_readiness(ReadinessInput(conditions(**changes), ()))
    assert (found.status, found.reason) == (status, reason)


def test_a_problem_without_a_condition_comes_first() -> None:
    conflict = Problem("Service intents-ml", "not ours", "rename it", Reason.CONFLICT)
    found = evaluate_readiness(
        ReadinessInput(conditions(Serving=(ConditionStatus.FALSE, Reason.STARTING)), (conflict,))
    )
    assert found.reason is Reason.CONFLICT
    assert "Service intents-ml" in found.message
