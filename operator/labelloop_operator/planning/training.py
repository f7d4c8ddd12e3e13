"""Training in one reconcile: count updates, and start the next Job when it is due."""

from dataclasses import replace

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.api.status import Cut, TrainingStatus
from labelloop_operator.api.times import format_time
from labelloop_operator.builders.training_job import Training, job, job_name
from labelloop_operator.planning.actions import Create
from labelloop_operator.planning.children import our_jobs, our_rebase_jobs
from labelloop_operator.planning.image_locations import Place, place
from labelloop_operator.planning.job_inputs import inputs_digest
from labelloop_operator.planning.label_config_condition import confirm_label_config, label_config_changed
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.planning.rebase import training_must_use_new_base
from labelloop_operator.planning.running_training import open_request
from labelloop_operator.policies.job_trouble import STUCK
from labelloop_operator.policies.training_checks import TrainingInput, TrainingVerdict, decide

_TYPE = ConditionType.TRAINING_SUCCEEDED


def count(draft: Draft) -> None:
    """`pendingUpdates` from what was counted against the present cut; a count against another one is stale."""
    facts = draft.observed.label_studio
    training = draft.status.training
    if facts is None or facts.pending is None or facts.pending.cut != training.cut:
        return
    repeats = training.repeat_edits + facts.pending.repeat_edits_seen
    pending = facts.pending.total + repeats
    draft.set_training(replace(training, pending_updates=pending, repeat_edits=repeats))
    confirm_label_config(draft)


def train_if_due(draft: Draft, spec: Spec, problem: Problem | None) -> tuple[Create, ...]:
    """The next Job, when the policy says so. `problem`: why Label Studio cannot be asked."""
    if draft.status.training.next_not_before is not None and (draft.edited or _made_of_other_things(draft, spec)):
        # Something changed, perhaps the cause of the failures: no reason to wait any longer.
        draft.set_training(replace(draft.status.training, next_not_before=None))
    where = place(draft, spec)
    request = open_request(draft)
    verdict = decide(_training_input(draft, spec, problem, where, request))
    draft.look_again(verdict.look_again_at)
    _tell_next(draft, verdict)
    if verdict.train and where.repository:
        return _start(draft, spec, where, where.repository, request or "", verdict)
    if draft.status.training.last_outcome is None and draft.status.training.job is None:
        draft.set(_TYPE, ConditionStatus.UNKNOWN, verdict.reason, verdict.message)
    return ()


def tell_no_training(draft: Draft, problem: Problem) -> None:
    """Without a usable spec none starts: what was told of the next one no longer holds."""
    nothing_known = TrainingInput(
        now=draft.now,
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
    _tell_next(draft, decide(nothing_known))


def _made_of_other_things(draft: Draft, spec: Spec) -> bool:
    """A Job made now would differ from the one that failed: resource, operator's settings or Secrets have changed."""
    failure = draft.status.training.last_failure
    return failure is not None and failure.inputs is not None and failure.inputs != inputs_digest(draft, spec)


def _tell_next(draft: Draft, verdict: TrainingVerdict) -> None:
    told = condition(draft.status.conditions, _TYPE)
    if verdict.train:
        text = None
    elif verdict.reason is not Reason.TRAINING_RUNNING:
        text = f"{verdict.reason}: {verdict.message}"
    else:
        text = f"{told.reason}: {told.message}" if told and told.reason in STUCK else None
    draft.set_training(replace(draft.status.training, next=text))


def _training_input(
    draft: Draft, spec: Spec, problem: Problem | None, where: Place, request: str | None
) -> TrainingInput:
    training, model = draft.status.training, draft.status.model
    rebased = model.active if our_rebase_jobs(draft.observed.children, draft.owner.uid) else None
    coming = model.candidate or rebased
    facts = draft.observed.label_studio
    project = facts.project if facts else None
    jobs = our_jobs(draft.observed.children, draft.owner.uid)
    return TrainingInput(
        now=draft.now,
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
        others_in_namespace=draft.observed.other_trainings.in_namespace,
        per_namespace=draft.observed.operator.trainings_per_namespace,
        others_with_label_studio=draft.observed.other_trainings.with_label_studio,
        per_label_studio=draft.observed.operator.trainings_per_label_studio,
        counted_at=facts.pending.counted_at if facts and facts.pending else None,
        count_waits=facts.count_waits if facts else 0.0,
        label_config_changed=label_config_changed(draft),
    )


def _start(
    draft: Draft, spec: Spec, where: Place, repository: str, request: str, verdict: TrainingVerdict
) -> tuple[Create, ...]:
    training, active = draft.status.training, draft.status.model.active
    created_at = draft.status.label_studio.project_created_at
    facts = draft.observed.label_studio
    project = facts.project if facts else None
    inputs = Training(
        cut=training.cut or Cut(),
        label_config_digest=(project.label_config_digest if project else None) or "",
        base_image=where.base_image,
        repository=repository,
        plain_http=where.plain_http,
        active_version=active.version if active and not training_must_use_new_base(draft, spec) else None,
        active_image=active.image if active and not names.is_cold(active.version) else None,
        snapshot=training.snapshot,
        attempt=training.attempt,
        request_id=request,
        has_ca=draft.observed.connection.has_ca,
        address_policy=draft.observed.operator.address_policy,
        after=_previous(training),
        inputs=inputs_digest(draft, spec),
        project_created_at=format_time(created_at) if created_at else "",
    )
    name = job_name(draft.owner, spec, inputs)
    if draft.is_foreign("Job", name):
        return ()
    started = replace(
        training, job=name, job_uid=None, last_outcome=None, handled_request=request or training.handled_request
    )
    draft.set_training(started)
    draft.set(_TYPE, ConditionStatus.UNKNOWN, Reason.TRAINING_RUNNING, f"Job {name}: {verdict.message}")
    return (Create(job(draft.owner, spec, inputs)),)


def _previous(training: TrainingStatus) -> str:
    """The training that comes before the next one: never the same twice, also when its status was wiped meanwhile."""
    ended = format_time(training.finished_at) if training.finished_at else ""
    return f"{training.job or ''} {ended}"
