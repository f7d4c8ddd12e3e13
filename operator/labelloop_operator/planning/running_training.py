"""A training Job that has not ended: it is adopted, kept as it should be, and replaced when its pod cannot run.

A Job whose pod runs is not ended by an edit: it goes to its end. One whose pod is refused, unschedulable or without
its image is replaced when what it would be made of has changed, or when somebody presses Start Training.
"""

from dataclasses import replace

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Spec
from labelloop_operator.api.training_result import REPLACED
from labelloop_operator.planning.children import Child, attempt_of, job_trouble
from labelloop_operator.planning.job_inputs import inputs_digest
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.running_jobs import correct_job_drift

_TYPE = ConditionType.TRAINING_SUCCEEDED
WAY_OUT = ". An edit that concerns its pod, or Start Training, replaces the Job"


def adopt(builder: PlanBuilder, current: Child) -> None:
    """The operator was killed between creating this Job and writing its name, or the status was wiped."""
    training = builder.status.training
    if training.job == current.name:
        return builder.set_training(replace(training, job_uid=current.uid))
    return builder.set_training(
        replace(
            training,
            job=current.name,
            job_uid=current.uid,
            last_outcome=None,
            attempt=attempt_of(current, otherwise=training.attempt),
            handled_request=current.annotations.get(names.ANNOTATION_REQUEST_ID) or training.handled_request,
        )
    )


def watch(builder: PlanBuilder, spec: Spec, current: Child) -> None:
    """How the Job is doing."""
    correct_job_drift(builder, spec, current, names.COMPONENT_TRAINING)
    trouble = job_trouble(builder.observed.children, current)
    if trouble is None:
        return report_running(builder, current, "runs")
    why = _replaced_because(builder, spec, current)
    if why is not None:
        return _replace(builder, current, f"{trouble.message}. It is replaced: {why}")
    return builder.set(_TYPE, ConditionStatus.UNKNOWN, trouble.reason, f"{trouble.message}{WAY_OUT}")


def report_running(builder: PlanBuilder, current: Child, what: str) -> None:
    """The condition of a Job that is under way."""
    attempt = builder.status.training.attempt
    again = f", attempt {attempt + 1}" if attempt else ""
    builder.set(_TYPE, ConditionStatus.UNKNOWN, Reason.TRAINING_RUNNING, f"Job {current.name} {what}{again}")


def open_request(builder: PlanBuilder) -> str | None:
    """A train request that was not answered with a Job yet."""
    asked = builder.observed.resource.annotations.get(names.ANNOTATION_TRAIN_REQUESTED_AT)
    return asked if asked and asked != builder.status.training.handled_request else None


def _replaced_because(builder: PlanBuilder, spec: Spec, current: Child) -> str | None:
    if open_request(builder) is not None:
        return "Start Training was pressed"
    made_of = current.annotations.get(names.ANNOTATION_INPUTS)
    if made_of is not None and made_of != inputs_digest(builder, spec):
        return "what it is made of has changed"
    return None


def _replace(builder: PlanBuilder, current: Child, message: str) -> None:
    """Once this is on record the Job is deleted, and what started it starts the next one: a request is open again."""
    training = builder.status.training
    handled = None if names.ANNOTATION_REQUEST_ID in current.annotations else training.handled_request
    builder.set_training(replace(training, last_outcome=REPLACED, handled_request=handled))
    builder.set(_TYPE, ConditionStatus.UNKNOWN, Reason.JOB_REPLACED, message)
    builder.requeue_after(0)
