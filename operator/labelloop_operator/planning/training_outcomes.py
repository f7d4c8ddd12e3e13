"""Outcomes of trainings in one reconcile: the outcome of a finished Job is recorded, then the Job is deleted.

A Job may be deleted only when `status.training.lastOutcome` tells its outcome, so the operator can be killed after
any write: a Job that status does not know is adopted, one whose outcome is on record is deleted.
"""

from dataclasses import replace
from datetime import timedelta

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import Cut, Failure, ModelVersion, TrainingStatus
from labelloop_operator.api.training_result import OUTDATED, Outcome, OutcomeKind, failed, read_outcome
from labelloop_operator.planning.actions import Delete
from labelloop_operator.planning.children import Child, result_of, training_jobs
from labelloop_operator.planning.image_gc import discard, discard_pushed
from labelloop_operator.planning.job_inputs import inputs_digest
from labelloop_operator.planning.label_config_condition import missing_labels, report_removed_labels
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.running_training import WAY_OUT, adopt, report_running, watch
from labelloop_operator.policies.job_trouble import STUCK
from labelloop_operator.policies.retry_message import tried_again
from labelloop_operator.policies.rollout_checks import may_roll_out
from labelloop_operator.policies.training_checks import backoff

_TYPE = ConditionType.TRAINING_SUCCEEDED


def record_outcome(builder: PlanBuilder, spec: Spec) -> None:
    """Adopt, watch, finish and clean up Jobs."""
    jobs = training_jobs(builder.observed.children, builder.owner.uid)
    training = builder.status.training
    on_record = training.job if training.last_outcome else None
    for found in jobs:
        if found.name == on_record and not found.terminating:
            builder.add(Delete("Job", builder.owner.namespace, found.name, found.uid))
    current = next((found for found in jobs if found.name != on_record), None)
    if current is not None:
        adopt(builder, current)
        result = result_of(builder.observed, current)
        if result is not None:
            _record(builder, spec, _completed(builder, spec, read_outcome(result), current), current)
        elif current.terminating:
            report_running(builder, current, "is being deleted")
        else:
            watch(builder, spec, current)
    elif training.job and training.last_outcome is None:
        gone = failed(Reason.JOB_DELETED, f"Job {training.job} was deleted before it reported its outcome.")
        _record(builder, spec, gone, None)


def _record(builder: PlanBuilder, spec: Spec, outcome: Outcome, job: Child | None) -> None:
    builder.requeue_after(0)
    training = replace(
        builder.status.training, last_outcome=str(outcome.kind), pending_updates=None, finished_at=builder.now
    )
    if outcome.kind is OutcomeKind.FAILED or outcome.cut is None:
        return _record_failure(builder, spec, outcome, training, job)
    consumed = _with_label_config(_consumed(training, outcome, outcome.cut), spec, outcome)
    builder.set_training(consumed if spec.training.keeps_snapshots else replace(consumed, snapshot=None))
    status = ConditionStatus.FALSE if outcome.kind is OutcomeKind.NOT_ENOUGH_DATA else ConditionStatus.TRUE
    builder.set(_TYPE, status, outcome.reason, outcome.message)
    if outcome.gate is not None:
        accepted = ConditionStatus.TRUE if outcome.gate.accepted else ConditionStatus.FALSE
        builder.set(ConditionType.CANDIDATE_ACCEPTED, accepted, outcome.gate.reason, _outcome_message(outcome, spec))
    if outcome.model is not None and outcome.kind is OutcomeKind.REFUSED:
        reason = outcome.gate.reason if outcome.gate else Reason.UNKNOWN
        builder.set_model(builder.status.model.with_refused(outcome.model, str(reason), builder.now))
    elif outcome.model is not None and missing_labels(builder, outcome):
        _withhold(builder, outcome, outcome.model)
    elif outcome.model is not None:
        _propose(builder, outcome.model, job is not None and names.ANNOTATION_REQUEST_ID in job.annotations)
    report_removed_labels(builder, outcome.removed_labels)
    return None


