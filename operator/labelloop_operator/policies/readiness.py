"""Ready: everything a person asked for works; otherwise the first thing that does not, with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass

from labelloop_operator.api.conditions import Condition, ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.spec import Problem
from labelloop_operator.policies.chain import Check, first_verdict

_IN_ORDER = (ConditionType.SPEC_VALID, ConditionType.SERVING, ConditionType.REGISTERED)


@dataclass(frozen=True)
class SummaryInput:
    """Conditions of this reconcile, and problems that have no condition of their own, worst first."""

    conditions: Sequence[Condition]
    problems: Sequence[Problem]


@dataclass(frozen=True)
class Summary:
    """The condition Ready."""

    status: ConditionStatus
    reason: Reason
    message: str


def summarize(given: SummaryInput) -> Summary:
    """The condition Ready."""
    found = first_verdict(CHAIN, given)
    return found or Summary(ConditionStatus.TRUE, Reason.READY, "predictions are served and updates are counted")


def _problem(given: SummaryInput) -> Summary | None:
    if not given.problems:
        return None
    worst = given.problems[0]
    return Summary(ConditionStatus.FALSE, worst.reason, str(worst))


def _unmet_condition(given: SummaryInput) -> Summary | None:
    for type_ in _IN_ORDER:
        found = condition(given.conditions, type_)
        if found is None or found.status is ConditionStatus.TRUE or found.reason == Reason.REGISTRATION_DISABLED:
            continue
        return Summary(ConditionStatus.FALSE, Reason.of(found.reason, Reason.UNKNOWN), found.message)
    return None


def _label_config_unsupported(given: SummaryInput) -> Summary | None:
    found = condition(given.conditions, ConditionType.LABEL_CONFIG_SUPPORTED)
    if found is None or found.status is not ConditionStatus.FALSE:
        return None
    return Summary(ConditionStatus.FALSE, Reason.of(found.reason, Reason.UNKNOWN), found.message)


CHAIN: Sequence[Check[SummaryInput, Summary]] = (_problem, _unmet_condition, _label_config_unsupported)
