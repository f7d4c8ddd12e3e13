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
    is_seen,
    our_deployments,
    replicas_of,
    selects,
    serving_input,
)
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.planning.probe_results import answer, probe, served_before
from labelloop_operator.planning.project_change import keeps_former_connection
from labelloop_operator.planning.recovery import record
from labelloop_operator.planning.rollback import roll_back
from labelloop_operator.policies.rollout_checks import (
    RolloutInput,
    RolloutVerdict,
    Step,
    decide,
    drained_at,
    retry_pause,
)
from labelloop_operator.policies.serving_checks import ServingInput, explain, fully_available, judge

_TYPE = ConditionType.ROLLOUT_SUCCEEDED


def roll_out(draft: Draft, spec: Spec) -> None:
    """Bring the candidate one step further."""
    candidate = draft.status.model.candidate
    if candidate is None:
        return _settled(draft, spec)
    in_place = _is_in_place(draft.status.model)
    view, active = _view(draft, spec, candidate), draft.status.model.active
    active_available = active is not None and _view(draft, spec, active).available > 0
    if candidate.rollback and active_available:
        # The version that was to be replaced has recovered.
        draft.set_model(replace(draft.status.model, candidate=None))
        return _settled(draft, spec)
    available = _replaced(draft, candidate) if in_place else fully_available(view)
    selected = _selects(draft, candidate)
    if not available and (in_place or view.available == 0 or active_available):
        candidate = _unswitched(draft, candidate, selected and not in_place)
    trouble = explain(view)
    passing = trouble is not None and trouble.reason in (Reason.POD_CREATION_FAILED, Reason.UNSCHEDULABLE)
    verdict = decide(
        RolloutInput(
            now=draft.now,
            candidate=candidate,
            selected=selected,
            available=available,
            held=_held(draft, spec),
            progress_deadline=spec.progress_deadline,
            trouble=trouble.message if trouble else None,
            retry_after=retry_pause(draft.status.model.refused, candidate) if passing else None,
            answer=answer(draft),
            active_available=active_available,
            in_place=in_place,
        )
    )
    draft.look_again(verdict.look_again_at)
    return _take_step(draft, spec, candidate, verdict)


def _unswitched(draft: Draft, candidate: ModelVersion, selected: bool) -> ModelVersion:
    """The candidate without the switch: its pods are not all ready, whoever pointed the Service at them."""
    active = draft.status.model.active
    if selected and active is not None:
        note = (
            f"Service {names.service_name(draft.owner.name)} selected {candidate.version}, whose pods are not all "
            f"ready; it selects {active.version} again"
        )
        draft.act(Emit("Warning", str(Reason.SERVICE_RESTORED), note))
    return replace(candidate, switched_at=None)


def _take_step(draft: Draft, spec: Spec, candidate: ModelVersion, verdict: RolloutVerdict) -> None:
    model = draft.status.model
    if verdict.step is Step.PROMOTE:
        return _promote(draft, spec, candidate)
    if verdict.step is Step.REFUSE:
        refused = model.with_refused(candidate, str(verdict.reason), draft.now, verdict.retry_at)
        draft.set_model(replace(refused, candidate=None))
        return draft.set(_TYPE, ConditionStatus.FALSE, verdict.reason, verdict.message)
    if verdict.step is Step.HOLD:
        candidate = replace(candidate, at=None, switched_at=None)
    elif verdict.step is Step.START:
        candidate = replace(candidate, at=draft.now)
        draft.look_again_after(spec.progress_deadline)
    elif verdict.step is Step.SWITCH:
        candidate = replace(candidate, switched_at=candidate.switched_at or draft.now)
        draft.look_again_after(0)
    draft.set_model(replace(model, candidate=candidate))
    reason = Reason.ROLLOUT_RUNNING if verdict.step is Step.START else verdict.reason
    return draft.set(_TYPE, ConditionStatus.UNKNOWN, reason, verdict.message)


def _promote(draft: Draft, spec: Spec, candidate: ModelVersion) -> None:
    """The candidate answers: it is the active version from now on."""
    model = draft.status.model
    before = model.active
    promoted_at = before.at if before and _is_in_place(model) else draft.now
    promoted = replace(candidate, at=promoted_at, switched_at=None, rollback=False)
    draft.set_model(_promoted(model, promoted, spec.model.history_limit))
    if before is None or not candidate.rollback:
        return draft.set(_TYPE, ConditionStatus.TRUE, Reason.PROMOTED, f"{candidate.version} serves")
    # It was the version to go back to; the one before is refused, lest both alternate.
    model = draft.status.model.with_refused(before, str(Reason.ROLLED_BACK), draft.now)
    draft.set_model(replace(model, history=tuple(item for item in model.history if item.version != before.version)))
    message = (
        f"{before.version} did not serve for {spec.progress_deadline:g} s (spec.rollout.progressDeadline): rolled back "
        f"to {candidate.version}. Fix the cause and press Start Training to try again."
    )
    return draft.set(_TYPE, ConditionStatus.FALSE, Reason.ROLLED_BACK, message)


