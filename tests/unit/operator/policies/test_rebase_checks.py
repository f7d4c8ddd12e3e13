"""When the active version moves to another base image."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelloop_operator.api.rebase_status import Rebase, RebaseOutcome
from labelloop_operator.api.status import ModelVersion
from labelloop_operator.policies.rebase_checks import RebaseInput, evaluate_rebase

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
ACTIVE = ModelVersion("model-1", "r/x@sha256:1", base_image="base:1")
BEFORE = Rebase("model-1", "base:2")
DUE = RebaseInput(
    now=NOW, active=ACTIVE, target="base:2", suspended=False, repository="r/x", candidate=None, job=None,
    training=False, rebase=None,
)  # fmt: skip
NEEDS = replace(BEFORE, outcome=RebaseOutcome.NEEDS_TRAINING, message="golden prediction 3 differs")
FAILED = replace(BEFORE, outcome=RebaseOutcome.FAILED, failures=2, not_before=NOW + timedelta(seconds=30))
COLD = ModelVersion("cold-1", "base:1")


@pytest.mark.parametrize(
    ("changes", "start", "status", "reason"),
    [
        ({}, True, "Unknown", "Rebasing"),
        ({"active": COLD}, False, "True", None),
        ({"target": "base:1"}, False, "True", "Rebased"),
        ({"target": "base:1", "suspended": True}, False, "True", "Rebased"),
        ({"active": replace(ACTIVE, base_image=None)}, True, "Unknown", "Rebasing"),
        ({"suspended": True}, False, "Unknown", "Suspended"),
        ({"repository": None}, False, "Unknown", "RegistryNotConfigured"),
        ({"job": "intents-ml-base-1"}, False, "Unknown", "Rebasing"),
        ({"candidate": replace(ACTIVE, image="r/x@sha256:2")}, False, "Unknown", "Rebasing"),
        ({"candidate": ModelVersion("model-2", "r/x@sha256:2")}, False, "Unknown", "WaitingForRollout"),
        ({"training": True}, False, "Unknown", "TrainingRunning"),
        ({"rebase": NEEDS}, False, "False", "RebaseNeedsTraining"),
        ({"rebase": NEEDS, "training": True}, False, "False", "RebaseNeedsTraining"),
        ({"rebase": replace(BEFORE, outcome=RebaseOutcome.REBASED)}, False, "False", "ProgressDeadlineExceeded"),
        ({"rebase": FAILED}, False, "False", "BackingOff"),
        ({"rebase": FAILED, "now": NOW + timedelta(seconds=30)}, True, "Unknown", "Rebasing"),
        ({"others_in_namespace": 2, "per_namespace": 2}, False, "Unknown", "ConcurrencyLimitReached"),
        ({"others_in_namespace": 2, "per_namespace": 3}, True, "Unknown", "Rebasing"),
        ({"others_in_namespace": 9}, True, "Unknown", "Rebasing"),
    ],
)
def test_whether_it_starts_and_what_is_told(changes: dict[str, Any], start: bool, status: str, reason: str) -> None:
    verdict = evaluate_rebase(replace(DUE, **changes))
    assert (verdict.start, verdict.status, verdict.reason) == (start, status, reason)


def test_what_waits_says_until_when() -> None:
    verdict = evaluate_rebase(replace(DUE, rebase=replace(FAILED, message="RegistryUnreachable: no answer.")))
    assert verdict.look_again_at == FAILED.not_before
    assert "RegistryUnreachable: no answer. Failed 2 times in a row" in verdict.message


def test_what_needs_a_training_says_why_and_what_comes_next() -> None:
    message = evaluate_rebase(replace(DUE, rebase=NEEDS)).message
    for told in ("golden prediction 3 differs", "continues to serve", "the next training uses the new base"):
        assert told in message
