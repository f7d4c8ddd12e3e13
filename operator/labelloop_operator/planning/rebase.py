"""Another base image in one reconcile: a Job appends the active version's model layer to it, then that image serves.

The version stays, so its Deployment changes in place, with the old pods there until the new ones answer; at the
deadline the old image is applied again. As with trainings, a Job is deleted only when its outcome is on record.
"""

from dataclasses import replace
from datetime import timedelta

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.rebase_status import Rebase, RebaseOutcome
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import ModelVersion
from labelloop_operator.api.training_result import MESSAGE_MAX_LENGTH
from labelloop_operator.builders.rebase_job import RebaseTask, rebase_job
from labelloop_operator.planning.actions import Create, Delete
from labelloop_operator.planning.children import Child, attempt_of, job_trouble, rebase_jobs, result_of, training_jobs
from labelloop_operator.planning.image_gc import discard_pushed
from labelloop_operator.planning.image_locations import resolve_images
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.running_jobs import correct_job_drift
from labelloop_operator.policies.job_trouble import STUCK
from labelloop_operator.policies.rebase_checks import RebaseDecision, RebaseInput, evaluate_rebase
from labelloop_operator.policies.rollout_checks import may_roll_out
from labelloop_operator.policies.training_checks import backoff

_TYPE = ConditionType.REBASED


def record_rebase(builder: PlanBuilder, spec: Spec) -> None:
    """Adopt, finish and clean up Jobs of rebases; what is about another version or base by now is dropped."""
    model = builder.status.model
    target, active = resolve_images(builder, spec).base_image, model.active
    rebase = model.rebase
    if rebase is not None and (active is None or (rebase.version, rebase.base_image) != (active.version, target)):
        rebase = None
    on_its_way = model.candidate is not None and rebase is not None and model.candidate.version == rebase.version
    ended = rebase is not None and rebase.outcome in (RebaseOutcome.REBASED, RebaseOutcome.FAILED)
    if rebase is not None and builder.spec_changed and ended and not on_its_way:
        # A person changed something: what did not start, or failed, gets another chance.
        builder.set_model(
            replace(model, refused=tuple(item for item in model.refused if item.version != rebase.version))
        )
        rebase = None
    for job in rebase_jobs(builder.observed.children, builder.owner.uid):
        wanted = active is not None and _about(job) == (active.version, target)
        if wanted and active is not None and not (rebase and rebase.outcome and rebase.job == job.name):
            rebase = _followed(builder, spec, rebase or Rebase(active.version, target), job, active)
        elif not job.terminating:
            builder.add(Delete("Job", builder.owner.namespace, job.name, job.uid))
    builder.set_model(replace(builder.status.model, rebase=rebase))


def rebase_if_due(builder: PlanBuilder, spec: Spec, training_starts: bool) -> tuple[Create, ...]:
    """The Job, when the policy says so, and the condition Rebased, once there is something to tell."""
    active = builder.status.model.active
    if active is None:
        return ()
    where = resolve_images(builder, spec)
    children, uid = builder.observed.children, builder.owner.uid
    jobs = rebase_jobs(children, uid)
    rebase = builder.status.model.rebase
    decision = evaluate_rebase(
        RebaseInput(
            now=builder.now,
            active=active,
            target=where.base_image,
            suspended=spec.suspend,
            repository=where.repository,
            candidate=builder.status.model.candidate,
            job=jobs[0].name if jobs else None,
            training=training_starts or bool(training_jobs(children, uid)),
            rebase=rebase,
            others_in_namespace=builder.observed.other_trainings.in_namespace,
            per_namespace=builder.observed.operator.trainings_per_namespace,
        )
    )
    builder.requeue_at(decision.look_again_at)
    if decision.start and where.repository is not None:
        task = RebaseTask(
            version=active.version,
            image=active.image,
            base_image=where.base_image,
            repository=where.repository,
            plain_http=where.plain_http,
            attempt=rebase.failures if rebase else 0,
        )
        manifest = rebase_job(builder.owner, spec, task)
        name = manifest["metadata"]["name"]
        if builder.is_foreign("Job", name):
            return ()
        started = replace(rebase or Rebase(active.version, where.base_image), job=name, outcome=None, not_before=None)
        builder.set_model(replace(builder.status.model, rebase=started))
        _set_rebased_condition(builder, decision)
        return (Create(manifest),)
    _set_rebased_condition(builder, decision)
    return ()