def apply_children(draft: Draft, spec: Spec) -> None:
    """Everything that serves, as it should be now; the Service after the Deployments it may select."""
    owner, operator, model = draft.owner, draft.observed.operator, draft.status.model
    if not draft.is_foreign("Secret", names.relay_secret_name(owner.name)):
        # Held only once the resource is: a resource that may go at any time must not leave a Secret that cannot.
        held = spec.label_studio.register and names.FINALIZER in draft.observed.resource.finalizers
        kept = draft.observed.connection.kept if held and not keeps_former_connection(draft) else {}
        draft.act(Apply(relay_secret(owner, operator.relay_secret, operator.webhook_secret, kept)))
    for version in (model.active, model.candidate):
        if version is None or version.at is None:
            continue
        if version is model.active and _is_in_place(model) and model.candidate and model.candidate.at is not None:
            continue  # the same Deployment, with the candidate's image
        if not draft.is_foreign("Deployment", names.deployment_name(owner.name, version.version)):
            draft.act(Apply(deployment(owner, spec, version.version, version.image, operator.relay_url)))
    switched = model.candidate if model.candidate and model.candidate.switched_at else None
    serving = switched or model.active
    if serving is not None and not draft.is_foreign("Service", names.service_name(owner.name)):
        draft.act(Apply(service(owner, serving.version, record(draft.status))))


def remove_old(draft: Draft) -> None:
    """Delete Deployments that neither serve nor will; those that served only after draining, and only while the
    active version answers."""
    model = draft.status.model
    if model.active is None or model.active.at is None:
        return
    wanted = {names.revision(item.version) for item in (model.active, model.candidate) if item and item.at}
    proven = _selects(draft, model.active) and answer(draft).comes_from(model.active.version)
    drained = drained_at(model.active.at)
    for revision, manifest in our_deployments(draft.observed.children, draft.owner.uid).items():
        found = child("Deployment", manifest)
        if revision in wanted or found.going:
            continue
        if draft.now < drained:
            draft.look_again(drained)
        elif proven:
            draft.act(Delete("Deployment", draft.owner.namespace, found.name, found.uid))


def judge_serving(draft: Draft, spec: Spec) -> bool:
    """The condition Serving and the scale subresource; True when the Service leads to pods that answer."""
    active, candidate = draft.status.model.active, draft.status.model.candidate
    if active is None:
        return False
    view = _view(draft, spec, active)
    verdict = judge(view, answer(draft), draft.url, served_before(draft))
    message = verdict.message
    if verdict.status is ConditionStatus.FALSE:
        remark = roll_back(draft, spec, view)
        message += f"; {remark}" if remark else ""
    draft.set(ConditionType.SERVING, verdict.status, verdict.reason, message)
    probe(draft, candidate.version if candidate and candidate.switched_at else active.version)
    revision = names.revision(active.version)
    live = our_deployments(draft.observed.children, draft.owner.uid).get(revision)
    selector = names.serving_selector(draft.owner.name, active.version)
    draft.status = replace(
        draft.status,
        url=draft.url,
        replicas=replicas_of(live),
        selector=",".join(f"{key}={value}" for key, value in sorted(selector.items())),
    )
    return verdict.status is ConditionStatus.TRUE and _selects(draft, active)


def _settled(draft: Draft, spec: Spec) -> None:
    """No roll-out: what was said about the newest one stays. A first version serves once a pod of it answers."""
    active = draft.status.model.active
    before = condition(draft.status.conditions, _TYPE)
    if active is None or (before is not None and before.status is not ConditionStatus.UNKNOWN):
        return
    if served_before(draft) or judge(_view(draft, spec, active), answer(draft)).status is ConditionStatus.TRUE:
        draft.set(_TYPE, ConditionStatus.TRUE, Reason.PROMOTED, f"{active.version} serves")
    elif before is None:
        message = f"waiting for the pods of {active.version}"
        draft.set(_TYPE, ConditionStatus.UNKNOWN, Reason.ROLLOUT_RUNNING, message)


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


def _replaced(draft: Draft, candidate: ModelVersion) -> bool:
    """Every pod of the Deployment has the candidate's image and answers (as `kubectl rollout status` asks)."""
    live = our_deployments(draft.observed.children, draft.owner.uid).get(names.revision(candidate.version))
    if live is None or image_of(live) != candidate.image:
        return False
    status, wanted = live.get("status", {}), live.get("spec", {}).get("replicas", 1)
    counts = [status.get(name, 0) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return is_seen(live) and counts == [wanted] * len(counts)


def _held(draft: Draft, spec: Spec) -> Problem | None:
    if spec.suspend:
        return Problem("spec.suspend", "true", "no roll-out until it is false", Reason.SUSPENDED)
    service_name = names.service_name(draft.owner.name)
    if draft.is_foreign("Service", service_name):
        return Problem(
            f"Service {service_name}", "", "belongs to somebody else, so nothing can switch", Reason.CONFLICT
        )
    return None


def _view(draft: Draft, spec: Spec, version: ModelVersion) -> ServingInput:
    children = draft.observed.children
    live = our_deployments(children, draft.owner.uid).get(names.revision(version.version))
    return serving_input(version.version, version.image, spec.serving.replicas, live, children.pod_problems)


def _selects(draft: Draft, version: ModelVersion) -> bool:
    return selects(draft.observed.children, draft.owner.uid, draft.owner.name, version.version)
