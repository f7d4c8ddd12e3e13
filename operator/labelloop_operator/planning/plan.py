"""The heart: what was observed and the time in, a plan out. Pure, so every story can be told in a table of tests.

Order of a reconcile: which project answers, outcome of the newest training, the candidate's roll-out, children,
counting and the next training, Label Studio, the end of old Deployments. Everything derives from the objects in the
cluster and the status; nothing is remembered in the process.
"""

from datetime import datetime

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.planning.actions import Plan
from labelloop_operator.planning.deletion import delete
from labelloop_operator.planning.image_gc import tend_images
from labelloop_operator.planning.image_locations import place
from labelloop_operator.planning.label_config_condition import judge_label_config
from labelloop_operator.planning.model_choice import choose_models
from labelloop_operator.planning.observed import Observed
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.planning.predictions import write_predictions
from labelloop_operator.planning.project_change import follow_project
from labelloop_operator.planning.rebase import rebase_if_due, record_rebase
from labelloop_operator.planning.registration import hold, register
from labelloop_operator.planning.rollout import apply_children, judge_serving, remove_old, roll_out
from labelloop_operator.planning.training import count, tell_no_training, train_if_due
from labelloop_operator.planning.training_outcomes import record_outcome
from labelloop_operator.planning.transition_events import transitions
from labelloop_operator.policies.readiness import SummaryInput, summarize

SECRET_PAUSE = 10.0
"""Seconds until a Secret that may not be used is looked at again."""


def plan(observed: Observed, now: datetime) -> Plan:
    """What to do now. Deterministic: the same input gives the same plan."""
    draft = Draft(observed, now)
    resource = observed.resource
    if observed.last_error is not None:
        _tell_blocked(draft, observed.last_error)
    elif resource.deletion_requested_at is not None:
        delete(draft, resource.deletion_requested_at)
    elif resource.spec is None or not place(draft, resource.spec).base_image:
        _tell_invalid(draft)
    else:
        _reconcile(draft, resource.spec)
    return draft.finish(transitions(draft.before, draft.status))


def _reconcile(draft: Draft, spec: Spec) -> None:
    draft.set(ConditionType.SPEC_VALID, ConditionStatus.TRUE, Reason.VALID, "all fields can be used")
    _tell_suspended(draft, spec)
    label_studio_problem = _collect_problems(draft)
    hold(draft, spec)
    follow_project(draft, spec)
    record_outcome(draft, spec)
    record_rebase(draft, spec)
    choose_models(draft, spec, place(draft, spec).base_image)
    roll_out(draft, spec)
    count(draft)
    judge_label_config(draft, spec.model.type)
    creation = train_if_due(draft, spec, label_studio_problem)
    creation += rebase_if_due(draft, spec, training_starts=bool(creation))
    # The Service's record holds what training has just decided; a Job that cannot be created must not stop serving.
    apply_children(draft, spec)
    draft.act(*creation)
    serving = judge_serving(draft, spec)
    remove_old(draft)
    tend_images(draft, spec, job_starts=bool(creation))
    predictions = write_predictions(draft, spec, job_starts=bool(creation), serving=serving)
    register(draft, spec, label_studio_problem, serving)
    # Last: a Job that cannot be created must stop nothing else.
    draft.act(*predictions)
    _summarize(draft)


def _collect_problems(draft: Draft) -> Problem | None:
    """Problems without a condition of their own; the one that keeps us from asking Label Studio is returned."""
    observed = draft.observed
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
        for item in draft.foreign()
    ]
    found = (*conflicts, *observed.disputed, asking, observed.connection.basic_auth_problem)
    draft.problems.extend(problem for problem in found if problem is not None)
    return asking


def _tell_suspended(draft: Draft, spec: Spec) -> None:
    if spec.suspend:
        message = "no trainings and no roll-outs; serving and counting go on"
        draft.set(ConditionType.SUSPENDED, ConditionStatus.TRUE, Reason.SUSPENDED, message)
    else:
        message = "trainings and roll-outs run"
        draft.set(ConditionType.SUSPENDED, ConditionStatus.FALSE, Reason.RUNNING, message)


def _tell_invalid(draft: Draft) -> None:
    """Nothing is touched: what served goes on serving."""
    problems = draft.observed.resource.problems or (_NO_IMAGE,)
    message = "; ".join(str(problem) for problem in problems)
    draft.set(ConditionType.SPEC_VALID, ConditionStatus.FALSE, problems[0].reason, message)
    tell_no_training(draft, problems[0])
    if problems[0].reason is not Reason.INVALID_SPEC:
        draft.look_again_after(SECRET_PAUSE)  # no event tells that a Secret has changed
    _summarize(draft)


def _tell_blocked(draft: Draft, error: Problem) -> None:
    """The status on record stays, since it is not known how much of the plan was done."""
    draft.status = draft.before
    draft.set(ConditionType.READY, ConditionStatus.FALSE, error.reason, str(error))


def _summarize(draft: Draft) -> None:
    draft.stamp()
    summary = summarize(SummaryInput(draft.status.conditions, draft.problems))
    draft.set(ConditionType.READY, summary.status, summary.reason, summary.message)


_NO_IMAGE = Problem(
    field="spec.image",
    value="missing",
    message="the operator has no default image; set spec.image or the operator's LABELLOOP_BACKEND_IMAGE",
)