def training_must_use_new_base(builder: PlanBuilder, spec: Spec) -> bool:
    """The active version cannot move, so even a training that would give it once more must make an image."""
    rebase = builder.status.model.rebase
    return (
        rebase is not None
        and rebase.outcome is RebaseOutcome.NEEDS_TRAINING
        and rebase.base_image == resolve_images(builder, spec).base_image
    )


def _about(job: Child) -> tuple[str | None, str | None]:
    """Version and base image of a rebase's Job."""
    return job.annotations.get(names.ANNOTATION_MODEL_VERSION), job.annotations.get(names.ANNOTATION_BASE_IMAGE)


def _followed(builder: PlanBuilder, spec: Spec, rebase: Rebase, job: Child, active: ModelVersion) -> Rebase:
    """What this Job adds to what is on record."""
    failures = attempt_of(job, otherwise=rebase.failures)
    followed = replace(rebase, job=job.name, outcome=None, failures=failures, not_before=None)
    found = result_of(builder.observed, job)
    if found is None:
        if not job.terminating:
            correct_job_drift(builder, spec, job, names.COMPONENT_REBASE)
            _report_stuck(builder, job)
        return followed
    builder.requeue_after(0)
    message = str(found.get("message") or "no message")[:MESSAGE_MAX_LENGTH]
    outcome, image = found.get("outcome"), found.get("image")
    if outcome == RebaseOutcome.NEEDS_TRAINING:
        return replace(followed, outcome=RebaseOutcome.NEEDS_TRAINING, message=message)
    # A lost pod's result comes from the image's labels, which tell of the training.
    if outcome != RebaseOutcome.FAILED and isinstance(image, str) and found.get("version") == active.version:
        _propose(builder, replace(active, image=image, base_image=rebase.base_image, at=None))
        return replace(followed, outcome=RebaseOutcome.REBASED, message=message)
    discard_pushed(builder, spec, job.name, job.uid)
    failures = followed.failures + 1
    again = builder.now + timedelta(seconds=backoff(failures, spec.training.backoff))
    message = f"{Reason.of(found.get('reason'), Reason.UNKNOWN)}: {message}"
    return replace(followed, outcome=RebaseOutcome.FAILED, message=message, failures=failures, not_before=again)


def _propose(builder: PlanBuilder, rebased: ModelVersion) -> None:
    model = builder.status.model
    if model.active is not None and model.active.image == rebased.image:
        # The same bytes came of it: only what it stands on was not known, or had another name.
        return builder.set_model(replace(model, active=replace(model.active, base_image=rebased.base_image)))
    if may_roll_out(rebased, model.refused, requested=False) is None:
        builder.set_model(replace(model, candidate=rebased))
    return None


def _report_stuck(builder: PlanBuilder, job: Child) -> None:
    stuck = job_trouble(builder.observed.children, job)
    if stuck is not None:
        builder.set(_TYPE, ConditionStatus.UNKNOWN, stuck.reason, stuck.message)
    if stuck is not None and builder.spec_changed:
        # The edit may have removed the cause, and the pod's template cannot be changed: another Job, of the same name.
        builder.add(Delete("Job", builder.owner.namespace, job.name, job.uid))


def _set_rebased_condition(builder: PlanBuilder, decision: RebaseDecision) -> None:
    """Nothing is reported before a base image changes for the first time; a Job that is stuck keeps what was
    reported."""
    before = condition(builder.status.conditions, _TYPE)
    never = before is None and builder.status.model.rebase is None
    if decision.reason is None or (never and decision.reason is Reason.REBASED):
        return
    stuck = before is not None and before.reason in STUCK
    if stuck and decision.reason is Reason.REBASING and builder.status.model.candidate is None:
        return
    builder.set(_TYPE, decision.status, decision.reason, decision.message)
