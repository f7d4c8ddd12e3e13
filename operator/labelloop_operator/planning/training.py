"""Training in one reconcile: count updates, and start the next Job when it is due."""

from dataclasses import replace

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.api.status import Cut, TrainingStatus
from labelloop_operator.api.times import format_time
from labelloop_operator.builders.training_job import Training, job, job_name
from labelloop_operator.planning.actions import Create
from labelloop_operator.planning.children import rebase_jobs, training_jobs
from labelloop_operator.planning.image_locations import ImageLocations, resolve_images
from labelloop_operator.planning.job_inputs import inputs_digest
from labelloop_operator.planning.label_config_condition import confirm_label_config, label_config_changed
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.rebase import training_must_use_new_base
from labelloop_operator.planning.running_training import open_request
from labelloop_operator.policies.job_trouble import STUCK
from labelloop_operator.policies.training_checks import TrainingDecision, TrainingInput, evaluate_training

_TYPE = ConditionType.TRAINING_SUCCEEDED


def count(builder: PlanBuilder) -> None:
    """`pendingUpdates` from what was counted against the present cut; a count against another one is stale."""
    facts = builder.observed.label_studio
    training = builder.status.training
    if facts is None or facts.pending is None or facts.pending.cut != training.cut:
        return
    repeats = training.repeat_edits + facts.pending.repeat_edits_seen
    pending = facts.pending.total + repeats
    builder.set_training(replace(training, pending_updates=pending, repeat_edits=repeats))
    confirm_label_config(builder)


def train_if_due(builder: PlanBuilder, spec: Spec, problem: Problem | None) -> tuple[Create, ...]:
    """The next Job, when the policy says so. `problem`: why Label Studio cannot be asked."""
    if builder.status.training.next_not_before is not None and (
        builder.spec_changed or _made_of_other_things(builder, spec)
    ):
        # Something changed, perhaps the cause of the failures: no reason to wait any longer.
        builder.set_training(replace(builder.status.training, next_not_before=None))
    where = resolve_images(builder, spec)
    request = open_request(builder)
    decision = evaluate_training(_training_input(builder, spec, problem, where, request))
    builder.requeue_at(decision.look_again_at)
    _report_next(builder, decision)
    if decision.train and where.repository:
        return _start(builder, spec, where, where.repository, request or "", decision)
    if builder.status.training.last_outcome is None and builder.status.training.job is None:
        builder.set(_TYPE, ConditionStatus.UNKNOWN, decision.reason, decision.message)
    return ()


def report_no_training(builder: PlanBuilder, problem: Problem) -> None:
    """Without a usable spec none starts: what was reported about the next one no longer holds."""
    nothing_known = TrainingInput(
        now=builder.now,
        suspended=False,
        pin=None,
        repository=None,
        job=None,
        candidate=None,
        label_studio_problem=None,
        label_config_known=False,
        label_config_problem=None,
        request=None,
        failures=0,
        not_before=None,
        pending=None,
        updates_per_training=0,
        spec_problem=problem,
    )
    _report_next(builder, evaluate_training(nothing_known))


def _made_of_other_things(builder: PlanBuilder, spec: Spec) -> bool:
    """A Job made now would differ from the one that failed: resource, operator's settings or Secrets have changed."""
    failure = builder.status.training.last_failure
    return failure is not None and failure.inputs is not None and failure.inputs != inputs_digest(builder, spec)


def _report_next(builder: PlanBuilder, decision: TrainingDecision) -> None:
    told = condition(builder.status.conditions, _TYPE)
    if decision.train:
        text = None
    elif decision.reason is not Reason.TRAINING_RUNNING:
        text = f"{decision.reason}: {decision.message}"
    else:
        text = f"{told.reason}: {told.message}" if told and told.reason in STUCK else None
    builder.set_training(replace(builder.status.training, next=text))


def _training_input(
    builder: PlanBuilder, spec: Spec, problem: Problem | None, where: ImageLocations, request: str | None
) -> TrainingInput:
    training, model = builder.status.training, builder.status.model
    rebased = model.active if rebase_jobs(builder.observed.children, builder.owner.uid) else None
    coming = model.candidate or rebased
    facts = builder.observed.label_studio
    project = facts.project if facts else None
    jobs = training_jobs(builder.observed.children, builder.owner.uid)
    return TrainingInput(
        now=builder.now,
        suspended=spec.suspend,
        pin=spec.model.pinned_version,
        repository=where.repository,
        job=jobs[0].name if jobs else None,
        candidate=coming.version if coming else None,
        label_studio_problem=problem,
        label_config_known=project is not None,
        label_config_problem=project.label_config_problem if project and spec.model.type is None else None,
        request=request,
        failures=training.consecutive_failures,
        not_before=training.next_not_before,
        pending=training.pending_updates,
        updates_per_training=spec.training.updates_per_training,
        annotations=facts.pending.size if facts and facts.pending else None,
        min_annotations=spec.training.min_annotations,
        finished_at=training.finished_at,
        min_interval=spec.training.min_interval,
        others_in_namespace=builder.observed.other_trainings.in_namespace,
        per_namespace=builder.observed.operator.trainings_per_namespace,
        others_with_label_studio=builder.observed.other_trainings.with_label_studio,
        per_label_studio=builder.observed.operator.trainings_per_label_studio,
        counted_at=facts.pending.counted_at if facts and facts.pending else None,
        count_waits=facts.count_waits if facts else 0.0,
        label_config_changed=label_config_changed(builder),
    )


def _start(
    builder: PlanBuilder, spec: Spec, where: ImageLocations, repository: str, request: str, decision: TrainingDecision
) -> tuple[Create, ...]:
    training, active = builder.status.training, builder.status.model.active
    created_at = builder.status.label_studio.project_created_at
    facts = builder.observed.label_studio
    project = facts.project if facts else None
    inputs = Training(
        cut=training.cut or Cut(),
        label_config_digest=(project.label_config_digest if project else None) or "",
        base_image=where.base_image,
        repository=repository,
        plain_http=where.plain_http,
        active_version=active.version if active and not training_must_use_new_base(builder, spec) else None,
        active_image=active.image if active and not names.is_cold(active.version) else None,
        snapshot=training.snapshot,
        attempt=training.attempt,
        request_id=request,
        has_ca=builder.observed.connection.has_ca,
        address_policy=builder.observed.operator.address_policy,
        after=_previous(training),
        inputs=inputs_digest(builder, spec),
        project_created_at=format_time(created_at) if created_at else "",
    )
    name = job_name(builder.owner, spec, inputs)
    if builder.is_foreign("Job", name):
        return ()
    started = replace(
        training, job=name, job_uid=None, last_outcome=None, handled_request=request or training.handled_request
    )
    builder.set_training(started)
    builder.set(_TYPE, ConditionStatus.UNKNOWN, Reason.TRAINING_RUNNING, f"Job {name}: {decision.message}")
    return (Create(job(builder.owner, spec, inputs)),)


def _previous(training: TrainingStatus) -> str:
    """The training that comes before the next one: never the same twice, also when its status was wiped meanwhile."""
    ended = format_time(training.finished_at) if training.finished_at else ""
    return f"{training.job or ''} {ended}"
