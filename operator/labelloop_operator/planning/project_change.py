"""Another project behind the same resource: its Secret leads to another Label Studio, or that one was installed again.

Two projects of one id are distinguished by when they were created; the address alone may change without that. The count
starts again from everything, with no snapshot, and Jobs that read the former project are removed. The active model
serves on until one of the new project is trained; the gate compares both on held-out texts of the new project. What was
registered in the former one is removed with the credentials that the relay Secret keeps.
"""

from dataclasses import replace
from datetime import timedelta

from labelloop.label_studio.release import too_old
from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionType, Reason
from labelloop_operator.api.label_studio_status import FormerRegistration, LabelStudioStatus
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import Cut, TrainingStatus
from labelloop_operator.api.times import format_time
from labelloop_operator.planning.actions import Delete, DeregisterFormer, Emit
from labelloop_operator.planning.observed import LabelStudioFacts
from labelloop_operator.planning.ownership import is_ours
from labelloop_operator.planning.plan_builder import PlanBuilder


def follow_project(builder: PlanBuilder, spec: Spec) -> None:
    """Record which project answers; when it is another one, start again with it and leave the former one."""
    facts = builder.observed.label_studio or LabelStudioFacts()
    known = builder.status.label_studio
    created_at = facts.project.created_at if facts.project else None
    trouble = too_old(facts.release) if facts.release != (known.release or "") else None
    if trouble is not None:
        builder.add(Emit("Warning", str(Reason.RELEASE_UNSUPPORTED), trouble))
    if created_at is not None:
        if known.project_created_at not in (None, created_at):
            _start_again(builder, spec)
        builder.set_label_studio(
            replace(
                builder.status.label_studio,
                address=builder.observed.connection.address or known.address,
                project_created_at=created_at,
                release=facts.release or known.release,
            )
        )
    _leave_former(builder, spec)
    _drop_jobs_of_former(builder)


def keeps_former_connection(builder: PlanBuilder) -> bool:
    """Whether the relay Secret must not take over the present connection yet: the former one is still needed."""
    known, present = builder.status.label_studio, builder.observed.connection.address
    return known.former is not None or (known.registered and known.address not in (None, present))


def report_former(builder: PlanBuilder, spec: Spec, former: FormerRegistration, why: str) -> None:
    """Name what stays, and how to remove it."""
    backend = f"ML backend {former.backend_id}" if former.backend_id is not None else "an ML backend"
    webhook = f"webhook {former.webhook_id}" if former.webhook_id is not None else "a webhook"
    note = (
        f"{backend} and {webhook} of project {spec.label_studio.project} may remain in the Label Studio that was at "
        f"{former.address}, with URL {builder.status.url}: {why}; remove them there under Settings > Model and "
        "Settings > Webhooks"
    )
    builder.add(Emit("Warning", str(Reason.REGISTRATION_ORPHANED), note))


def _start_again(builder: PlanBuilder, spec: Spec) -> None:
    known, training, model = builder.status.label_studio, builder.status.training, builder.status.model
    address = builder.observed.connection.address
    builder.set_training(
        TrainingStatus(cut=Cut(), handled_request=training.handled_request, finished_at=training.finished_at)
    )
    builder.set_model(replace(model, candidate=None))
    builder.forget(ConditionType.CANDIDATE_ACCEPTED, ConditionType.TRAINING_SUCCEEDED)
    serving = model.active.version if model.active else "nothing"
    note = (
        f"Label Studio at {address} has another project {spec.label_studio.project} than the one at {known.address} "
        f"that was used before: all its annotations are counted as new, and {serving} serves until a model is trained "
        "on them"
    )
    builder.add(Emit("Warning", str(Reason.PROJECT_CHANGED), note))
    former = known.former if known.former and known.former.address != address else None
    if known.registered:
        left = FormerRegistration(known.address or address, known.backend_id, known.webhook_id, builder.now)
        if left.address == address:
            report_former(builder, spec, left, "the project at this address is another one now")
        elif former is not None:
            report_former(
                builder, spec, left, "its credentials are not kept, since another registration is removed first"
            )
        else:
            former = left
    builder.set_label_studio(LabelStudioStatus(former=former))


def _leave_former(builder: PlanBuilder, spec: Spec) -> None:
    former = builder.status.label_studio.former
    if former is None:
        return
    facts, connection = builder.observed.former, builder.observed.connection
    patience = builder.observed.operator.deregister_timeout
    gives_up_at = former.since + timedelta(seconds=patience)
    if facts is not None and facts.address == former.address and facts.removed:
        builder.set_label_studio(replace(builder.status.label_studio, former=None))
    elif connection.former_address != former.address:
        report_former(builder, spec, former, "its credentials are not known any more")
        builder.set_label_studio(replace(builder.status.label_studio, former=None))
    elif builder.now >= gives_up_at:
        cause = facts.problem if facts and facts.problem else "no answer in that time"
        report_former(
            builder, spec, former, f"it was asked to remove them for {patience:g} s, without success: {cause}"
        )
        builder.set_label_studio(replace(builder.status.label_studio, former=None))
    else:
        builder.add(DeregisterFormer(spec.label_studio.project, builder.status.url or "", former.address))
        builder.requeue_at(gives_up_at)


def _drop_jobs_of_former(builder: PlanBuilder) -> None:
    """A Job that was made for the former project is deleted, whatever its outcome."""
    created_at, children = builder.status.label_studio.project_created_at, builder.observed.children
    if created_at is None:
        return
    wanted, kept = format_time(created_at), []
    for item in children.jobs:
        metadata = item["metadata"]
        made_for = (metadata.get("annotations") or {}).get(names.ANNOTATION_PROJECT_CREATED_AT)
        if made_for in (None, wanted) or not is_ours(item, builder.owner.uid):
            kept.append(item)
        elif metadata.get("deletionTimestamp") is None:
            builder.add(Delete("Job", builder.owner.namespace, metadata["name"], metadata["uid"]))
    builder.observed = replace(builder.observed, children=replace(children, jobs=tuple(kept)))
