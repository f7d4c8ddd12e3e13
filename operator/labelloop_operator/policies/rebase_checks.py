"""Whether the active version moves to another base image now: a chain of reasons not to, then the start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelloop_operator.api.conditions import ConditionStatus, Reason
from labelloop_operator.api.names import is_cold
from labelloop_operator.api.rebase_status import Rebase, RebaseOutcome
from labelloop_operator.api.status import ModelVersion
from labelloop_operator.policies.chain import Check, first_decision
from labelloop_operator.policies.retry_message import tried_again
from labelloop_operator.policies.training_checks import TURN_PAUSE


@dataclass(frozen=True)
class RebaseInput:
    """Everything the decision depends on."""

    now: datetime
    active: ModelVersion
    target: str
    """The base image that spec or chart name."""
    suspended: bool
    repository: str | None
    candidate: ModelVersion | None
    job: str | None
    """A Job of a rebase that exists in the cluster, running, finished or going."""
    training: bool
    """A training runs, or is about to."""
    rebase: Rebase | None
    """What was done so far; only when it is about this version and base."""
    others_in_namespace: int = 0
    """Jobs of other resources that run in the same namespace."""
    per_namespace: int = 0
    """As many may run there at once; 0: no limit."""


@dataclass(frozen=True)
class RebaseDecision:
    """Whether to start, and what the condition Rebased says; `reason` None: nothing."""

    start: bool
    status: ConditionStatus
    reason: Reason | None
    message: str
    look_again_at: datetime | None = None


def evaluate_rebase(given: RebaseInput) -> RebaseDecision:
    """The first check that applies; without any: start."""
    found = first_decision(CHAIN, given)
    if found is not None:
        return found
    message = f"{given.active.version} is put on {given.target}, without a training"
    return RebaseDecision(True, ConditionStatus.UNKNOWN, Reason.REBASING, message)


def _wait(reason: Reason, message: str, look_again_at: datetime | None = None) -> RebaseDecision:
    return RebaseDecision(False, ConditionStatus.UNKNOWN, reason, message, look_again_at)


def untrained(given: RebaseInput) -> RebaseDecision | None:
    """Before any training another base image is rolled out as it is."""
    return RebaseDecision(False, ConditionStatus.TRUE, None, "") if is_cold(given.active.version) else None


def up_to_date(given: RebaseInput) -> RebaseDecision | None:
    """The active version stands on the base that is wanted."""
    if given.active.base_image != given.target:
        return None
    return RebaseDecision(
        False, ConditionStatus.TRUE, Reason.REBASED, f"{given.active.version} stands on {given.target}"
    )


def needs_training(given: RebaseInput) -> RebaseDecision | None:
    """Its answers would not be the same there."""
    if given.rebase is None or given.rebase.outcome is not RebaseOutcome.NEEDS_TRAINING:
        return None
    message = (
        f"{given.active.version} cannot be put on {given.target} as it is: {given.rebase.message}. Its old image "
        "continues to serve; the next training uses the new base (press Start Training to have it now)"
    )
    return RebaseDecision(False, ConditionStatus.FALSE, Reason.REBASE_NEEDS_TRAINING, message)


def suspended(given: RebaseInput) -> RebaseDecision | None:
    """A person stopped everything that changes what serves."""
    return _wait(Reason.SUSPENDED, "spec.suspend is true: the base image stays") if given.suspended else None


def no_registry(given: RebaseInput) -> RebaseDecision | None:
    """There is no place to push an image to."""
    if given.repository:
        return None
    return _wait(Reason.REGISTRY_NOT_CONFIGURED, "spec.registry.repository is empty and the operator has no default")


def job_exists(given: RebaseInput) -> RebaseDecision | None:
    """One at a time; a finished one goes first."""
    return (
        _wait(Reason.REBASING, f"Job {given.job} puts {given.active.version} on {given.target}") if given.job else None
    )


def candidate_rolls_out(given: RebaseInput) -> RebaseDecision | None:
    """What serves is about to change, perhaps to the rebased image itself."""
    if given.candidate is None:
        return None
    if given.candidate.version == given.active.version:
        return _wait(Reason.REBASING, f"{given.active.version} on {given.target} is rolled out")
    return _wait(Reason.WAITING_FOR_ROLLOUT, f"{given.candidate.version} is rolled out first")


def training_runs(given: RebaseInput) -> RebaseDecision | None:
    """It stands on the new base already, or what follows it will."""
    return _wait(Reason.TRAINING_RUNNING, "a training runs first") if given.training else None


def refused(given: RebaseInput) -> RebaseDecision | None:
    """The rebased image did not come up: another base image, or any edit, gives it another chance."""
    if given.rebase is None or given.rebase.outcome is not RebaseOutcome.REBASED:
        return None
    message = f"{given.active.version} on {given.target} did not serve in time; the image before continues to serve"
    return RebaseDecision(False, ConditionStatus.FALSE, Reason.PROGRESS_DEADLINE_EXCEEDED, message)


def backing_off(given: RebaseInput) -> RebaseDecision | None:
    """The newest Job failed a moment ago."""
    if given.rebase is None or given.rebase.not_before is None or given.now >= given.rebase.not_before:
        return None
    message = tried_again(given.rebase.message, given.rebase.failures, given.rebase.not_before)
    return RebaseDecision(False, ConditionStatus.FALSE, Reason.BACKING_OFF, message, given.rebase.not_before)


def namespace_is_full(given: RebaseInput) -> RebaseDecision | None:
    """A new base image in the chart is one for all resources at once."""
    if given.per_namespace == 0 or given.others_in_namespace < given.per_namespace:
        return None
    message = f"due, and waits for its turn: {given.per_namespace} Jobs may run at once in this namespace"
    return _wait(Reason.CONCURRENCY_LIMIT_REACHED, message, given.now + timedelta(seconds=TURN_PAUSE))


CHAIN: Sequence[Check[RebaseInput, RebaseDecision]] = (
    untrained,
    up_to_date,
    job_exists,
    candidate_rolls_out,
    needs_training,
    suspended,
    no_registry,
    training_runs,
    refused,
    backing_off,
    namespace_is_full,
)
