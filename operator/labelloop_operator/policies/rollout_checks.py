"""What to do with a candidate: start it, switch the Service to it, promote it when it answers, or refuse it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.names import is_cold
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import ModelVersion, Refusal
from labelloop_operator.api.times import format_time
from labelloop_operator.policies.chain import Check, first_decision
from labelloop_operator.policies.serving_checks import NOT_PROBED, Answer

DRAIN_SECONDS = 10
"""Between the promotion and the end of the old pods: other nodes' kube-proxies follow later than the operator's."""
ANSWER_SECONDS = 15
"""After the switch: a Service that answers nothing at all for so long is switched back."""

RETRY_SHORTEST, RETRY_LONGEST = 900.0, 14400.0
"""Seconds after which a version is rolled out again whose pods the cluster did not let run; doubled each time."""
_NOT_READY = "its pods run without becoming ready; their log, and /readyz, say why"


class Step(Enum):
    """What comes next."""

    HOLD = "hold"
    """Not rolled out now; its Deployment is deleted and its time starts again later."""
    START = "start"
    WAIT = "wait"
    SWITCH = "switch"
    """Point the Service at the candidate; the active version stays as it is."""
    PROMOTE = "promote"
    REFUSE = "refuse"


@dataclass(frozen=True)
class RolloutInput:
    """Everything the decision depends on."""

    now: datetime
    candidate: ModelVersion
    selected: bool
    """The Service selects the candidate's pods."""
    available: bool
    """All of the candidate's pods are ready."""
    held: Problem | None
    """Why roll-outs stand still: suspended, or the Service is not ours."""
    progress_deadline: float
    trouble: str | None
    """Why its pods do not serve."""
    answer: Answer = NOT_PROBED
    active_available: bool = True
    """The active version has pods that are ready."""
    in_place: bool = False
    """It is the active version on another base image."""
    retry_after: float | None = None
    """Seconds to wait when the trouble is the cluster's, not the version's: pods are refused, or no node takes them."""

    @property
    def switched(self) -> bool:
        """The operator pointed the Service at the candidate."""
        return self.selected and self.candidate.switched_at is not None


@dataclass(frozen=True)
class RolloutDecision:
    """The next step of a roll-out."""

    step: Step
    reason: Reason
    message: str
    look_again_at: datetime | None = None
    retry_at: datetime | None = None
    """Of a refusal: when it is tried again."""


def evaluate_rollout(given: RolloutInput) -> RolloutDecision:
    """The first check that applies; without any: wait for the pods."""
    decision = first_decision(CHAIN, given)
    if decision is not None:
        return decision
    message = f"waiting for the pods of {given.candidate.version}" + (f": {given.trouble}" if given.trouble else "")
    return RolloutDecision(Step.WAIT, Reason.ROLLOUT_RUNNING, message, look_again_at=_deadline(given))


def may_roll_out(version: ModelVersion, refused: Sequence[Refusal], requested: bool) -> Refusal | None:
    """The refusal that stands against rolling this image out by itself; a person's request overrides it."""
    if requested:
        return None
    return next((entry for entry in refused if entry.image == version.image), None)


def to_retry(refused: Sequence[Refusal], active: ModelVersion) -> Refusal | None:
    """The newest refusal, when it is to be tried again and nothing came into service since."""
    newest = refused[0] if refused else None
    if newest is None or newest.retry_at is None or newest.at is None:
        return None
    return None if active.at is not None and active.at > newest.at else newest


def retry_pause(refused: Sequence[Refusal], candidate: ModelVersion) -> float:
    """Seconds until a version is tried again that is refused now, perhaps not for the first time."""
    before = next((item for item in refused if item.image == candidate.image), None)
    if before is None or before.at is None or before.retry_at is None:
        return RETRY_SHORTEST
    return min(RETRY_LONGEST, 2 * (before.retry_at - before.at).total_seconds())


def drained_at(promoted_at: datetime) -> datetime:
    """When the Deployments of earlier versions may go."""
    return promoted_at + timedelta(seconds=DRAIN_SECONDS)


def _deadline(given: RolloutInput) -> datetime | None:
    started = given.candidate.at
    return started + timedelta(seconds=given.progress_deadline) if started else None


def answers(given: RolloutInput) -> RolloutDecision | None:
    """The Service was switched, and the candidate answers through it."""
    if not (given.switched and given.available and given.answer.comes_from(given.candidate.version)):
        return None
    return RolloutDecision(Step.PROMOTE, Reason.PROMOTED, f"{given.candidate.version} serves")


