"""Events, only on transitions: what differs between the status on record and the new one."""

from collections.abc import Iterator

from labelloop_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.status import Status
from labelloop_operator.api.training_result import REPLACED, OutcomeKind
from labelloop_operator.planning.actions import Emit
from labelloop_operator.policies.job_trouble import STUCK

_NORMAL, _WARNING = "Normal", "Warning"
_HARMLESS = frozenset(
    {
        Reason.STARTING,
        Reason.WAITING_FOR_SERVING,
        Reason.REGISTERING,
        Reason.CONNECTING,
        Reason.REGISTRATION_DISABLED,
        Reason.DELETING,
    }
)
_ANNOUNCED = frozenset({ConditionType.REGISTERED, ConditionType.READY, ConditionType.PREDICTIONS_WRITTEN})
_OWN_EVENTS = frozenset(
    {
        ConditionType.TRAINING_SUCCEEDED,
        ConditionType.CANDIDATE_ACCEPTED,
        ConditionType.ROLLOUT_SUCCEEDED,
        ConditionType.SUSPENDED,
        ConditionType.READY,
    }
)


def transitions(before: Status, after: Status) -> tuple[Emit, ...]:
    """Events for what changed."""
    found = [
        *_training(before, after),
        *_rollout(before, after),
        *_conditions(before, after),
        *_suspended(before, after),
    ]
    return tuple(found)


def _training(before: Status, after: Status) -> Iterator[Emit]:
    old, new = before.training, after.training
    current = condition(after.conditions, ConditionType.TRAINING_SUCCEEDED)
    message = current.message if current else ""
    if new.job and new.last_outcome is None and new.job != old.job:
        yield Emit(_NORMAL, str(Reason.TRAINING_STARTED), message)
    waits = current is not None and current.status is ConditionStatus.UNKNOWN and current.reason in STUCK
    if waits and current is not None and _moved(before, current):
        yield Emit(_WARNING, current.reason, message)
    told = new.last_outcome is not None and (new.last_outcome, new.job) != (old.last_outcome, old.job)
    if told and new.last_outcome == OutcomeKind.REFUSED:
        gate = condition(after.conditions, ConditionType.CANDIDATE_ACCEPTED)
        yield Emit(_WARNING, str(Reason.CANDIDATE_REJECTED), gate.message if gate else message)
    elif told and new.last_outcome in (OutcomeKind.TRAINED, OutcomeKind.UNCHANGED):
        yield Emit(_NORMAL, str(Reason.TRAINING_SUCCEEDED), f"Job {new.job}: {message}")
    elif told and new.last_outcome == REPLACED:
        yield Emit(_NORMAL, str(Reason.JOB_REPLACED), message)
    elif told:
        reason = current.reason if current else Reason.UNKNOWN
        yield Emit(_WARNING, str(Reason.TRAINING_FAILED), f"Job {new.job}: {reason}: {message}")


def _rollout(before: Status, after: Status) -> Iterator[Emit]:
    old, new = before.model, after.model
    started = new.candidate is not None and new.candidate.at is not None
    if started and new.candidate and (old.candidate is None or old.candidate.at is None):
        yield Emit(_NORMAL, str(Reason.ROLLOUT_STARTED), f"rolling out {new.candidate.version} ({new.candidate.image})")
    current = condition(after.conditions, ConditionType.ROLLOUT_SUCCEEDED)
    previous = condition(before.conditions, ConditionType.ROLLOUT_SUCCEEDED)
    replaced = old.active is not None and new.active is not None and old.active.version != new.active.version
    # A first version is promoted when it serves, without any candidate.
    serves_first = old.candidate is None and previous is not None and previous.reason == Reason.ROLLOUT_RUNNING
    if new.active and current and current.reason == Reason.PROMOTED and (replaced or serves_first or not previous):
        yield Emit(_NORMAL, str(Reason.PROMOTED), f"{new.active.version} is the active version ({new.active.image})")
    if replaced and current and current.reason == Reason.ROLLED_BACK:
        yield Emit(_WARNING, str(Reason.ROLLED_BACK), current.message)
    moved = old.active and new.active and old.active.version == new.active.version
    if moved and old.active and new.active and old.active.image != new.active.image:
        note = f"{new.active.version} stands on {new.active.base_image} now ({new.active.image})"
        yield Emit(_NORMAL, str(Reason.REBASED), note)
    if after.registry.deletion_error and not before.registry.deletion_error:
        yield Emit(_WARNING, str(Reason.IMAGE_DELETION_FAILED), after.registry.deletion_error)
    stopped = old.candidate and new.candidate is None and any(r.image == old.candidate.image for r in new.refused)
    if stopped and current:
        yield Emit(_WARNING, str(Reason.ROLLOUT_FAILED), current.message)


def _conditions(before: Status, after: Status) -> Iterator[Emit]:
    for new in after.conditions:
        if new.type not in _OWN_EVENTS and _moved(before, new):
            yield from _event(new)
    ready = condition(after.conditions, ConditionType.READY)
    shown = {item.reason for item in after.conditions if item.type is not ConditionType.READY}
    if ready is not None and _moved(before, ready) and ready.reason not in shown:
        yield from _event(ready)


def _moved(before: Status, new: Condition) -> bool:
    old = condition(before.conditions, new.type)
    return old is None or (old.status, old.reason) != (new.status, new.reason)


def _event(new: Condition) -> Iterator[Emit]:
    if new.status is ConditionStatus.FALSE and new.reason not in _HARMLESS:
        yield Emit(_WARNING, new.reason, new.message)
    elif new.type in _ANNOUNCED and new.status is ConditionStatus.TRUE:
        yield Emit(_NORMAL, new.reason, new.message)
    elif new.reason == Reason.LABELS_REMOVED:
        yield Emit(_WARNING, new.reason, new.message)


def _suspended(before: Status, after: Status) -> Iterator[Emit]:
    old = condition(before.conditions, ConditionType.SUSPENDED)
    new = condition(after.conditions, ConditionType.SUSPENDED)
    if new is None or (old.status if old else ConditionStatus.FALSE) is new.status:
        return
    if new.status is ConditionStatus.TRUE:
        yield Emit(_NORMAL, str(Reason.SUSPENDED), new.message)
    else:
        yield Emit(_NORMAL, str(Reason.RESUMED), new.message)
