"""An active version that does not serve, in one reconcile: an earlier one becomes the candidate, once per outage."""

from dataclasses import replace
from datetime import datetime

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, condition
from labelloop_operator.api.spec import Spec
from labelloop_operator.planning.children import our_deployments, progressed_at
from labelloop_operator.planning.image_locations import place
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.policies.rollback_checks import RollbackInput, decide
from labelloop_operator.policies.serving_checks import ServingInput, explain


def roll_back(draft: Draft, spec: Spec, view: ServingInput) -> str | None:
    """Propose an earlier version when the deadline is over; otherwise a remark for people, if there is one to make."""
    model = draft.status.model
    if model.active is None:
        return None
    cold = names.cold_version(place(draft, spec).base_image)
    trouble = explain(view)
    verdict = decide(
        RollbackInput(
            now=draft.now,
            active=model.active,
            available=view.available,
            down_since=_down_since(draft, model.active.version),
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
    draft.look_again(verdict.look_again_at)
    if verdict.version is not None:
        draft.set_model(replace(model, candidate=replace(verdict.version, at=None, rollback=True)))
        draft.look_again_after(0)
    return verdict.remark


def _down_since(draft: Draft, version: str) -> datetime | None:
    """Since when the version does not serve; a manifest that was changed later has its own time."""
    known = condition(draft.before.conditions, ConditionType.SERVING)
    since = known.last_transition_time if known and known.status is not ConditionStatus.TRUE else draft.now
    live = our_deployments(draft.observed.children, draft.owner.uid).get(names.revision(version))
    progressed = progressed_at(live) if live is not None else None
    return max(since, progressed) if progressed else since
