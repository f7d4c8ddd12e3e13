"""Images in the registry in one reconcile: the tag of the promoted one, and the end of those that fell out.

What served, serves, is on its way or was refused is named in status; what leaves it is noted as discarded in the same
write, so that nothing is forgotten, and deleted afterwards. Base images are nobody's to delete.
"""

from dataclasses import replace
from functools import partial

from labelloop_operator.api import names
from labelloop_operator.api.names import is_cold
from labelloop_operator.api.registry_status import DISCARDED_LIMIT, SNAPSHOTS_KEPT, RegistryStatus
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import ModelStatus, Status
from labelloop_operator.planning.actions import RemoveImages, TagPromoted
from labelloop_operator.planning.children import rebase_jobs, training_jobs
from labelloop_operator.planning.image_locations import resolve_images
from labelloop_operator.planning.plan_builder import PlanBuilder

_AT_ONCE = 5


def reconcile_images(builder: PlanBuilder, spec: Spec, job_starts: bool) -> None:
    """Note what is known and what fell out; ask for the next thing to be done."""
    _note(builder)
    _keep_snapshots(builder)
    _discard(builder)
    where = resolve_images(builder, spec)
    if where.repository is None:
        return
    secret = spec.registry.push_secret
    registry, active = builder.status.registry, builder.status.model.active
    if active is not None and not is_cold(active.version) and registry.promoted != active.image:
        builder.add(TagPromoted(active.image, where.plain_http, secret))
    jobs = training_jobs(builder.observed.children, builder.owner.uid) + rebase_jobs(
        builder.observed.children, builder.owner.uid
    )
    if registry.deletion_error or job_starts or jobs:
        return  # a Job may be pushing the very same image once more
    # Only what is on record as discarded: after a kill nothing gone may still be named as one to go back to.
    on_record = set(builder.before.registry.pending_deletion)
    is_ours = partial(_is_ours, where.repository, builder.owner.name)
    ours = [image for image in registry.pending_deletion if image in on_record and is_ours(image)]
    if ours:
        generation, kept = builder.observed.resource.generation, frozenset(_named(builder.status))
        builder.add(RemoveImages(tuple(ours[-_AT_ONCE:]), kept, where.plain_http, secret, generation))


def discard_pushed(builder: PlanBuilder, spec: Spec, job: str | None, uid: str | None) -> None:
    """A Job failed: what it may have pushed is found by its tag, and deleted unless something else names it."""
    repository = resolve_images(builder, spec).repository
    if repository is None or job is None or uid is None:
        return
    tag = names.job_tag(job, uid)
    discard(builder, f"{repository}:{tag}", f"{repository}/snapshot:{tag}")


def discard(builder: PlanBuilder, *images: str) -> None:
    """To be deleted from the registry."""
    registry = builder.status.registry
    _set(builder, replace(registry, pending_deletion=tuple(dict.fromkeys((*images, *registry.pending_deletion)))))


def trimmed(model: ModelStatus, limit: int) -> ModelStatus:
    """With no more history than `spec.model.historyLimit` allows."""
    return model if len(model.history) <= limit else replace(model, history=model.history[:limit])


def _note(builder: PlanBuilder) -> None:
    """What was done in the registry since the newest status."""
    facts, registry = builder.observed.registry, builder.status.registry
    discarded = tuple(image for image in registry.pending_deletion if image not in facts.removed)
    # An edit may have fixed it: only what was answered since then counts.
    current = facts.refused_generation == builder.observed.resource.generation
    undeletable = (facts.refusal if current else None) or (None if builder.spec_changed else registry.deletion_error)
    promoted = facts.promoted or registry.promoted
    _set(builder, replace(registry, promoted=promoted, pending_deletion=discarded, deletion_error=undeletable))


def _keep_snapshots(builder: PlanBuilder) -> None:
    newest, registry = builder.status.training.snapshot, builder.status.registry
    if newest is None or registry.snapshots[:1] == (newest,):
        return
    kept = (newest, *(item for item in registry.snapshots if item != newest))
    _set(builder, replace(registry, snapshots=kept[:SNAPSHOTS_KEPT]))


def _discard(builder: PlanBuilder) -> None:
    registry = builder.status.registry
    named = _named(builder.status)
    fallen_out = sorted(_named(builder.before) - named)
    if fallen_out:
        builder.requeue_after(0)
    discarded = (
        *fallen_out,
        *(item for item in registry.pending_deletion if item not in named and item not in fallen_out),
    )
    _set(builder, replace(registry, pending_deletion=discarded[:DISCARDED_LIMIT]))


def _named(status: Status) -> set[str]:
    """Images and snapshots that must stay."""
    model = status.model
    versions = (model.active, model.candidate, *model.history, *model.refused)
    images = {item.image for item in versions if item is not None and not is_cold(item.version)}
    return images | set(status.registry.snapshots) | ({status.training.snapshot} - {None})  # type: ignore[operator]


def _is_ours(repository: str, resource: str, image: str) -> bool:
    """Whether the image is in the resource's present repository, and named by digest or by the tag of one of its Jobs:
    others are not touched."""
    name, at, digest = image.partition("@")
    if not at:
        name, _, tag = image.rpartition(":")
    named = digest.startswith("sha256:") if at else names.is_job_tag(resource, tag)
    return named and name in (repository, f"{repository}/snapshot")


def _set(builder: PlanBuilder, registry: RegistryStatus) -> None:
    builder.status = replace(builder.status, registry=registry)
