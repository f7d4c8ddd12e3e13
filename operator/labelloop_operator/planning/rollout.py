"""Serving in one reconcile: which version the Service selects, the roll-out of a candidate, the end of old ones.

A roll-out has three steps, and the operator may be killed between any two writes: the Service selects the candidate
once all its pods are ready; the candidate becomes active once it answers through the Service; old Deployments are
deleted when every proxy has had time to follow, and only while the active version answers.
"""

from dataclasses import replace

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.api.status import ModelStatus, ModelVersion
from labelloop_operator.builders.deployment import deployment
from labelloop_operator.builders.relay_secret import relay_secret
from labelloop_operator.builders.service import service
from labelloop_operator.planning.actions import Apply, Delete, Emit
from labelloop_operator.planning.children import (
    child,
    image_of,
    is_observed,
    our_deployments,
    replicas_of,
    selects,
    serving_input,
)
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.probe_results import answer, probe, served_before
from labelloop_operator.planning.project_change import keeps_former_connection
from labelloop_operator.planning.recovery import record
from labelloop_operator.planning.rollback import roll_back
from labelloop_operator.policies.rollout_checks import (
    RolloutDecision,
    RolloutInput,
    Step,
    drained_at,
    evaluate_rollout,
    retry_pause,
)
from labelloop_operator.policies.serving_checks import ServingInput, evaluate_serving, explain, fully_available

_TYPE = ConditionType.ROLLOUT_SUCCEEDED


def roll_out(builder: PlanBuilder, spec: Spec) -> None:
    """Bring the candidate one step further."""
    candidate = builder.status.model.candidate
    if candidate is None:
        return _settled(builder, spec)
    in_place = _is_in_place(builder.status.model)
    view, active = _view(builder, spec, candidate), builder.status.model.active
    active_available = active is not None and _view(builder, spec, active).available > 0
    if candidate.rollback and active_available:
        # The version that was to be replaced has recovered.
        builder.set_model(replace(builder.status.model, candidate=None))
        return _settled(builder, spec)
    available = _replaced(builder, candidate) if in_place else fully_available(view)
    selected = _selects(builder, candidate)
    if not available and (in_place or view.available == 0 or active_available):
        candidate = _unswitched(builder, candidate, selected and not in_place)
    trouble = explain(view)
    passing = trouble is not None and trouble.reason in (Reason.POD_CREATION_FAILED, Reason.UNSCHEDULABLE)
    decision = evaluate_rollout(
        RolloutInput(
            now=builder.now,
            candidate=candidate,
            selected=selected,
            available=available,
            held=_held(builder, spec),
            progress_deadline=spec.progress_deadline,
            trouble=trouble.message if trouble else None,
            retry_after=retry_pause(builder.status.model.refused, candidate) if passing else None,
            answer=answer(builder),
            active_available=active_available,
            in_place=in_place,
        )
    )
    builder.requeue_at(decision.look_again_at)
    return _take_step(builder, spec, candidate, decision)


def _unswitched(builder: PlanBuilder, candidate: ModelVersion, selected: bool) -> ModelVersion:
    """The candidate without the switch: its pods are not all ready, whoever pointed the Service at them."""
    active = builder.status.model.active
    if selected and active is not None:
        note = (
            f"Service {names.service_name(builder.owner.name)} selected {candidate.version}, whose pods are not all "
            f"ready; it selects {active.version} again"
        )
        builder.add(Emit("Warning", str(Reason.SERVICE_RESTORED), note))
    return replace(candidate, switched_at=None)


