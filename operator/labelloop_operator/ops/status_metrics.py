"""What one status write tells about trainings, gate, roll-outs and models: two statuses in, metrics out."""

from datetime import datetime

from labelloop_operator.api.conditions import Condition, ConditionStatus, ConditionType, condition
from labelloop_operator.api.status import ModelVersion, Status
from labelloop_operator.ops.metrics import Metrics

_JUDGED = ("Trained", "Refused")


def set_gauges(metrics: Metrics, namespace: str, name: str, status: Status) -> None:
    """The gauges of a resource, as its status stands."""
    metrics.updates_pending.labels(namespace, name).set(status.training.pending_updates or 0)
    served = (status.model.active, *status.model.history)
    accuracies = {item.version: found for item in served if item and (found := _accuracy(item)) is not None}
    metrics.show_accuracies(namespace, name, accuracies)


def count_transitions(metrics: Metrics, before: Status, after: Status, training_began: datetime | None) -> None:
    """Count what a status write put on record; `training_began` is when the training's Job was created, if known."""
    training = after.training
    if training.last_outcome and before.training.last_outcome is None:
        reason = training.last_failure.reason if training.last_failure else training.last_outcome
        metrics.trainings.labels(training.last_outcome, reason).inc()
        if training_began is not None and training.finished_at is not None:
            seconds = max(0.0, (training.finished_at - training_began).total_seconds())
            metrics.training_seconds.labels(training.last_outcome).observe(seconds)
        gate = condition(after.conditions, ConditionType.CANDIDATE_ACCEPTED)
        if gate is not None and training.last_outcome in _JUDGED:
            metrics.gate_decisions.labels(str(gate.status is ConditionStatus.TRUE).lower(), gate.reason).inc()
    rollout = condition(after.conditions, ConditionType.ROLLOUT_SUCCEEDED)
    if rollout is not None and _ended(condition(before.conditions, ConditionType.ROLLOUT_SUCCEEDED), rollout):
        metrics.rollouts.labels(rollout.reason).inc()


def _ended(before: Condition | None, after: Condition) -> bool:
    """A roll-out ended: what was undecided is decided now, or another version is."""
    if after.status is ConditionStatus.UNKNOWN:
        return False
    return before is None or (before.status, before.reason, before.message) != (
        after.status,
        after.reason,
        after.message,
    )


def _accuracy(version: ModelVersion) -> float | None:
    try:
        return float(version.metrics["accuracy"])
    except (KeyError, ValueError):
        return None
