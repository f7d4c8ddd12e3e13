"""Whether predictions of the active version are written into Label Studio now: a chain of reasons not to, then yes.

Label Studio sorts tasks and picks uncertain ones by stored predictions, and it stores them only for tasks that
somebody opens. Trainings and rollouts come first: the Job gives way to them and continues afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelloop_operator.api.conditions import Condition, ConditionStatus, Reason
from labelloop_operator.api.predictions_status import PredictionsOutcome, PredictionsStatus
from labelloop_operator.policies.chain import Check, first_decision
from labelloop_operator.policies.retry_message import tried_again
from labelloop_operator.policies.training_checks import TURN_PAUSE


@dataclass(frozen=True)
class PredictionsInput:
    """Everything the decision depends on."""

    now: datetime
    version: str
    """The active version."""
    known: PredictionsStatus | None
    """What is recorded of this version, project and settings."""
    job: str | None
    """A prediction Job that exists in the cluster, running, finished or terminating."""
    suspended: bool
    busy: str
    """What comes first: a training or a rollout; empty: nothing."""
    serving: bool
    registered: Condition | None
    others: int = 0
    """Prediction Jobs of other resources with the same Label Studio."""
    most: int = 0
    """As many may run there at once; 0: no limit."""


@dataclass(frozen=True)
class PredictionsDecision:
    """Whether to start, and what the condition PredictionsWritten says."""

    start: bool
    status: ConditionStatus
    reason: Reason
    message: str
    look_again_at: datetime | None = None


def evaluate_predictions(given: PredictionsInput) -> PredictionsDecision:
    """The first check that applies; without any: start."""
    found = first_decision(CHAIN, given)
    if found is not None:
        return found
    return _wait(
        Reason.WRITING_PREDICTIONS, f"predictions of {given.version} are written into Label Studio", start=True
    )


def _wait(
    reason: Reason, message: str, look_again_at: datetime | None = None, start: bool = False
) -> PredictionsDecision:
    return PredictionsDecision(start, ConditionStatus.UNKNOWN, reason, message, look_again_at)


def written(given: PredictionsInput) -> PredictionsDecision | None:
    """The Job of this version has succeeded."""
    if given.known is None or given.known.outcome is not PredictionsOutcome.PREDICTED:
        return None
    return PredictionsDecision(False, ConditionStatus.TRUE, Reason.PREDICTIONS_WRITTEN, given.known.message)


def backing_off(given: PredictionsInput) -> PredictionsDecision | None:
    """The newest Job failed a moment ago."""
    known = given.known
    if known is None or known.not_before is None or given.now >= known.not_before:
        return None
    message = tried_again(known.message, known.failures, known.not_before)
    reason = Reason.of(known.reason, Reason.UNKNOWN)
    return PredictionsDecision(False, ConditionStatus.FALSE, reason, message, known.not_before)


def training_or_rollout_first(given: PredictionsInput) -> PredictionsDecision | None:
    """They need the pods' room, and another version may follow."""
    if not given.busy:
        return None
    return _wait(Reason.WAITING_FOR_ROLLOUT, f"predictions of {given.version} are written after {given.busy}")


def job_exists(given: PredictionsInput) -> PredictionsDecision | None:
    """One at a time; a finished one goes first."""
    if given.job is None:
        return None
    message = f"Job {given.job} writes predictions of {given.version} into Label Studio"
    return _wait(Reason.WRITING_PREDICTIONS, message)


def suspended(given: PredictionsInput) -> PredictionsDecision | None:
    """Somebody stopped everything that starts Jobs."""
    return _wait(Reason.SUSPENDED, "spec.suspend is true: no predictions are written") if given.suspended else None


def not_serving(given: PredictionsInput) -> PredictionsDecision | None:
    """A version that does not answer may be rolled back."""
    if given.serving:
        return None
    return _wait(Reason.WAITING_FOR_SERVING, f"predictions are written when {given.version} serves")


def not_registered(given: PredictionsInput) -> PredictionsDecision | None:
    """Label Studio shows scores of the version that is the ML backend's title."""
    if given.registered is not None and given.registered.status is ConditionStatus.TRUE:
        return None
    why = f": {given.registered.reason}" if given.registered else ""
    return _wait(Reason.REGISTERING, f"predictions are written when {given.version} is registered{why}")


def label_studio_is_busy(given: PredictionsInput) -> PredictionsDecision | None:
    """As many Jobs write as may at once."""
    if given.most == 0 or given.others < given.most:
        return None
    message = f"due, and waits: {given.most} prediction Jobs may run at once with this Label Studio"
    return _wait(Reason.CONCURRENCY_LIMIT_REACHED, message, given.now + timedelta(seconds=TURN_PAUSE))


CHAIN: Sequence[Check[PredictionsInput, PredictionsDecision]] = (
    written,
    backing_off,
    training_or_rollout_first,
    job_exists,
    suspended,
    not_serving,
    not_registered,
    label_studio_is_busy,
)
