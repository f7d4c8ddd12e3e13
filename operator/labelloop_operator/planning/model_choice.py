"""Which version is active in one reconcile, and which one is the candidate that a roll-out brings into service."""

from collections.abc import Sequence
from dataclasses import replace

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.api.status import ModelStatus, ModelVersion, Refusal
from labelloop_operator.api.training_result import read_outcome
from labelloop_operator.planning.children import training_jobs
from labelloop_operator.planning.image_gc import trimmed
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.policies.rollout_checks import may_roll_out, to_retry


def choose_models(builder: PlanBuilder, spec: Spec, image: str) -> None:
    """The active version (cold at first), and a candidate: the pinned version, a cold one when the base image changed
    before any training, or the one that stands."""
    model = builder.status.model
    cold = ModelVersion(version=names.cold_version(image), image=image)
    if builder.spec_changed:
        # A person changed something: a base image that did not start gets another chance.
        model = replace(model, refused=tuple(entry for entry in model.refused if not names.is_cold(entry.version)))
    model = trimmed(model, spec.model.history_limit)
    active = model.active or _promoted_elsewhere(builder, spec) or cold
    if active.at is None:
        active = replace(active, at=builder.now)
    if spec.model.pinned_version is not None:
        return builder.set_model(_pinned(builder, replace(model, active=active), spec.model.pinned_version, image))
    candidate = model.candidate or _tried_again(builder, model.refused, active)
    if candidate is not None and names.is_cold(candidate.version) and candidate.version != cold.version:
        candidate = None
    if candidate is None and names.is_cold(active.version) and active.version != cold.version:
        candidate = None if may_roll_out(cold, model.refused, requested=False) else cold
    if candidate is not None and candidate.version == active.version and not _on_its_way(candidate, active, image):
        candidate = None
    return builder.set_model(replace(model, active=active, candidate=candidate))


def _promoted_elsewhere(builder: PlanBuilder, spec: Spec) -> ModelVersion | None:
    """The version that the registry's tag `promoted` names, perhaps from another cluster. Nothing is trained.

    A version of another project is not used. Counting continues from the version's cut.
    """
    found = builder.observed.promoted
    if found is None or found.get("project") != spec.label_studio.project:
        return None
    outcome = read_outcome(found)
    if outcome.model is None or outcome.cut is None:
        return None
    snapshot = outcome.snapshot if spec.training.keeps_snapshots else None
    builder.set_training(replace(builder.status.training, cut=outcome.cut, snapshot=snapshot))
    message = f"{outcome.model.version} was found in the registry under the tag promoted, and serves without a training"
    builder.set(ConditionType.ROLLOUT_SUCCEEDED, ConditionStatus.TRUE, Reason.PROMOTED, message)
    base = found.get("base_image")
    return replace(outcome.model, base_image=base if isinstance(base, str) else None)


def _tried_again(builder: PlanBuilder, refused: Sequence[Refusal], active: ModelVersion) -> ModelVersion | None:
    """A version that the cluster did not let run: now, or when the time has come; never during a training."""
    refusal = to_retry(refused, active)
    if refusal is None or refusal.retry_at is None or training_jobs(builder.observed.children, builder.owner.uid):
        return None
    if builder.now < refusal.retry_at:
        builder.requeue_at(refusal.retry_at)
        return None
    return refusal.candidate


def _on_its_way(candidate: ModelVersion, active: ModelVersion, image: str) -> bool:
    """The active version on the base image that is wanted now, rolled out in place."""
    return candidate.image != active.image and candidate.base_image == image


def _pinned(builder: PlanBuilder, model: ModelStatus, pin: str, image: str) -> ModelStatus:
    """Whatever is on its way, only the pinned version may come into service; a version that served can be pinned."""
    found = next(
        (item for item in (model.active, model.candidate, *model.history) if item and item.version == pin), None
    )
    if found is None:
        known = ", ".join(item.version for item in (model.active, *model.history) if item)
        message = f"is no version that serves or served: use one of {known}. What serves continues to serve"
        builder.problems.append(Problem("spec.model.pinnedVersion", pin, message, Reason.PINNED_VERSION_UNKNOWN))
        return replace(model, candidate=None)
    if found is model.active:
        candidate = model.candidate
        rebased = candidate is not None and candidate.version == pin and _on_its_way(candidate, found, image)
        return model if rebased else replace(model, candidate=None)
    refused = model.refused
    if builder.spec_changed:
        # A person asked for it just now, whatever was refused before.
        refused = tuple(entry for entry in refused if entry.image != found.image)
    if may_roll_out(found, refused, requested=False) is not None:
        return replace(model, candidate=None, refused=refused)
    waiting = found if found is model.candidate else replace(found, at=None)
    return replace(model, candidate=waiting, refused=refused)
