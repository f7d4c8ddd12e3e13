"""Training in one reconcile: put a finished Job's outcome on record, count updates, start the next Job.

A Job may be deleted only when `status.training.lastOutcome` tells its outcome, so the operator can be killed after
any write: a Job that status does not know is adopted, one whose outcome is on record is deleted.
"""

from dataclasses import replace
from datetime import timedelta

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.api.status import Cut, Failure, ModelVersion, TrainingStatus
from labelloop_operator.api.times import format_time
from labelloop_operator.builders.job import Training, job, job_name
from labelloop_operator.core.draft import Draft
from labelloop_operator.core.label_config import tell_removed_labels
from labelloop_operator.core.place import Place, place
from labelloop_operator.core.plan import Create, Delete
from labelloop_operator.core.rebase import training_must_use_new_base
from labelloop_operator.core.running_jobs import set_right
from labelloop_operator.core.views import Child, attempt_of, our_jobs, our_rebase_jobs, pull_failure, result_of
from labelloop_operator.policy.outcome import Outcome, OutcomeKind, failed, read_outcome
from labelloop_operator.policy.rollout import may_roll_out
from labelloop_operator.policy.training import TrainingInput, TrainingVerdict, backoff, decide

_TYPE = ConditionType.TRAINING_SUCCEEDED


def record_outcome(draft: Draft, spec: Spec) -> None:
    """Adopt, finish and clean up Jobs."""
    jobs = our_jobs(draft.observed.children, draft.owner.uid)
    training = draft.status.training
    on_record = training.job if training.last_outcome else None
    for found in jobs:
        if found.name == on_record and not found.going:
            draft.act(Delete("Job", draft.owner.namespace, found.name, found.uid))
    current = next((found for found in jobs if found.name != on_record), None)
    if current is not None:
        _adopt(draft, current)
        result = result_of(draft.observed, current)
        if result is not None:
            outcome = _on_base(read_outcome(result), current)
            _record(draft, spec, outcome, names.ANNOTATION_REQUEST_ID in current.annotations)
        elif current.going:
            _running(draft, current, "is being deleted")
        else:
            _watch(draft, spec, current)
    elif training.job and training.last_outcome is None:
        gone = failed(Reason.JOB_VANISHED, f"Job {training.job} was deleted before it told its outcome")
        _record(draft, spec, gone, requested=False)


def count(draft: Draft) -> None:
    """`pendingUpdates` from what was counted against the present cut; a count against another one is stale."""
    facts = draft.observed.label_studio
    training = draft.status.training
    if facts is None or facts.pending is None or facts.pending.cut != training.cut:
        return
    repeats = training.repeat_edits + facts.pending.repeat_edits_seen
    pending = facts.pending.total + repeats
    draft.set_training(replace(training, pending_updates=pending, repeat_edits=repeats))


def train_if_due(draft: Draft, spec: Spec, problem: Problem | None) -> tuple[Create, ...]:
    """The next Job, when the policy says so. `problem`: why Label Studio cannot be asked."""
    if draft.edited and draft.status.training.next_not_before is not None:
        # A person changed something, perhaps the cause of the failures: no reason to wait any longer.
        draft.set_training(replace(draft.status.training, next_not_before=None))
    where = place(draft, spec)
    request = _open_request(draft)
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
        every_updates=0,
        spec_problem=problem,
    )
    _tell_next(draft, decide(nothing_known))


def _tell_next(draft: Draft, verdict: TrainingVerdict) -> None:
    waiting = None if verdict.train or verdict.reason is Reason.TRAINING_RUNNING else verdict
    draft.set_training(replace(draft.status.training, next=f"{waiting.reason}: {waiting.message}" if waiting else None))


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
        pin=spec.model.pin,
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
        every_updates=spec.training.every_updates,
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
    )


def _open_request(draft: Draft) -> str | None:
    asked = draft.observed.resource.annotations.get(names.ANNOTATION_TRAIN_REQUESTED_AT)
    return asked if asked and asked != draft.status.training.handled_request else None


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
        project_created_at=format_time(created_at) if created_at else "",
    )
    name = job_name(draft.owner, spec, inputs)
    if draft.is_foreign("Job", name):
        return ()
    started = replace(training, job=name, last_outcome=None, handled_request=request or training.handled_request)
    draft.set_training(started)
    draft.set(_TYPE, ConditionStatus.UNKNOWN, Reason.TRAINING_RUNNING, f"Job {name}: {verdict.message}")
    return (Create(job(draft.owner, spec, inputs)),)


def _adopt(draft: Draft, current: Child) -> None:
    """The operator was killed between creating this Job and writing its name, or the status was wiped."""
    training = draft.status.training
    if training.job == current.name:
        return
    draft.set_training(
        replace(
            training,
            job=current.name,
            last_outcome=None,
            attempt=attempt_of(current, otherwise=training.attempt),
            handled_request=current.annotations.get(names.ANNOTATION_REQUEST_ID) or training.handled_request,
        )
    )