def _take_step(builder: PlanBuilder, spec: Spec, candidate: ModelVersion, decision: RolloutDecision) -> None:
    model = builder.status.model
    if decision.step is Step.PROMOTE:
        return _promote(builder, spec, candidate)
    if decision.step is Step.REFUSE:
        refused = model.with_refused(candidate, str(decision.reason), builder.now, decision.retry_at)
        builder.set_model(replace(refused, candidate=None))
        return builder.set(_TYPE, ConditionStatus.FALSE, decision.reason, decision.message)
    if decision.step is Step.HOLD:
        candidate = replace(candidate, at=None, switched_at=None)
    elif decision.step is Step.START:
        candidate = replace(candidate, at=builder.now)
        builder.requeue_after(spec.progress_deadline)
    elif decision.step is Step.SWITCH:
        candidate = replace(candidate, switched_at=candidate.switched_at or builder.now)
        builder.requeue_after(0)
    builder.set_model(replace(model, candidate=candidate))
    reason = Reason.ROLLOUT_RUNNING if decision.step is Step.START else decision.reason
    return builder.set(_TYPE, ConditionStatus.UNKNOWN, reason, decision.message)


def _promote(builder: PlanBuilder, spec: Spec, candidate: ModelVersion) -> None:
    """The candidate answers: it is the active version from now on."""
    model = builder.status.model
    before = model.active
    promoted_at = before.at if before and _is_in_place(model) else builder.now
    promoted = replace(candidate, at=promoted_at, switched_at=None, rollback=False)
    builder.set_model(_promoted(model, promoted, spec.model.history_limit))
    if before is None or not candidate.rollback:
        return builder.set(_TYPE, ConditionStatus.TRUE, Reason.PROMOTED, f"{candidate.version} serves")
    # It was the version to go back to; the one before is refused, lest both alternate.
    model = builder.status.model.with_refused(before, str(Reason.ROLLED_BACK), builder.now)
    builder.set_model(replace(model, history=tuple(item for item in model.history if item.version != before.version)))
    message = (
        f"{before.version} did not serve for {spec.progress_deadline:g} s (spec.rollout.progressDeadline): rolled back "
        f"to {candidate.version}. Fix the cause and press Start Training to try again."
    )
    return builder.set(_TYPE, ConditionStatus.FALSE, Reason.ROLLED_BACK, message)


def apply_children(builder: PlanBuilder, spec: Spec) -> None:
    """Everything that serves, as it should be now; the Service after the Deployments it may select."""
    owner, operator, model = builder.owner, builder.observed.operator, builder.status.model
    if not builder.is_foreign("Secret", names.relay_secret_name(owner.name)):
        # Held only once the resource is: a resource that may go at any time must not leave a Secret that cannot.
        held = spec.label_studio.register and names.FINALIZER in builder.observed.resource.finalizers
        kept = builder.observed.connection.kept if held and not keeps_former_connection(builder) else {}
        builder.add(Apply(relay_secret(owner, operator.relay_secret, operator.webhook_secret, kept)))
    for version in (model.active, model.candidate):
        if version is None or version.at is None:
            continue
        if version is model.active and _is_in_place(model) and model.candidate and model.candidate.at is not None:
            continue  # the same Deployment, with the candidate's image
        if not builder.is_foreign("Deployment", names.deployment_name(owner.name, version.version)):
            builder.add(Apply(deployment(owner, spec, version.version, version.image, operator.relay_url)))
    switched = model.candidate if model.candidate and model.candidate.switched_at else None
    serving = switched or model.active
    if serving is not None and not builder.is_foreign("Service", names.service_name(owner.name)):
        builder.add(Apply(service(owner, serving.version, record(builder.status))))


def remove_old(builder: PlanBuilder) -> None:
    """Delete Deployments that neither serve nor will; those that served only after draining, and only while the
    active version answers."""
    model = builder.status.model
    if model.active is None or model.active.at is None:
        return
    wanted = {names.revision(item.version) for item in (model.active, model.candidate) if item and item.at}
    proven = _selects(builder, model.active) and answer(builder).comes_from(model.active.version)
    drained = drained_at(model.active.at)
    for revision, manifest in our_deployments(builder.observed.children, builder.owner.uid).items():
        found = child("Deployment", manifest)
        if revision in wanted or found.terminating:
            continue
        if builder.now < drained:
            builder.requeue_at(drained)
        elif proven:
            builder.add(Delete("Deployment", builder.owner.namespace, found.name, found.uid))


