"""What must stand in Label Studio."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelloop_operator.api.conditions import ConditionStatus, Reason
from labelloop_operator.api.label_studio_objects import WEBHOOK_ACTIONS, RegisteredBackend, RegisteredWebhook
from labelloop_operator.api.spec import Problem
from labelloop_operator.policies.registration_checks import (
    SETTLING,
    RegistrationDecision,
    RegistrationInput,
    backend_is_right,
    evaluate_registration,
    may_act,
    our_backend,
    settled_at,
    webhook_is_right,
)

URL = "http://intents-ml.team-a.svc.cluster.local:9090"
BACKEND = RegisteredBackend(4, URL, "model-1", "model-1", ours=True, state="CO", basic_auth_user="label-studio")
WEBHOOK = RegisteredWebhook(2, f"{URL}/webhook", WEBHOOK_ACTIONS, True, True, False, authorized=True)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RIGHT = RegistrationInput(
    now=NOW,
    project=7,
    url=URL,
    title="model-1",
    basic_auth_user="label-studio",
    problem=None,
    failure=None,
    known=True,
    serving=True,
    serving_since=NOW - timedelta(hours=1),
    backends=(BACKEND,),
    webhooks=(WEBHOOK,),
)
DOWN = Problem("url", "http://ls", "check it", Reason.LABEL_STUDIO_UNREACHABLE)
REFUSED = Problem("", "", "Can't connect to ML backend, health check failed", Reason.LABEL_STUDIO_REJECTED)


def verdict(given: RegistrationInput) -> RegistrationDecision:
    found = evaluate_registration(given, registered_before=False)
    assert found is not None
    return found


def test_what_is_right_is_left_alone() -> None:
    assert webhook_is_right(RIGHT)
    assert backend_is_right(RIGHT)
    assert backend_is_right(replace(RIGHT, backends=(replace(BACKEND, url=URL + "/"),)))
    assert webhook_is_right(replace(RIGHT, webhooks=(replace(WEBHOOK, actions=tuple(reversed(WEBHOOK_ACTIONS))),)))


@pytest.mark.parametrize(
    "change",
    [
        {"actions": WEBHOOK_ACTIONS[:-1]},
        {"actions": (*WEBHOOK_ACTIONS, "PROJECT_DELETED")},
        {"is_active": False},
        {"send_payload": False},
        {"send_for_all_actions": True},
        {"authorized": False},
    ],
)
def test_a_webhook_that_was_changed_is_mended(change: dict[str, Any]) -> None:
    assert not webhook_is_right(replace(RIGHT, webhooks=(replace(WEBHOOK, **change),)))


@pytest.mark.parametrize("change", [{"url": "http://old:9090"}, {"title": "model-0"}, {"basic_auth_user": ""}])
def test_a_backend_that_was_changed_is_mended(change: dict[str, Any]) -> None:
    assert not backend_is_right(replace(RIGHT, backends=(replace(BACKEND, **change),)))


def test_duplicates_of_crashed_creates_are_not_right_and_the_oldest_is_kept() -> None:
    twice = (replace(BACKEND, id=9), BACKEND)
    assert not backend_is_right(replace(RIGHT, backends=twice))
    assert our_backend(twice) == BACKEND
    assert not webhook_is_right(replace(RIGHT, webhooks=(WEBHOOK, replace(WEBHOOK, id=3))))


def test_a_foreign_backend_is_neither_ours_nor_in_the_way_of_being_right() -> None:
    foreign = replace(BACKEND, id=9, ours=False, url="http://other:9090", title="other")
    assert backend_is_right(replace(RIGHT, backends=(BACKEND, foreign)))


@pytest.mark.parametrize("change", [{"problem": DOWN}, {"known": False}, {"serving": False}])
def test_nothing_is_done_blindly(change: dict[str, Any]) -> None:
    assert may_act(RIGHT)
    assert not may_act(replace(RIGHT, **change))


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({}, ConditionStatus.TRUE, Reason.REGISTERED),
        ({"problem": DOWN}, ConditionStatus.FALSE, Reason.LABEL_STUDIO_UNREACHABLE),
        ({"known": False}, ConditionStatus.UNKNOWN, Reason.CONNECTING),
        ({"known": False, "failure": DOWN}, ConditionStatus.FALSE, Reason.LABEL_STUDIO_UNREACHABLE),
        ({"serving": False}, ConditionStatus.FALSE, Reason.WAITING_FOR_SERVING),
        ({"failure": DOWN}, ConditionStatus.FALSE, Reason.LABEL_STUDIO_UNREACHABLE),
        ({"backends": ()}, ConditionStatus.UNKNOWN, Reason.REGISTERING),
        ({"webhooks": ()}, ConditionStatus.UNKNOWN, Reason.REGISTERING),
        ({"backends": (BACKEND, replace(BACKEND, id=1, ours=False))}, ConditionStatus.FALSE, Reason.NOT_PRIMARY),
        ({"backends": (BACKEND, replace(BACKEND, id=9, ours=False))}, ConditionStatus.TRUE, Reason.REGISTERED),
        ({"backends": (replace(BACKEND, state="ER"),)}, ConditionStatus.FALSE, Reason.NOT_CONNECTED),
        ({"backends": (replace(BACKEND, title="model-0"),)}, ConditionStatus.TRUE, Reason.REGISTERED),
    ],
)
def test_the_condition(change: dict[str, Any], status: ConditionStatus, reason: Reason) -> None:
    found = verdict(replace(RIGHT, **change))
    assert (found.status, found.reason) == (status, reason)


@pytest.mark.parametrize(
    ("failure", "ready_for", "status", "reason"),
    [
        (REFUSED, timedelta(0), ConditionStatus.UNKNOWN, Reason.REGISTERING),
        (REFUSED, SETTLING - timedelta(seconds=1), ConditionStatus.UNKNOWN, Reason.REGISTERING),
        (REFUSED, SETTLING, ConditionStatus.FALSE, Reason.LABEL_STUDIO_REJECTED),
        (REFUSED, timedelta(hours=1), ConditionStatus.FALSE, Reason.LABEL_STUDIO_REJECTED),
        (DOWN, timedelta(0), ConditionStatus.FALSE, Reason.LABEL_STUDIO_UNREACHABLE),
        (replace(REFUSED, reason=Reason.ADDRESS_BLOCKED), timedelta(0), ConditionStatus.FALSE, Reason.ADDRESS_BLOCKED),
        (None, timedelta(0), ConditionStatus.UNKNOWN, Reason.REGISTERING),
    ],
)
def test_a_refusal_counts_once_the_service_has_had_time_to_answer(
    failure: Problem | None, ready_for: timedelta, status: ConditionStatus, reason: Reason
) -> None:
    given = replace(RIGHT, backends=(), failure=failure, serving_since=NOW - ready_for)
    found = verdict(given)
    assert (found.status, found.reason) == (status, reason)
    assert failure is None or str(failure) in found.message
    waits = failure is REFUSED and status is ConditionStatus.UNKNOWN
    assert settled_at(given) == (NOW - ready_for + SETTLING if waits else None)
    assert may_act(given)


def test_a_short_outage_of_the_pods_does_not_unregister() -> None:
    assert evaluate_registration(replace(RIGHT, serving=False), registered_before=True) is None
