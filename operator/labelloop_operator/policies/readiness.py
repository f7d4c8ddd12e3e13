"""Ready: everything a person asked for works; otherwise the first thing that does not, with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelloop_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.spec import Problem
from labelloop_operator.policies.chain import Check, first_decision

_IN_ORDER = (ConditionType.SPEC_VALID, ConditionType.SERVING, ConditionType.REGISTERED)


@dataclass(frozen=True)
class ReadinessInput:
    """Conditions of this reconcile, and problems that have no condition of their own, worst first."""

    conditions: Sequence[Condition]
    problems: Sequence[Problem]


@dataclass(frozen=True)
class Readiness:
    """The condition Ready."""

    status: ConditionStatus
    reason: Reason
    message: str


def evaluate_readiness(given: ReadinessInput) -> Readiness:
    """The condition Ready."""
    found = first_decision(CHAIN, given)
    return found or Readiness(ConditionStatus.TRUE, Reason.READY, "predictions are served and updates are counted")


def _problem(given: ReadinessInput) -> Readiness | None:
    if not given.problems:
        return None
    worst = given.problems[0]
    return Readiness(ConditionStatus.FALSE, worst.reason, str(worst))


def _unmet_condition(given: ReadinessInput) -> Readiness | None:
    for type_ in _IN_ORDER:
        found = condition(given.conditions, type_)
        if found is None or found.status is ConditionStatus.TRUE or found.reason == Reason.REGISTRATION_DISABLED:
            continue
        return Readiness(ConditionStatus.FALSE, Reason.of(found.reason, Reason.UNKNOWN), found.message)
    return None


def _label_config_unsupported(given: ReadinessInput) -> Readiness | None:
    found = condition(given.conditions, ConditionType.LABEL_CONFIG_SUPPORTED)
    if found is None or found.status is not ConditionStatus.FALSE:
        return None
    return Readiness(ConditionStatus.FALSE, Reason.of(found.reason, Reason.UNKNOWN), found.message)


CHAIN: Sequence[Check[ReadinessInput, Readiness]] = (_problem, _unmet_condition, _label_config_unsupported)
