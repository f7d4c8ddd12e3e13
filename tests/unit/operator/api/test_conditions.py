"""Conditions: transition times, messages, and that every reason is documented."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labelloop_operator.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    condition,
    is_true,
    set_condition,
)

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
PAGE = Path(__file__).parents[4] / "docs" / "user" / "conditions.md"


def ready(status: ConditionStatus, reason: Reason, now: datetime, *before: Condition) -> tuple[Condition, ...]:
    return set_condition(before, ConditionType.READY, status, reason, "message", 1, now)


def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    first = ready(ConditionStatus.FALSE, Reason.STARTING, NOW)
    same = ready(ConditionStatus.FALSE, Reason.CONFLICT, LATER, *first)
    assert (same[0].last_transition_time, same[0].reason) == (NOW, "Conflict")
    flipped = ready(ConditionStatus.TRUE, Reason.READY, LATER, *same)
    assert flipped[0].last_transition_time == LATER
    assert is_true(flipped, ConditionType.READY)


def test_each_type_stands_once_in_a_stable_order() -> None:
    found: tuple[Condition, ...] = ()
    for type_ in reversed(list(ConditionType)):
        found = set_condition(found, type_, ConditionStatus.TRUE, Reason.READY, "", 1, NOW)
        found = set_condition(found, type_, ConditionStatus.FALSE, Reason.READY, "", 2, NOW)
    assert [item.type for item in found] == list(ConditionType)


def test_messages_are_short_enough_for_kubernetes() -> None:
    found = set_condition((), ConditionType.READY, ConditionStatus.FALSE, Reason.UNKNOWN, "x" * 5000, 1, NOW)
    assert len(found[0].message) == 1024


def test_a_condition_comes_back_and_foreign_ones_are_ignored() -> None:
    (found,) = ready(ConditionStatus.TRUE, Reason.READY, NOW)
    assert Condition.from_dict(found.to_dict()) == found
    assert Condition.from_dict({"type": "Other", "status": "True"}) is None
    assert Condition.from_dict({"type": "Ready", "status": "Maybe"}) is None
    assert condition((found,), ConditionType.SERVING) is None


def test_every_type_and_reason_is_documented_and_nothing_else() -> None:
    page = PAGE.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert documented == {reason.value for reason in Reason}
    assert set(re.findall(r"^## `(\w+)`", page, re.MULTILINE)) == {type_.value for type_ in ConditionType}
