"""When to train: a chain of reasons to wait, then a chain of reasons to start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.times import format_time
from labelloop_operator.policies.chain import Check, first_decision

BACKOFF_MAXIMUM = 3600.0
COUNT_PATIENCE = 300.0
"""Seconds for which a count may be due before the reason to wait says so."""
RECHECK_SHORTEST, RECHECK_LONGEST = 10.0, 60.0
"""Seconds after which, while a retry waits, Secrets are read again: the cause may be fixed there."""
TURN_PAUSE = 10.0
"""Seconds after which a training that waits for its turn looks again: the end of another Job does not wake it."""


@dataclass(frozen=True)
class TrainingInput:
    """Everything the decision depends on."""

    now: datetime
    suspended: bool
    pin: str | None
    """The version that a person wants to serve."""
    repository: str | None
    job: str | None
    """A training Job that exists in the cluster, running, finished or going."""
    candidate: str | None
    """The version that is being rolled out."""
    label_studio_problem: Problem | None
    label_config_known: bool
    label_config_problem: str | None
    request: str | None
    """A train request that was not handled yet."""
    failures: int
    not_before: datetime | None
    pending: int | None
    updates_per_training: int
    annotations: int | None = None
    """All in the project, skipped ones included; None: not counted yet."""
    min_annotations: int = 0
    finished_at: datetime | None = None
    min_interval: float = 0.0
    others_in_namespace: int = 0
    """Training Jobs of other resources that run in the same namespace."""
    per_namespace: int = 0
    """As many may run there at once; 0: no limit."""
    others_with_label_studio: int = 0
    per_label_studio: int = 0
    counted_at: datetime | None = None
    """When `pending` was counted."""
    count_waits: float = 0.0
    """Seconds for which a newer count has been due."""
    label_config_changed: bool = False
    """The newest training read a labelling configuration that is not the project's any more."""
    spec_problem: Problem | None = None
    """Why the spec cannot be used; then nothing else here is known."""


@dataclass(frozen=True)
class TrainingDecision:
    """Whether to train, and why or why not. `look_again_at`: when waiting ends by itself."""

    train: bool
    reason: Reason
    message: str
    look_again_at: datetime | None = None


def evaluate_training(given: TrainingInput) -> TrainingDecision:
    """The first check that applies; without any: not enough updates yet. What is due may have to wait for its turn."""
    decision = first_decision(CHAIN, given)
    if decision is not None and decision.train:
        return first_decision(CONCURRENCY_LIMITS, given) or decision
    if decision is not None:
        return decision
    if given.pending is None:
        return _wait(Reason.WAITING_FOR_UPDATES, "annotation updates are not counted yet; the count is under way")
    missing = given.updates_per_training - given.pending
    told = f"{given.pending} of {given.updates_per_training} annotation updates; a training starts after {missing} more"
    return _wait(Reason.WAITING_FOR_UPDATES, told)


def backoff(failures: int, base: float) -> float:
    """Seconds to wait after that many failures in a row: base, doubled each time, at most an hour."""
    return float(min(BACKOFF_MAXIMUM, base * 2.0 ** min(failures - 1, 30))) if failures > 0 else 0.0


def recheck_pause(finished_at: datetime, not_before: datetime) -> float:
    """Seconds between two looks at what may have caused a failure, in a pause of that length."""
    quarter = (not_before - finished_at).total_seconds() / 4
    return min(RECHECK_LONGEST, max(RECHECK_SHORTEST, quarter))


def _wait(reason: Reason, message: str, look_again_at: datetime | None = None) -> TrainingDecision:
    return TrainingDecision(train=False, reason=reason, message=message, look_again_at=look_again_at)


def invalid(given: TrainingInput) -> TrainingDecision | None:
    """What the spec asks for is not known."""
    if given.spec_problem is None:
        return None
    field = given.spec_problem.field
    return _wait(given.spec_problem.reason, f"{field} cannot be used: no training until it is fixed")


def suspended(given: TrainingInput) -> TrainingDecision | None:
    """A person stopped trainings."""
    if not given.suspended:
        return None
    return _wait(Reason.SUSPENDED, "spec.suspend is true: no training until it is false")


def pinned(given: TrainingInput) -> TrainingDecision | None:
    """A person wants one version to serve: another one would have to wait, so it is not made yet."""
    if given.pin is None:
        return None
    return _wait(Reason.PINNED, f"spec.model.pinnedVersion holds {given.pin}: no training until it is removed")


def no_registry(given: TrainingInput) -> TrainingDecision | None:
    """There is no place to push an image to."""
    if given.repository:
        return None
    return _wait(
        Reason.REGISTRY_NOT_CONFIGURED,
        "spec.registry.repository is empty and the operator has no default: set it to host[:port]/path, "
        "or the chart's registry for all resources",
    )


def job_exists(given: TrainingInput) -> TrainingDecision | None:
    """One Job at a time; a finished one goes first."""
    return _wait(Reason.TRAINING_RUNNING, f"Job {given.job}") if given.job else None


def candidate_rolls_out(given: TrainingInput) -> TrainingDecision | None:
    """The next training must know which model is served; a request stays on the resource meanwhile."""
    if not given.candidate:
        return None
    return _wait(
        Reason.WAITING_FOR_ROLLOUT,
        f"{given.candidate} is rolled out first: within spec.rollout.progressDeadline it serves or goes",
    )


