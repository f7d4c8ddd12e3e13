"""Predictions of the active version in Label Studio, in one reconcile: a Job writes them once the version serves.

The Job may be killed at any time: another one skips tasks that have a prediction of the version. So it is deleted for
a training or a rollout, and created again afterwards. Its outcome is recorded before it is deleted.
"""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
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
    our_jobs,
    our_prediction_jobs,
    our_rebase_jobs,
    result_of,
)
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.planning.running_jobs import set_right
from labelloop_operator.policies.prediction_checks import PredictionsInput, decide
from labelloop_operator.policies.training_checks import backoff

_TYPE = ConditionType.PREDICTIONS_WRITTEN


def write_predictions(draft: Draft, spec: Spec, job_starts: bool, serving: bool) -> tuple[Create, ...]:
    """The Job, when the policy says so, and the condition PredictionsWritten. `job_starts`: another Job does."""
    active = draft.status.model.active
    if active is None or names.is_cold(active.version) or not _wanted(spec):
        _stop(draft)
        return ()
    busy = _busy(draft, job_starts)
    known = _follow(draft, spec, active, busy)
    draft.status = replace(draft.status, predictions=known)
    jobs = our_prediction_jobs(draft.observed.children, draft.owner.uid)
    verdict = decide(
        PredictionsInput(
            now=draft.now,
            version=active.version,
            known=known,
            job=jobs[0].name if jobs else None,
            suspended=spec.suspend,
            busy=busy,
            serving=serving,
            registered=condition(draft.status.conditions, ConditionType.REGISTERED),
            others=draft.observed.other_trainings.predicting,
            most=draft.observed.operator.trainings_per_label_studio,
        )
    )
    draft.look_again(verdict.look_again_at)
    stuck = (
        job_trouble(draft.observed.children, jobs[0]) if jobs and verdict.reason is Reason.WRITING_PREDICTIONS else None
    )
    if stuck is not None:
        draft.set(_TYPE, ConditionStatus.FALSE, stuck.reason, stuck.message)
    else:
        draft.set(_TYPE, verdict.status, verdict.reason, verdict.message)
    return _start(draft, spec, active, known) if verdict.start else ()


def _wanted(spec: Spec) -> bool:
    """Without a registration Label Studio shows no scores of this version."""
    return spec.predictions.scope != "None" and spec.label_studio.register


def _stop(draft: Draft) -> None:
    """Nothing is to be written: what runs is deleted, and nothing is reported."""
    for job in our_prediction_jobs(draft.observed.children, draft.owner.uid):
        _delete(draft, job)
    draft.status = replace(draft.status, predictions=None)
    draft.forget(_TYPE)


def _busy(draft: Draft, job_starts: bool) -> str:
    children, uid = draft.observed.children, draft.owner.uid
    if draft.status.model.candidate is not None:
        return f"the rollout of {draft.status.model.candidate.version}"
    if job_starts or our_jobs(children, uid):
        return "the training"
    return "the rebase" if our_rebase_jobs(children, uid) else ""


def _follow(draft: Draft, spec: Spec, active: ModelVersion, busy: str) -> PredictionsStatus | None:
    """What is recorded of this version, with what its Jobs add; the others are deleted."""
    inputs = _inputs(draft, spec)
    known = draft.status.predictions
    if known is not None and (known.version, known.inputs) != (active.version, inputs):
        known = None
    if known is not None and known.outcome is PredictionsOutcome.FAILED and draft.edited:
        known = None  # the edit may have removed the cause
    for job in our_prediction_jobs(draft.observed.children, draft.owner.uid):
        about = job.annotations.get(names.ANNOTATION_MODEL_VERSION), job.annotations.get(names.ANNOTATION_INPUTS)
        recorded = known is not None and known.outcome is not None and known.job == job.name
        if about != (active.version, inputs) or recorded:
            _delete(draft, job)
            continue
        attempt = attempt_of(job, otherwise=0)
        known = replace(
            known or PredictionsStatus(active.version, inputs, failures=attempt), job=job.name, outcome=None
        )
        known = _judge(draft, spec, known, job, busy)
    return known


def _judge(draft: Draft, spec: Spec, known: PredictionsStatus, job: Child, busy: str) -> PredictionsStatus:
    """The outcome of a Job that has ended; one that runs is kept as it should be, or gives way."""
    found = result_of(draft.observed, job)
    if found is None:
        if busy:
            _delete(draft, job)
        elif not job.going:
            set_right(draft, spec, job, names.COMPONENT_PREDICTION)
            if draft.edited and job_trouble(draft.observed.children, job) is not None:
                _delete(draft, job)  # the edit may have removed the cause, and a Job's pod cannot be changed
        return known
    draft.look_again_after(0)
    message = str(found.get("message") or "the Job left no message")[:MESSAGE_MAX_LENGTH]
    if found.get("outcome") == PredictionsOutcome.PREDICTED and found.get("version") == known.version:
        return replace(
            known,
            outcome=PredictionsOutcome.PREDICTED,
            reason="",
            message=message,
            written=_number(found.get("written")),
            removed=_number(found.get("removed")),
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
        not_before=draft.now + timedelta(seconds=backoff(failures, spec.training.backoff)),
    )


def _start(draft: Draft, spec: Spec, active: ModelVersion, known: PredictionsStatus | None) -> tuple[Create, ...]:
    task = PredictionTask(
        version=active.version,
        image=active.image,
        inputs=_inputs(draft, spec),
        attempt=known.failures if known else 0,
        has_ca=draft.observed.connection.has_ca,
        address_policy=draft.observed.operator.address_policy,
    )
    manifest = prediction_job(draft.owner, spec, task)
    name = manifest["metadata"]["name"]
    if draft.is_foreign("Job", name):
        return ()
    started = replace(
        known or PredictionsStatus(active.version, task.inputs), job=name, outcome=None, reason="", not_before=None
    )
    draft.status = replace(draft.status, predictions=started)
    return (Create(manifest),)


def _inputs(draft: Draft, spec: Spec) -> str:
    """Digest of the project and the settings that decide which predictions are there afterwards."""
    known, wanted = draft.status.label_studio, spec.predictions
    created_at = format_time(known.project_created_at) if known.project_created_at else None
    project = [draft.observed.connection.address, spec.label_studio.project, created_at]
    hidden = spec.evaluation.holdout if spec.evaluation.hide_holdout_predictions else None
    text = json.dumps([*project, wanted.scope, wanted.limit, wanted.keep_versions, hidden])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _delete(draft: Draft, job: Child) -> None:
    if not job.going:
        draft.act(Delete("Job", draft.owner.namespace, job.name, job.uid))


def _number(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
