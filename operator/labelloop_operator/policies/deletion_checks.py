"""How a resource goes: what is in Label Studio is removed first, but never for longer than the time-out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from labelloop_operator.policies.chain import Check, first_decision


class DeletionStep(Enum):
    """What comes next."""

    GONE = "gone"
    """Nothing of ours holds the resource."""
    RELEASE = "release"
    """Remove the finalizer; nothing stays in Label Studio, or a person wants it so."""
    DEREGISTER = "deregister"
    ABANDON = "abandon"
    """Remove the finalizer and tell what stays."""


@dataclass(frozen=True)
class DeletionInput:
    """Everything the decision depends on."""

    now: datetime
    requested_at: datetime
    timeout: float
    finalizer: bool
    registered: bool
    """There may be something of ours in Label Studio."""
    skip: bool
    project_known: bool


def evaluate_deletion(given: DeletionInput) -> DeletionStep:
    """The first check that applies; without any: deregister."""
    return first_decision(CHAIN, given) or DeletionStep.DEREGISTER


def gives_up_at(given: DeletionInput) -> datetime:
    """The end of patience with Label Studio."""
    return given.requested_at + timedelta(seconds=given.timeout)


def not_held(given: DeletionInput) -> DeletionStep | None:
    """Our finalizer is not there."""
    return None if given.finalizer else DeletionStep.GONE


def nothing_registered(given: DeletionInput) -> DeletionStep | None:
    """Nothing to remove."""
    return None if given.registered else DeletionStep.RELEASE


def skipped(given: DeletionInput) -> DeletionStep | None:
    """A person set the annotation."""
    return DeletionStep.RELEASE if given.skip else None


def out_of_patience(given: DeletionInput) -> DeletionStep | None:
    """Label Studio did not answer in time, or the project is unknown since the spec is not valid."""
    late = given.now >= gives_up_at(given)
    return DeletionStep.ABANDON if late or not given.project_known else None


CHAIN: Sequence[Check[DeletionInput, DeletionStep]] = (not_held, nothing_registered, skipped, out_of_patience)