def _completed(builder: PlanBuilder, spec: Spec, outcome: Outcome, job: Child) -> Outcome:
    """With what the Job and the condition on record add: the base image of its model, and why it never started."""
    if outcome.model is not None:
        base = job.annotations.get(names.ANNOTATION_BASE_IMAGE)
        return replace(outcome, model=replace(outcome.model, base_image=base))
    told = condition(builder.status.conditions, _TYPE)
    if outcome.reason is not Reason.DEADLINE_EXCEEDED or told is None or told.reason not in STUCK:
        return outcome
    deadline = f"{spec.training.deadline:g} s (spec.training.deadline)"
    message = f"{told.message.removesuffix(WAY_OUT)}. The training could not start within {deadline}."
    return failed(Reason.of(told.reason, Reason.UNKNOWN), message)


def _with_label_config(training: TrainingStatus, spec: Spec, outcome: Outcome) -> TrainingStatus:
    """The configuration that was read, to be compared with the project's. A custom model has a digest of its own."""
    read = outcome.label_config if spec.model.type is None else None
    # A training that was started for want of agreement and read the same again: no third one for that.
    again = read is not None and read == training.label_config and not training.label_config_confirmed
    return replace(training, label_config=read, label_config_confirmed=again)


def _outcome_message(outcome: Outcome, spec: Spec) -> str:
    """The gate's sentence; for a refused candidate also where it is, and what happens next."""
    message = outcome.gate.message if outcome.gate else ""
    if outcome.kind is not OutcomeKind.REFUSED or outcome.model is None:
        return message
    return (
        f"{outcome.model.version}: {message}. It is not rolled out; its image is kept ({outcome.model.image}). "
        f"The next training comes after {spec.training.updates_per_training} more updates"
    )


def _consumed(training: TrainingStatus, outcome: Outcome, cut: Cut) -> TrainingStatus:
    """The updates were used: counting continues from what the trainer read."""
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


def _record_failure(
    builder: PlanBuilder, spec: Spec, outcome: Outcome, training: TrainingStatus, job: Child | None
) -> None:
    discard_pushed(builder, spec, training.job, training.job_uid)
    inputs = job.annotations.get(names.ANNOTATION_INPUTS) if job else inputs_digest(builder, spec)
    failures = training.consecutive_failures + 1
    again = builder.now + timedelta(seconds=backoff(failures, spec.training.backoff))
    message = tried_again(outcome.message, failures, again)
    builder.set_training(
        replace(
            training,
            last_failure=Failure(str(outcome.reason), outcome.message, builder.now, inputs),
            consecutive_failures=failures,
            attempt=training.attempt + 1,
            next_not_before=again,
        )
    )
    builder.set(_TYPE, ConditionStatus.FALSE, outcome.reason, message)


def _withhold(builder: PlanBuilder, outcome: Outcome, trained: ModelVersion) -> None:
    """It would not know labels that annotators use: what serves stays, until the training that starts now has ended."""
    labels = ", ".join(missing_labels(builder, outcome))
    message = (
        f"{trained.version} is not rolled out: the labelling configuration changed while it was trained, and it lacks "
        f"labels that the project has ({labels}). A training with the present configuration starts at once"
    )
    builder.set_training(replace(builder.status.training, last_outcome=OUTDATED))
    builder.set(_TYPE, ConditionStatus.FALSE, Reason.LABEL_CONFIG_CHANGED, message)
    discard(builder, trained.image)


def _propose(builder: PlanBuilder, trained: ModelVersion, requested: bool) -> None:
    """Make the trained model the candidate, unless it serves already or its roll-out failed before."""
    model = builder.status.model
    active = model.active
    if active is not None and active.version == trained.version and active.base_image == trained.base_image:
        return
    if model.candidate is not None and model.candidate.version == trained.version:
        return
    refusal = may_roll_out(trained, model.refused, requested)
    if refusal is None:
        builder.set_model(replace(model, candidate=trained))
        return
    message = f"{trained.version} was refused before ({refusal.reason}); press Start Training to try it again"
    builder.set(ConditionType.ROLLOUT_SUCCEEDED, ConditionStatus.FALSE, Reason.PREVIOUSLY_REJECTED, message)
