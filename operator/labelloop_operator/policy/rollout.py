"""What to do with a candidate: switch to it, wait for it, or refuse it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.names import is_cold
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import ModelVersion, Refusal
from labelloop_operator.api.times import format_time
from labelloop_operator.policy.chain import Check, first_verdict

DRAIN_SECONDS = 10
"""Between the switch of the Service and the end of the old pods: longer than kube-proxy's delay and preStop."""

RETRY_SHORTEST, RETRY_LONGEST = 900.0, 14400.0
"""Seconds after which a version is rolled out again whose pods the cluster did not let run; doubled each time."""
_NOT_READY = "its pods run without getting ready; their log, and /readyz, say why"


class Step(Enum):
    """What comes next."""

    HOLD = "hold"
    """Not rolled out now; its Deployment goes, its time starts anew."""
    START = "start"
    WAIT = "wait"
    PROMOTE = "promote"
    REFUSE = "refuse"


@dataclass(frozen=True)
class RolloutInput:
    """Everything the decision depends on."""

    now: datetime
    candidate: ModelVersion
    switched: bool
    """The Service already selects the candidate's pods: the operator was killed after that write."""
    available: bool
    held: Problem | None
    """Why roll-outs stand still: suspended, or the Service is not ours."""
    progress_deadline: float
    trouble: str | None
    """Why its pods do not serve."""
    in_place: bool = False
    """It is the version that serves, on another base image."""
    retry_after: float | None = None
    """Seconds to wait when the trouble is the cluster's, not the version's: pods are refused, or no node takes them."""


@dataclass(frozen=True)
class RolloutVerdict:
    """The next step of a roll-out."""

    step: Step
    reason: Reason
    message: str
    look_again_at: datetime | None = None
    retry_at: datetime | None = None
    """Of a refusal: when it is tried again."""


def decide(given: RolloutInput) -> RolloutVerdict:
    """The first check that applies; without any: wait for the pods."""
    verdict = first_verdict(CHAIN, given)
    if verdict is not None:
        return verdict
    end = _deadline(given)
    message = f"waiting for the pods of {given.candidate.version}" + (f": {given.trouble}" if given.trouble else "")
    return RolloutVerdict(Step.WAIT, Reason.ROLLOUT_RUNNING, message, look_again_at=end)


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


def already_switched(given: RolloutInput) -> RolloutVerdict | None:
    """A switch that was made counts."""
    return _promote(given) if given.switched else None


def held(given: RolloutInput) -> RolloutVerdict | None:
    """Roll-outs stand still."""
    return RolloutVerdict(Step.HOLD, given.held.reason, str(given.held)) if given.held else None


def not_started(given: RolloutInput) -> RolloutVerdict | None:
    """Its Deployment is to be made; the deadline runs from now."""
    if given.candidate.at is not None:
        return None
    return RolloutVerdict(Step.START, Reason.ROLLOUT_STARTED, f"rolling out {given.candidate.version}")


def ready(given: RolloutInput) -> RolloutVerdict | None:
    """All its pods serve."""
    return _promote(given) if given.available else None


def too_late(given: RolloutInput) -> RolloutVerdict | None:
    """Its pods did not come up in time: what served goes on serving."""
    end = _deadline(given)
    if end is None or given.now < end:
        return None
    why = f": {given.trouble or _NOT_READY}"
    edit = is_cold(given.candidate.version) or given.in_place
    again = "change the resource" if edit else "press Start Training"
    before = "image" if given.in_place else "version"
    retry_at = None if given.retry_after is None else given.now + timedelta(seconds=given.retry_after)
    then = f"mend the cause and {again} to try again."
    if retry_at is not None:
        then = f"it is tried again at {format_time(retry_at)}; fix the cause, and {again} to try at once."
    return RolloutVerdict(
        Step.REFUSE,
        Reason.PROGRESS_DEADLINE_EXCEEDED,
        f"pods of {given.candidate.version} did not serve within {given.progress_deadline:g} s "
        f"(spec.rollout.progressDeadline){why}. The {before} before goes on serving; {then}",
        retry_at=retry_at,
    )


def _promote(given: RolloutInput) -> RolloutVerdict:
    return RolloutVerdict(Step.PROMOTE, Reason.PROMOTED, f"{given.candidate.version} serves")


CHAIN: Sequence[Check[RolloutInput, RolloutVerdict]] = (already_switched, held, not_started, ready, too_late)
