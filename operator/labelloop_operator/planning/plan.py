"""The heart: what was observed and the time in, a plan out. Pure, so every story can be described in a table of tests.

Order of a reconcile: which project answers, outcome of the newest training, the candidate's roll-out, children,
counting and the next training, Label Studio, the end of old Deployments. Everything derives from the objects in the
cluster and the status; nothing is remembered in the process.
"""

from datetime import datetime

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.planning.actions import Plan
from labelloop_operator.planning.deletion import delete
from labelloop_operator.planning.image_gc import reconcile_images
from labelloop_operator.planning.image_locations import resolve_images
from labelloop_operator.planning.label_config_condition import judge_label_config
from labelloop_operator.planning.model_choice import choose_models
from labelloop_operator.planning.observed import Observed
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.predictions import write_predictions
from labelloop_operator.planning.project_change import follow_project
from labelloop_operator.planning.rebase import rebase_if_due, record_rebase
from labelloop_operator.planning.registration import hold, register
from labelloop_operator.planning.rollout import apply_children, judge_serving, remove_old, roll_out
from labelloop_operator.planning.training import count, report_no_training, train_if_due
from labelloop_operator.planning.training_outcomes import record_outcome
from labelloop_operator.planning.transition_events import transitions
from labelloop_operator.policies.readiness import ReadinessInput, evaluate_readiness

SECRET_PAUSE = 10.0
"""Seconds until a Secret that may not be used is looked at again."""


def plan(observed: Observed, now: datetime) -> Plan:
    """What to do now. Deterministic: the same input gives the same plan."""
    builder = PlanBuilder(observed, now)
    resource = observed.resource
    if observed.last_error is not None:
        _report_blocked(builder, observed.last_error)
    elif resource.deletion_requested_at is not None:
        delete(builder, resource.deletion_requested_at)
    elif resource.spec is None or not resolve_images(builder, resource.spec).base_image:
        _report_invalid(builder)
    else:
        _reconcile(builder, resource.spec)
    return builder.finish(transitions(builder.before, builder.status))


def _reconcile(builder: PlanBuilder, spec: Spec) -> None:
    builder.set(ConditionType.SPEC_VALID, ConditionStatus.TRUE, Reason.VALID, "all fields can be used")
    _report_suspended(builder, spec)
    label_studio_problem = _collect_problems(builder)
    hold(builder, spec)
    follow_project(builder, spec)
    record_outcome(builder, spec)
    record_rebase(builder, spec)
    choose_models(builder, spec, resolve_images(builder, spec).base_image)
    roll_out(builder, spec)
    count(builder)
    judge_label_config(builder, spec.model.type)
    creation = train_if_due(builder, spec, label_studio_problem)
    creation += rebase_if_due(builder, spec, training_starts=bool(creation))
    # The Service's record holds what training has just decided; a Job that cannot be created must not stop serving.
    apply_children(builder, spec)
    builder.add(*creation)
    serving = judge_serving(builder, spec)
    remove_old(builder)
    reconcile_images(builder, spec, job_starts=bool(creation))
    predictions = write_predictions(builder, spec, job_starts=bool(creation), serving=serving)
    register(builder, spec, label_studio_problem, serving)
    # Last: a Job that cannot be created must stop nothing else.
    builder.add(*predictions)
    _summarize(builder)


def _collect_problems(builder: PlanBuilder) -> Problem | None:
    """Problems without a condition of their own; the one that keeps us from asking Label Studio is returned."""
    observed = builder.observed
    facts = observed.label_studio
    asking = observed.connection.problem or (facts.problem if facts else None)
    conflicts = [
        Problem(
            field=f"{item.kind} {item.name}",
            value="not ours",
            message="an object of that name is there and belongs to somebody else; delete or rename it, or give this "
            "resource another name. It is left alone.",
            reason=Reason.CONFLICT,
        )
        for item in builder.name_conflicts()
    ]
    found = (*conflicts, *observed.disputed, asking, observed.connection.basic_auth_problem)
    builder.problems.extend(problem for problem in found if problem is not None)
    return asking


def _report_suspended(builder: PlanBuilder, spec: Spec) -> None:
    if spec.suspend:
        message = "no trainings and no roll-outs; serving and counting go on"
        builder.set(ConditionType.SUSPENDED, ConditionStatus.TRUE, Reason.SUSPENDED, message)
    else:
        message = "trainings and roll-outs run"
        builder.set(ConditionType.SUSPENDED, ConditionStatus.FALSE, Reason.RUNNING, message)


def _report_invalid(builder: PlanBuilder) -> None:
    """Nothing is touched: what served continues to serve."""
    problems = builder.observed.resource.problems or (_NO_IMAGE,)
    message = "; ".join(str(problem) for problem in problems)
    builder.set(ConditionType.SPEC_VALID, ConditionStatus.FALSE, problems[0].reason, message)
    report_no_training(builder, problems[0])
    if problems[0].reason is not Reason.INVALID_SPEC:
        builder.requeue_after(SECRET_PAUSE)  # no event tells that a Secret has changed
    _summarize(builder)


def _report_blocked(builder: PlanBuilder, error: Problem) -> None:
    """The status on record stays, since it is not known how much of the plan was done."""
    builder.status = builder.before
    builder.set(ConditionType.READY, ConditionStatus.FALSE, error.reason, str(error))


def _summarize(builder: PlanBuilder) -> None:
    builder.mark_observed()
    summary = evaluate_readiness(ReadinessInput(builder.status.conditions, builder.problems))
    builder.set(ConditionType.READY, summary.status, summary.reason, summary.message)


_NO_IMAGE = Problem(
    field="spec.image",
    value="missing",
    message="the operator has no default image; set spec.image or the operator's LABELLOOP_BACKEND_IMAGE",
)
