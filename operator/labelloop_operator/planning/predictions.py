"""Predictions of the active version in Label Studio, in one reconcile: a Job writes them once the version serves.

The Job may be killed at any time: another one skips tasks that have a prediction of the version. So it is deleted for
a training or a rollout, and created again afterwards. Its outcome is recorded before it is deleted.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.json_values import count
from labelloop_operator.api.predictions_status import PredictionsOutcome, PredictionsStatus
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.status import ModelVersion
from labelloop_operator.api.times import format_time
from labelloop_operator.api.training_result import MESSAGE_MAX_LENGTH
from labelloop_operator.builders.prediction_job import PredictionTask, prediction_job
from labelloop_operator.planning.actions import Create, Delete
from labelloop_operator.planning.children import (
    Child,
    attempt_of,
    job_trouble,
    our_prediction_jobs,
    rebase_jobs,
    result_of,
    training_jobs,
)
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.running_jobs import correct_job_drift
from labelloop_operator.policies.prediction_checks import PredictionsInput, evaluate_predictions
from labelloop_operator.policies.training_checks import backoff

_TYPE = ConditionType.PREDICTIONS_WRITTEN


def write_predictions(builder: PlanBuilder, spec: Spec, job_starts: bool, serving: bool) -> tuple[Create, ...]:
    """The Job, when the policy says so, and the condition PredictionsWritten. `job_starts`: another Job does."""
    active = builder.status.model.active
    if active is None or names.is_cold(active.version) or not _wanted(spec):
        _stop(builder)
        return ()
    busy, inputs = _busy(builder, job_starts), _inputs(builder, spec)
    jobs = our_prediction_jobs(builder.observed.children, builder.owner.uid)
    known = _follow(builder, spec, PredictionsStatus(active.version, inputs), jobs, busy)
    builder.status = replace(builder.status, predictions=known)
    decision = evaluate_predictions(
        PredictionsInput(
            now=builder.now,
            version=active.version,
            known=known,
            job=jobs[0].name if jobs else None,
            suspended=spec.suspend,
            busy=busy,
            serving=serving,
            registered=condition(builder.status.conditions, ConditionType.REGISTERED),
            others=builder.observed.other_trainings.predicting,
            most=builder.observed.operator.trainings_per_label_studio,
        )
    )
    builder.requeue_at(decision.look_again_at)
    stuck = (
        job_trouble(builder.observed.children, jobs[0])
        if jobs and decision.reason is Reason.WRITING_PREDICTIONS
        else None
    )
    if stuck is not None:
        builder.set(_TYPE, ConditionStatus.FALSE, stuck.reason, stuck.message)
    else:
        builder.set(_TYPE, decision.status, decision.reason, decision.message)
    return _start(builder, spec, active, known or PredictionsStatus(active.version, inputs)) if decision.start else ()


def _wanted(spec: Spec) -> bool:
    """Without a registration Label Studio shows no scores of this version."""
    return spec.predictions.scope != "None" and spec.label_studio.register


def _stop(builder: PlanBuilder) -> None:
    """Nothing is to be written: what runs is deleted, and nothing is reported."""
    for job in our_prediction_jobs(builder.observed.children, builder.owner.uid):
        _delete(builder, job)
    builder.status = replace(builder.status, predictions=None)
    builder.forget(_TYPE)


def _busy(builder: PlanBuilder, job_starts: bool) -> str:
    children, uid = builder.observed.children, builder.owner.uid
    if builder.status.model.candidate is not None:
        return f"the rollout of {builder.status.model.candidate.version}"
    if job_starts or training_jobs(children, uid):
        return "the training"
    return "the rebase" if rebase_jobs(children, uid) else ""


def _follow(
    builder: PlanBuilder, spec: Spec, wanted: PredictionsStatus, jobs: Sequence[Child], busy: str
) -> PredictionsStatus | None:
    """What is recorded of the wanted predictions, with what their Jobs add; the others are deleted."""
    known = builder.status.predictions
    if known is not None and (known.version, known.inputs) != (wanted.version, wanted.inputs):
        known = None
    if known is not None and known.outcome is PredictionsOutcome.FAILED and builder.spec_changed:
        known = None  # the edit may have removed the cause
    for job in jobs:
        about = job.annotations.get(names.ANNOTATION_MODEL_VERSION), job.annotations.get(names.ANNOTATION_INPUTS)
        recorded = known is not None and known.outcome is not None and known.job == job.name
        if about != (wanted.version, wanted.inputs) or recorded:
            _delete(builder, job)
            continue
        before = known or replace(wanted, failures=attempt_of(job, otherwise=0))
        known = replace(before, job=job.name, outcome=None)
        known = _judge(builder, spec, known, job, busy)
    return known


def _judge(builder: PlanBuilder, spec: Spec, known: PredictionsStatus, job: Child, busy: str) -> PredictionsStatus:
    """The outcome of a Job that has ended; one that runs is kept as it should be, or gives way."""
    found = result_of(builder.observed, job)
    if found is None:
        if busy:
            _delete(builder, job)
        elif not job.terminating:
            correct_job_drift(builder, spec, job, names.COMPONENT_PREDICTION)
            if builder.spec_changed and job_trouble(builder.observed.children, job) is not None:
                _delete(builder, job)  # the edit may have removed the cause, and a Job's pod cannot be changed
        return known
    builder.requeue_after(0)
    message = str(found.get("message") or "the Job left no message")[:MESSAGE_MAX_LENGTH]
    if found.get("outcome") == PredictionsOutcome.PREDICTED and found.get("version") == known.version:
        return replace(
            known,
            outcome=PredictionsOutcome.PREDICTED,
            reason="",
            message=message,
            written=count(found.get("written")),
            removed=count(found.get("removed")),
            failures=0,
            not_before=None,
        )
    failures = known.failures + 1
    return replace(
        known,
        outcome=PredictionsOutcome.FAILED,
        reason=str(Reason.of(found.get("reason"), Reason.UNKNOWN)),
        message=message,
        failures=failures,
        not_before=builder.now + timedelta(seconds=backoff(failures, spec.training.backoff)),
    )


def _start(builder: PlanBuilder, spec: Spec, active: ModelVersion, known: PredictionsStatus) -> tuple[Create, ...]:
    task = PredictionTask(
        version=active.version,
        image=active.image,
        inputs=known.inputs,
        attempt=known.failures,
        has_ca=builder.observed.connection.has_ca,
        address_policy=builder.observed.operator.address_policy,
    )
    manifest = prediction_job(builder.owner, spec, task)
    name = manifest["metadata"]["name"]
    if builder.is_foreign("Job", name):
        return ()
    started = replace(known, job=name, outcome=None, reason="", not_before=None)
    builder.status = replace(builder.status, predictions=started)
    return (Create(manifest),)


def _inputs(builder: PlanBuilder, spec: Spec) -> str:
    """Digest of the project and the settings that decide which predictions are there afterwards.

    The creation time identifies a project; its address may change.
    """
    known, wanted = builder.status.label_studio, spec.predictions
    created_at = format_time(known.project_created_at) if known.project_created_at else None
    project = [spec.label_studio.project, created_at]
    hidden = spec.evaluation.holdout if spec.evaluation.hide_holdout_predictions else None
    text = json.dumps([*project, wanted.scope, wanted.limit, wanted.keep_versions, hidden])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _delete(builder: PlanBuilder, job: Child) -> None:
    if not job.terminating:
        builder.add(Delete("Job", builder.owner.namespace, job.name, job.uid))