def held(given: RolloutInput) -> RolloutDecision | None:
    """Roll-outs stand still."""
    return RolloutDecision(Step.HOLD, given.held.reason, str(given.held)) if given.held else None


def not_started(given: RolloutInput) -> RolloutDecision | None:
    """Its Deployment is to be made; the deadline runs from now."""
    if given.candidate.at is not None:
        return None
    return RolloutDecision(Step.START, Reason.ROLLOUT_STARTED, f"rolling out {given.candidate.version}")


def unreachable_before(given: RolloutInput) -> RolloutDecision | None:
    """The Service does not answer although pods of the active version are ready: a switch would prove nothing."""
    if given.candidate.switched_at or not given.available or not given.active_available or given.in_place:
        return None
    if given.answer.error is None:
        return None
    message = f"{given.candidate.version} is ready and waits: the Service does not answer ({given.answer.error})"
    return RolloutDecision(Step.WAIT, Reason.SERVICE_UNREACHABLE, message)


def ready(given: RolloutInput) -> RolloutDecision | None:
    """All its pods are ready: the Service is switched to them, once, or again when somebody switched it back."""
    if not given.available or given.switched or _is_unanswered(given):
        return None
    return RolloutDecision(Step.SWITCH, Reason.SWITCHING, _awaits_answer(given))


def unanswered(given: RolloutInput) -> RolloutDecision | None:
    """The Service was switched, and something else answers, or nothing. Without a ready pod of the active version there
    is nothing better to go back to."""
    if not given.available or given.candidate.switched_at is None:
        return None
    if not given.active_available:
        return RolloutDecision(Step.WAIT, Reason.SWITCHING, _awaits_answer(given))
    if not _is_unanswered(given):
        end = given.candidate.switched_at + timedelta(seconds=min(_patience(given)))
        # Past the end an answer is awaited, which wakes the resource.
        later = end if end > given.now else None
        return RolloutDecision(Step.WAIT, Reason.SWITCHING, _awaits_answer(given), look_again_at=later)
    seen = given.answer.error or f"{given.answer.version} answers"
    what = f"did not answer within {min(_patience(given)):g} s of the switch of the Service"
    return _refuse(given, Reason.SERVICE_UNREACHABLE, f"{what}: {seen}; check kube-proxy and network policies")


def too_late(given: RolloutInput) -> RolloutDecision | None:
    """Its pods did not become ready in time: what served before still serves."""
    end = _deadline(given)
    if given.available or end is None or given.now < end:
        return None
    what = f"did not serve within {given.progress_deadline:g} s (spec.rollout.progressDeadline)"
    return _refuse(given, Reason.PROGRESS_DEADLINE_EXCEEDED, f"{what}: {given.trouble or _NOT_READY}")


def _patience(given: RolloutInput) -> list[float]:
    """Seconds after the switch: until the candidate must answer, and until anything must."""
    return [given.progress_deadline, *([ANSWER_SECONDS] if given.answer.error else [])]


def _is_unanswered(given: RolloutInput) -> bool:
    switched = given.candidate.switched_at
    if switched is None or given.answer.unknown or not given.active_available:
        return False
    return given.now >= switched + timedelta(seconds=min(_patience(given)))


def _awaits_answer(given: RolloutInput) -> str:
    seen = given.answer.error or (f"{given.answer.version} answers" if given.answer.version else "not asked yet")
    return f"all pods of {given.candidate.version} are ready; waiting for its answer through the Service ({seen})"


def _refuse(given: RolloutInput, reason: Reason, what: str) -> RolloutDecision:
    edit = is_cold(given.candidate.version) or given.in_place
    again = "change the resource" if edit else "press Start Training"
    before = "image" if given.in_place else "version"
    retry_at = None if given.retry_after is None else given.now + timedelta(seconds=given.retry_after)
    then = f"fix the cause and {again} to try again."
    if retry_at is not None:
        then = f"it is tried again at {format_time(retry_at)}; fix the cause, and {again} to try at once."
    return RolloutDecision(
        Step.REFUSE,
        reason,
        f"{given.candidate.version} {what}. The {before} before it keeps serving; {then}",
        retry_at=retry_at,
    )


CHAIN: Sequence[Check[RolloutInput, RolloutDecision]] = (
    answers,
    held,
    not_started,
    unreachable_before,
    ready,
    unanswered,
    too_late,
)
