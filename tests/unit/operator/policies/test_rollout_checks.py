"""What to do with a candidate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import ModelStatus, ModelVersion, Refusal
from labelloop_operator.policies.rollout_checks import (
    ANSWER_SECONDS,
    DRAIN_SECONDS,
    RolloutInput,
    Step,
    drained_at,
    evaluate_rollout,
    may_roll_out,
    retry_pause,
    to_retry,
)
from labelloop_operator.policies.serving_checks import Answer

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
CANDIDATE = ModelVersion("model-2", "r/x@sha256:2", at=NOW - timedelta(seconds=299))
STARTING = RolloutInput(
    now=NOW, candidate=CANDIDATE, selected=False, available=False, held=None, progress_deadline=300.0, trouble=None
)
OLD = Answer(probed=True, version="model-1")
NEW = Answer(probed=True, version="model-2")
UNKNOWN = Answer(probed=True)
SILENT = Answer(probed=True, error="connection refused")
JUST_SWITCHED = {
    "candidate": replace(CANDIDATE, switched_at=NOW - timedelta(seconds=1)),
    "selected": True,
    "available": True,
}


def switched(seconds: float, answer: Answer, **more: Any) -> dict[str, Any]:
    """So many seconds after the switch."""
    return {**JUST_SWITCHED, "now": NOW + timedelta(seconds=seconds - 1), "answer": answer, **more}


LATE = {"now": NOW + timedelta(seconds=1)}
HELD = Problem("spec.suspend", "true", "no roll-out", Reason.SUSPENDED)
UNSTARTED = replace(CANDIDATE, at=None)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, Step.WAIT),
        ({"available": True}, Step.SWITCH),
        (LATE, Step.REFUSE),
        ({**LATE, "available": True}, Step.SWITCH),
        ({"candidate": UNSTARTED}, Step.START),
        ({"candidate": UNSTARTED, "available": True}, Step.START),
        ({"held": HELD}, Step.HOLD),
        ({"held": HELD, "available": True}, Step.HOLD),
        ({**LATE, "held": HELD}, Step.HOLD),
        # Somebody else pointed the Service at pods that are not ready.
        ({"selected": True}, Step.WAIT),
        ({**LATE, "selected": True}, Step.REFUSE),
        # The switch was made, its status was not written: made again.
        ({"selected": True, "available": True}, Step.SWITCH),
        # Without probes ready pods count as answering.
        (JUST_SWITCHED, Step.PROMOTE),
        (switched(1, UNKNOWN), Step.WAIT),
        (switched(1, OLD), Step.WAIT),
        (switched(1, NEW), Step.PROMOTE),
        (switched(1, NEW, held=HELD), Step.PROMOTE),
        (switched(1, OLD, held=HELD), Step.HOLD),
        (switched(1, NEW, selected=False), Step.SWITCH),
        (switched(1, NEW, available=False), Step.WAIT),
        # What answered before still does: kube-proxy is late, and nobody misses anything.
        (switched(299, OLD), Step.WAIT),
        (switched(300, OLD), Step.REFUSE),
        (switched(300, OLD, selected=False), Step.REFUSE),
        (switched(300, UNKNOWN), Step.WAIT),
        # Nothing answers at all.
        (switched(ANSWER_SECONDS - 1, SILENT), Step.WAIT),
        (switched(ANSWER_SECONDS, SILENT), Step.REFUSE),
        # There is nothing to go back to.
        (switched(300, SILENT, active_available=False), Step.WAIT),
        # It did not answer before, either: a switch would prove nothing.
        ({**LATE, "available": True, "answer": SILENT}, Step.WAIT),
        ({"available": True, "answer": SILENT, "active_available": False}, Step.SWITCH),
        ({"available": True, "answer": SILENT, "in_place": True}, Step.SWITCH),
    ],
)
def test_the_next_step(changes: dict[str, Any], step: Step) -> None:
    assert evaluate_rollout(replace(STARTING, **changes)).step is step


def test_waiting_ends_at_the_deadline_and_says_what_is_wrong() -> None:
    verdict = evaluate_rollout(replace(STARTING, trouble="image r/x cannot be pulled"))
    assert verdict.look_again_at == NOW + timedelta(seconds=1)
    assert "cannot be pulled" in verdict.message


def test_a_refusal_names_field_cause_and_remedy() -> None:
    message = evaluate_rollout(replace(STARTING, **LATE, trouble="image r/x cannot be pulled")).message
    for told in ("300 s", "spec.rollout.progressDeadline", "cannot be pulled", "press Start Training"):
        assert told in message
    cold = replace(CANDIDATE, version="cold-1")
    assert "change the resource" in evaluate_rollout(replace(STARTING, **LATE, candidate=cold)).message


@pytest.mark.parametrize(
    ("answer", "seconds", "seen"),
    [(OLD, 300, "model-1 answers"), (SILENT, ANSWER_SECONDS, "connection refused")],
)
def test_a_candidate_that_does_not_answer_is_refused_with_what_was_seen(
    answer: Answer, seconds: float, seen: str
) -> None:
    verdict = evaluate_rollout(replace(STARTING, **switched(seconds, answer)))
    assert verdict.reason is Reason.SERVICE_UNREACHABLE
    assert seen in verdict.message
    assert f"within {seconds:g} s of the switch" in verdict.message


def test_past_the_end_only_an_answer_wakes_the_resource() -> None:
    assert evaluate_rollout(replace(STARTING, **switched(299, OLD))).look_again_at == NOW + timedelta(seconds=299)
    assert evaluate_rollout(replace(STARTING, **switched(300, UNKNOWN))).look_again_at is None


def test_a_refused_image_is_not_rolled_out_again_by_itself() -> None:
    refused = [Refusal("model-2", "r/x@sha256:2", "ProgressDeadlineExceeded")]
    assert may_roll_out(CANDIDATE, refused, requested=False) == refused[0]
    assert may_roll_out(CANDIDATE, refused, requested=True) is None
    assert may_roll_out(replace(CANDIDATE, image="r/x@sha256:3"), refused, requested=False) is None


def test_old_pods_drain_longer_than_proxies_take_to_notice() -> None:
    assert drained_at(NOW) == NOW + timedelta(seconds=DRAIN_SECONDS)
    assert DRAIN_SECONDS > 3 + 2


def test_what_the_cluster_refused_is_tried_again_later_each_time() -> None:
    model, pauses = ModelStatus(), []
    candidate = ModelVersion("model-2", "r/x@sha256:2", at=NOW)
    for _ in range(6):
        pauses.append(retry_pause(model.refused, candidate))
        model = model.with_refused(candidate, "ProgressDeadlineExceeded", NOW, NOW + timedelta(seconds=pauses[-1]))
        model = ModelStatus.from_dict(model.to_dict())
    assert pauses == [900, 1800, 3600, 7200, 14400, 14400]
    served_since = ModelVersion("model-3", "r/x@sha256:3", at=NOW + timedelta(seconds=1))
    assert to_retry(model.refused, served_since) is None
    found = to_retry(model.refused, ModelVersion("model-1", "r/x@sha256:1", at=NOW - timedelta(seconds=1)))
    assert found is not None
    assert found.candidate == replace(candidate, at=None)
