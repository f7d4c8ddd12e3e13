"""An active version that does not serve, in one reconcile: an earlier one becomes the candidate, once per outage."""

from dataclasses import replace
from datetime import datetime

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, condition
from labelloop_operator.api.spec import Spec
from labelloop_operator.planning.children import our_deployments, progressed_at
from labelloop_operator.planning.image_locations import resolve_images
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.policies.rollback_checks import RollbackInput, evaluate_rollback
from labelloop_operator.policies.serving_checks import ServingInput, explain


def roll_back(builder: PlanBuilder, spec: Spec, view: ServingInput) -> str | None:
    """Propose an earlier version when the deadline is over; otherwise a remark for people, if there is one to make."""
    model = builder.status.model
    if model.active is None:
        return None
    cold = names.cold_version(resolve_images(builder, spec).base_image)
    trouble = explain(view)
    decision = evaluate_rollback(
        RollbackInput(
            now=builder.now,
            active=model.active,
            available=view.available,
            down_since=_down_since(builder, model.active.version),
            progress_deadline=spec.progress_deadline,
            cause=trouble.reason if trouble else None,
            pinned=spec.model.pinned_version is not None,
            suspended=spec.suspend,
            candidate=model.candidate,
            # A cold version on another base image would be replaced at once.
            earlier=[item for item in model.history if not names.is_cold(item.version) or item.version == cold],
            refused=model.refused,
        )
    )
    builder.requeue_at(decision.look_again_at)
    if decision.version is not None:
        builder.set_model(replace(model, candidate=replace(decision.version, at=None, rollback=True)))
        builder.requeue_after(0)
    return decision.remark


def _down_since(builder: PlanBuilder, version: str) -> datetime | None:
    """Since when the version does not serve; a manifest that was changed later has its own time."""
    known = condition(builder.before.conditions, ConditionType.SERVING)
    since = known.last_transition_time if known and known.status is not ConditionStatus.TRUE else builder.now
    live = our_deployments(builder.observed.children, builder.owner.uid).get(names.revision(version))
    progressed = progressed_at(live) if live is not None else None
    return max(since, progressed) if progressed else since