def _watch(draft: Draft, spec: Spec, current: Child) -> None:
    set_right(draft, spec, current, names.COMPONENT_TRAINING)
    stuck = pull_failure(draft.observed.children, current)
    if stuck is None:
        return _running(draft, current, "runs")
    used = current.annotations.get(names.ANNOTATION_BASE_IMAGE)
    if used != place(draft, spec).base_image:
        # It would wait for an image that nobody wants any more, until its deadline.
        draft.act(Delete("Job", draft.owner.namespace, current.name, current.uid))
    message = f"Job {current.name} cannot pull image {used} ({stuck.reason}); check spec.image and the registry"
    return draft.set(_TYPE, ConditionStatus.UNKNOWN, Reason.IMAGE_PULL_FAILED, message)


def _running(draft: Draft, current: Child, what: str) -> None:
    attempt = draft.status.training.attempt
    again = f", attempt {attempt + 1}" if attempt else ""
    draft.set(_TYPE, ConditionStatus.UNKNOWN, Reason.TRAINING_RUNNING, f"Job {current.name} {what}{again}")


def _record(draft: Draft, spec: Spec, outcome: Outcome, requested: bool) -> None:
    draft.look_again_after(0)
    training = replace(
        draft.status.training, last_outcome=str(outcome.kind), pending_updates=None, finished_at=draft.now
    )
    if outcome.kind is OutcomeKind.FAILED or outcome.cut is None:
        return _record_failure(draft, spec, outcome, training)
    consumed = _consumed(training, outcome, outcome.cut)
    draft.set_training(consumed if spec.training.keeps_snapshots else replace(consumed, snapshot=None))
    status = ConditionStatus.FALSE if outcome.kind is OutcomeKind.NOT_ENOUGH_DATA else ConditionStatus.TRUE
    draft.set(_TYPE, status, outcome.reason, outcome.message)
    if outcome.gate is not None:
        accepted = ConditionStatus.TRUE if outcome.gate.accepted else ConditionStatus.FALSE
        draft.set(ConditionType.CANDIDATE_ACCEPTED, accepted, outcome.gate.reason, _told(outcome, spec))
    if outcome.model is not None and outcome.kind is OutcomeKind.REFUSED:
        reason = outcome.gate.reason if outcome.gate else Reason.UNKNOWN
        draft.set_model(draft.status.model.with_refused(outcome.model, str(reason), draft.now))
    elif outcome.model is not None:
        _propose(draft, outcome.model, requested)
    tell_removed_labels(draft, outcome.removed_labels)
    return None


def _on_base(outcome: Outcome, job: Child) -> Outcome:
    """The model in it stands on the base image that the Job was made with."""
    if outcome.model is None:
        return outcome
    return replace(outcome, model=replace(outcome.model, base_image=job.annotations.get(names.ANNOTATION_BASE_IMAGE)))


def _told(outcome: Outcome, spec: Spec) -> str:
    """The gate's sentence; for a refused candidate also where it is, and what happens next."""
    message = outcome.gate.message if outcome.gate else ""
    if outcome.kind is not OutcomeKind.REFUSED or outcome.model is None:
        return message
    return (
        f"{outcome.model.version}: {message}. It is not rolled out; its image is kept ({outcome.model.image}). "
        f"The next training comes after {spec.training.every_updates} more updates"
    )


def _consumed(training: TrainingStatus, outcome: Outcome, cut: Cut) -> TrainingStatus:
    """The updates were used: counting goes on from what the trainer read."""
    return replace(
        training,
        cut=cut,
        repeat_edits=0,
        snapshot=outcome.snapshot or training.snapshot,
        last_failure=None,
        consecutive_failures=0,
        attempt=0,
        next_not_before=None,
    )


def _record_failure(draft: Draft, spec: Spec, outcome: Outcome, training: TrainingStatus) -> None:
    failures = training.consecutive_failures + 1
    again = draft.now + timedelta(seconds=backoff(failures, spec.training.backoff))
    message = f"{outcome.message} Failed {failures} times in a row; tried again at {format_time(again)}."
    draft.set_training(
        replace(
            training,
            last_failure=Failure(str(outcome.reason), outcome.message, draft.now),
            consecutive_failures=failures,
            attempt=training.attempt + 1,
            next_not_before=again,
        )
    )
    draft.set(_TYPE, ConditionStatus.FALSE, outcome.reason, message)


def _propose(draft: Draft, trained: ModelVersion, requested: bool) -> None:
    """Make the trained model the candidate, unless it serves already or its roll-out failed before."""
    model = draft.status.model
    active = model.active
    if active is not None and active.version == trained.version and active.base_image == trained.base_image:
        return
    if model.candidate is not None and model.candidate.version == trained.version:
        return
    refusal = may_roll_out(trained, model.refused, requested)
    if refusal is None:
        draft.set_model(replace(model, candidate=trained))
        return
    message = f"{trained.version} was refused before ({refusal.reason}); press Start Training to try it again"
    draft.set(ConditionType.ROLLOUT_SUCCEEDED, ConditionStatus.FALSE, Reason.REFUSED_BEFORE, message)
