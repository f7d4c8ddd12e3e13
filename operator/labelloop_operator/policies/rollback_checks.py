"""What to do about an active version that does not serve: wait, go back to an earlier one, or say why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.status import ModelVersion, Refusal
from labelloop_operator.policies.chain import Check, first_decision
from labelloop_operator.policies.rollout_checks import may_roll_out

COMMON_CAUSES = frozenset({Reason.POD_CREATION_FAILED, Reason.UNSCHEDULABLE, Reason.CONTAINER_CONFIG_INVALID})
"""Quota, capacity and missing Secrets or ConfigMaps stop every version: another one would only wait next to it."""


@dataclass(frozen=True)
class RollbackInput:
    """Everything the decision depends on."""

    now: datetime
    active: ModelVersion
    available: int
    """Pods of the active version that are ready."""
    down_since: datetime | None
    """Since when Serving is not True; None: it is."""
    progress_deadline: float
    cause: Reason | None
    """Why its pods do not serve, when Kubernetes says so."""
    pinned: bool
    suspended: bool
    candidate: ModelVersion | None
    earlier: Sequence[ModelVersion]
    """Versions that can be made again, newest first."""
    refused: Sequence[Refusal]


@dataclass(frozen=True)
class RollbackDecision:
    """`version`: roll out this one now. `remark`: why not, for people."""

    version: ModelVersion | None = None
    remark: str | None = None
    look_again_at: datetime | None = None


def evaluate_rollback(given: RollbackInput) -> RollbackDecision:
    """The first check that applies; without any: the newest earlier version that was not refused."""
    found = first_decision(CHAIN, given)
    if found is not None:
        return found
    usable = [item for item in given.earlier if may_roll_out(item, given.refused, requested=False) is None]
    if usable:
        return RollbackDecision(version=usable[0])
    return RollbackDecision(remark="no earlier version is left to go back to; fix the cause")


def _serves(given: RollbackInput) -> RollbackDecision | None:
    return RollbackDecision() if given.available > 0 or given.down_since is None else None


def _replaced_already(given: RollbackInput) -> RollbackDecision | None:
    return RollbackDecision() if given.candidate is not None else None


def _too_early(given: RollbackInput) -> RollbackDecision | None:
    end = (given.down_since or given.now) + timedelta(seconds=given.progress_deadline)
    return RollbackDecision(look_again_at=end) if given.now < end else None


def _suspended(given: RollbackInput) -> RollbackDecision | None:
    return RollbackDecision(remark="not rolled back: spec.suspend is true") if given.suspended else None


def _pinned(given: RollbackInput) -> RollbackDecision | None:
    if not given.pinned:
        return None
    return RollbackDecision(
        remark=f"not rolled back: spec.model.pinnedVersion holds {given.active.version}; pin another version"
    )


def _common_cause(given: RollbackInput) -> RollbackDecision | None:
    if given.cause not in COMMON_CAUSES:
        return None
    return RollbackDecision(remark="not rolled back: the same cause would stop any other version")


CHAIN: Sequence[Check[RollbackInput, RollbackDecision]] = (
    _serves,
    _replaced_already,
    _too_early,
    _suspended,
    _pinned,
    _common_cause,
)
