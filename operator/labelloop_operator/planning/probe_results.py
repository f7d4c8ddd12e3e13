"""What the newest probes mean: an answer of a version, a failure that lasts, or nothing known yet."""

from datetime import timedelta

from labelloop_operator.api.conditions import ConditionType, Reason, condition, is_true
from labelloop_operator.planning.actions import ProbeService
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.policies.serving_checks import NOT_PROBED, Answer

FAILURES = 3
"""In a row: one lost packet means nothing."""
LASTING = timedelta(seconds=5)
"""Failures of a Service that answered before count after this time: a busy node answers late."""
LASTING_AT_FIRST = timedelta(seconds=15)
"""kube-proxy hears of the first ready pod some time after the operator: 1 to 2 s as measured, more on a busy node."""


def answer(builder: PlanBuilder) -> Answer:
    """Who answers through the Service as it is now; asks for a look when failures begin to count."""
    facts = builder.observed.probe
    if not facts.enabled:
        return NOT_PROBED
    current = facts.route == builder.route
    version = facts.version if current else None
    if current and facts.failures >= FAILURES and facts.failing_since is not None:
        counts_at = facts.failing_since + (LASTING if served_before(builder) else LASTING_AT_FIRST)
        if builder.now >= counts_at:
            return Answer(probed=True, version=version, error=facts.error)
        builder.requeue_at(counts_at)
    if version is None and _was_unreachable(builder):
        return Answer(probed=True, error=facts.error or "no answer yet")
    return Answer(probed=True, version=version)


def served_before(builder: PlanBuilder) -> bool:
    """Whether the status on record says that predictions are served."""
    return is_true(builder.before.conditions, ConditionType.SERVING)


def _was_unreachable(builder: PlanBuilder) -> bool:
    """A change of the route alone does not make a Service reachable."""
    known = condition(builder.before.conditions, ConditionType.SERVING)
    return known is not None and known.reason == Reason.SERVICE_UNREACHABLE


def probe(builder: PlanBuilder, version: str) -> None:
    """Ask which version answers through the Service as it is now; `version` is the one that should."""
    if builder.observed.probe.enabled:
        builder.add(ProbeService(builder.url, version, builder.route))