def label_studio_unknown(given: TrainingInput) -> TrainingDecision | None:
    """Without Label Studio there is nothing to train on."""
    problem = given.label_studio_problem
    if problem is not None:
        return _wait(problem.reason, str(problem))
    if not given.label_config_known:
        return _wait(Reason.CONNECTING, "Label Studio was not asked yet")
    return None


def label_config_unsupported(given: TrainingInput) -> TrainingDecision | None:
    """A training would only fail."""
    if given.label_config_problem is None:
        return None
    return _wait(Reason.LABEL_CONFIG_UNSUPPORTED, given.label_config_problem)


def requested(given: TrainingInput) -> TrainingDecision | None:
    """A person pressed Start Training: no waiting for updates or back-off."""
    if given.request is None:
        return None
    return TrainingDecision(train=True, reason=Reason.TRAINING_STARTED, message=f"requested ({given.request})")


def backing_off(given: TrainingInput) -> TrainingDecision | None:
    """The newest training failed a moment ago."""
    if given.failures == 0 or given.not_before is None or given.now >= given.not_before:
        return None
    return _wait(
        Reason.BACKING_OFF,
        f"{given.failures} trainings in a row failed; next one at {format_time(given.not_before)}",
        look_again_at=min(given.not_before, given.now + timedelta(seconds=_recheck(given, given.not_before))),
    )


def _recheck(given: TrainingInput, not_before: datetime) -> float:
    return recheck_pause(given.finished_at or given.now, not_before)


def retry(given: TrainingInput) -> TrainingDecision | None:
    """The newest training failed for a technical reason: again, whatever the count is now."""
    if given.failures == 0:
        return None
    return TrainingDecision(
        train=True, reason=Reason.TRAINING_STARTED, message=f"again after {given.failures} failures in a row"
    )


def label_config_changed(given: TrainingInput) -> TrainingDecision | None:
    """What was learned is not what the project asks for now."""
    if not given.label_config_changed:
        return None
    return TrainingDecision(
        train=True,
        reason=Reason.TRAINING_STARTED,
        message="the labelling configuration has changed since the newest training read it",
    )


def too_few_annotations(given: TrainingInput) -> TrainingDecision | None:
    """So few would not make a model worth serving."""
    if given.annotations is None or given.annotations >= given.min_annotations:
        return None
    return _wait(
        Reason.TOO_FEW_ANNOTATIONS,
        f"{given.annotations} annotations; the first training comes with "
        f"{given.min_annotations} (spec.training.minAnnotations)",
    )


def too_soon(given: TrainingInput) -> TrainingDecision | None:
    """The newest training ended a moment ago."""
    if given.finished_at is None or given.pending is None or given.pending < given.updates_per_training:
        return None
    again = given.finished_at + timedelta(seconds=given.min_interval)
    if given.now >= again:
        return None
    message = f"{given.pending} annotation updates; next training at {format_time(again)} (spec.training.minInterval)"
    return _wait(Reason.WAITING_FOR_MIN_INTERVAL, message, look_again_at=again)


def enough_updates(given: TrainingInput) -> TrainingDecision | None:
    """The Nth annotation update arrived."""
    if given.pending is None or given.pending < given.updates_per_training:
        return None
    message = f"{given.pending} annotation updates (spec.training.updatesPerTraining is {given.updates_per_training})"
    return TrainingDecision(train=True, reason=Reason.TRAINING_STARTED, message=message)


def count_overdue(given: TrainingInput) -> TrainingDecision | None:
    """What is known is old, and nothing newer comes: there may be enough updates already."""
    if given.count_waits < COUNT_PATIENCE:
        return None
    known = "nothing was counted yet"
    if given.counted_at is not None and given.pending is not None:
        known = (
            f"{given.pending} of {given.updates_per_training} annotation updates, as of {format_time(given.counted_at)}"
        )
    minutes = COUNT_PATIENCE / 60
    return _wait(
        Reason.COUNT_STALE,
        f"{known}; a newer count has been due for more than {minutes:g} minutes: Label Studio is slow or "
        "overloaded, or the operator's log tells another cause",
    )


def namespace_is_full(given: TrainingInput) -> TrainingDecision | None:
    """Other resources of the namespace train."""
    setting = "trainings.perNamespace of the operator's chart"
    return _full(given, given.others_in_namespace, given.per_namespace, "in this namespace", setting)


def label_studio_is_full(given: TrainingInput) -> TrainingDecision | None:
    """Other resources read from the same Label Studio."""
    setting = "trainings.perLabelStudio of the operator's chart"
    return _full(given, given.others_with_label_studio, given.per_label_studio, "with this Label Studio", setting)


def _full(given: TrainingInput, running: int, limit: int, where: str, setting: str) -> TrainingDecision | None:
    if limit == 0 or running < limit:
        return None
    message = f"due, and waits for its turn: {limit} trainings may run at once {where} ({setting})"
    return _wait(Reason.CONCURRENCY_LIMIT_REACHED, message, look_again_at=given.now + timedelta(seconds=TURN_PAUSE))


CHAIN: Sequence[Check[TrainingInput, TrainingDecision]] = (
    invalid,
    job_exists,
    suspended,
    pinned,
    no_registry,
    candidate_rolls_out,
    label_studio_unknown,
    label_config_unsupported,
    requested,
    backing_off,
    retry,
    label_config_changed,
    too_few_annotations,
    too_soon,
    enough_updates,
    count_overdue,
)
CONCURRENCY_LIMITS: Sequence[Check[TrainingInput, TrainingDecision]] = (namespace_is_full, label_studio_is_full)