def judge_serving(builder: PlanBuilder, spec: Spec) -> bool:
    """The condition Serving and the scale subresource; True when the Service leads to pods that answer."""
    active, candidate = builder.status.model.active, builder.status.model.candidate
    if active is None:
        return False
    view = _view(builder, spec, active)
    decision = evaluate_serving(view, answer(builder), builder.url, served_before(builder))
    message = decision.message
    if decision.status is ConditionStatus.FALSE:
        remark = roll_back(builder, spec, view)
        message += f"; {remark}" if remark else ""
    builder.set(ConditionType.SERVING, decision.status, decision.reason, message)
    probe(builder, candidate.version if candidate and candidate.switched_at else active.version)
    revision = names.revision(active.version)
    live = our_deployments(builder.observed.children, builder.owner.uid).get(revision)
    selector = names.serving_selector(builder.owner.name, active.version)
    builder.status = replace(
        builder.status,
        url=builder.url,
        replicas=replicas_of(live),
        selector=",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    )
    return decision.status is ConditionStatus.TRUE and _selects(builder, active)


def _settled(builder: PlanBuilder, spec: Spec) -> None:
    """No roll-out: what was said about the newest one stays. A first version serves once a pod of it answers."""
    active = builder.status.model.active
    before = condition(builder.status.conditions, _TYPE)
    if active is None or (before is not None and before.status is not ConditionStatus.UNKNOWN):
        return
    if (
        served_before(builder)
        or evaluate_serving(_view(builder, spec, active), answer(builder)).status is ConditionStatus.TRUE
    ):
        builder.set(_TYPE, ConditionStatus.TRUE, Reason.PROMOTED, f"{active.version} serves")
    elif before is None:
        message = f"waiting for the pods of {active.version}"
        builder.set(_TYPE, ConditionStatus.UNKNOWN, Reason.ROLLOUT_RUNNING, message)


def _promoted(model: ModelStatus, active: ModelVersion, history_limit: int) -> ModelStatus:
    earlier = [item for item in (model.active, *model.history) if item and item.version != active.version]
    return replace(
        model,
        active=active,
        candidate=None,
        refused=tuple(entry for entry in model.refused if entry.image != active.image),
        history=tuple(earlier[:history_limit]),
    )


def _is_in_place(model: ModelStatus) -> bool:
    """The candidate is the version that serves, on another base image: both have one Deployment."""
    return bool(model.active and model.candidate and model.active.version == model.candidate.version)


def _replaced(builder: PlanBuilder, candidate: ModelVersion) -> bool:
    """Every pod of the Deployment has the candidate's image and answers (as `kubectl rollout status` asks)."""
    live = our_deployments(builder.observed.children, builder.owner.uid).get(names.revision(candidate.version))
    if live is None or image_of(live) != candidate.image:
        return False
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 1)
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return is_observed(live) and counts == [wanted] * len(counts)


def _held(builder: PlanBuilder, spec: Spec) -> Problem | None:
    if spec.suspend:
        return Problem("spec.suspend", "true", "no roll-out until it is false", Reason.SUSPENDED)
    service_name = names.service_name(builder.owner.name)
    if builder.is_foreign("Service", service_name):
        return Problem(
            f"Service {service_name}", "", "belongs to somebody else, so nothing can switch", Reason.CONFLICT
        )
    return None


def _view(builder: PlanBuilder, spec: Spec, version: ModelVersion) -> ServingInput:
    children = builder.observed.children
    live = our_deployments(children, builder.owner.uid).get(names.revision(version.version))
    return serving_input(version.version, version.image, spec.serving.replicas, live, children.pod_problems)


def _selects(builder: PlanBuilder, version: ModelVersion) -> bool:
    return selects(builder.observed.children, builder.owner.uid, builder.owner.name, version.version)
