"""When to train in local mode: a chain of reasons to wait, then of reasons to start. Pure; the operator's order."""

from dataclasses import dataclass
from datetime import datetime

BACKOFF_MAXIMUM = 3600.0


@dataclass(frozen=True)
class TrainingInput:
    """Everything the decision depends on."""

    now: datetime
    training: bool
    """A training runs, of this project or another one."""
    requested: bool
    """Somebody pressed Start Training, and no training has answered that."""
    failures: int
    not_before: datetime | None
    pending: int | None
    """Updates since the cut, repeat edits included; None: not counted yet."""
    updates_per_training: int


@dataclass(frozen=True)
class Decision:
    """Whether to train now, and why or why not."""

    train: bool
    reason: str


def decide(given: TrainingInput) -> Decision:
    """The first reason that applies."""
    if given.training:
        return Decision(False, "a training runs already")
    if given.requested:
        return Decision(True, "requested")
    if given.failures and given.not_before is not None and given.now < given.not_before:
        return Decision(False, f"{given.failures} trainings in a row failed; waiting until {given.not_before}")
    if given.failures:
        return Decision(True, f"again after {given.failures} failures in a row")
    if given.pending is None:
        return Decision(False, "not counted yet")
    message = f"{given.pending} of {given.updates_per_training} annotation updates"
    return Decision(given.pending >= given.updates_per_training, message)


def backoff(failures: int, base: float) -> float:
    """Seconds to wait after that many failures in a row: base, doubled each time, at most an hour."""
    return float(min(BACKOFF_MAXIMUM, base * 2.0 ** min(failures - 1, 30))) if failures > 0 else 0.0
