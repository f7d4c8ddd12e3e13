"""The end of a resource: leave Label Studio as it was, then let go. Children are collected by Kubernetes."""

from datetime import datetime

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.planning.actions import Deregister, Emit, ReleaseRelaySecret, SetFinalizer
from labelloop_operator.planning.observed import LabelStudioFacts
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.planning.project_change import report_former
from labelloop_operator.policies.deletion_checks import DeletionInput, DeletionStep, evaluate_deletion, gives_up_at


def delete(builder: PlanBuilder, requested_at: datetime) -> None:
    """The next step of the deletion."""
    resource = builder.observed.resource
    registered, former = _may_be_registered(builder), builder.status.label_studio.former
    given = DeletionInput(
        now=builder.now,
        requested_at=requested_at,
        timeout=builder.observed.operator.deregister_timeout,
        finalizer=names.FINALIZER in resource.finalizers,
        registered=registered,
        skip=resource.annotations.get(names.ANNOTATION_SKIP_DEREGISTRATION) == "true",
        project_known=resource.spec is not None,
    )
    departure = evaluate_deletion(given)
    if departure is DeletionStep.GONE:
        return
    builder.set(ConditionType.READY, ConditionStatus.FALSE, Reason.DELETING, _message(builder))
    if departure is DeletionStep.DEREGISTER:
        _deregister(builder)
        builder.requeue_at(gives_up_at(given))
    elif departure is DeletionStep.ABANDON or (given.skip and registered):
        builder.add(Emit("Warning", str(Reason.DEREGISTRATION_INCOMPLETE), _what_stays(builder, given.skip)))
    if former is not None and resource.spec is not None:
        report_former(builder, resource.spec, former, "the resource was deleted before they were removed")
    builder.add(ReleaseRelaySecret(names.relay_secret_name(builder.owner.name)), SetFinalizer(present=False))


def _may_be_registered(builder: PlanBuilder) -> bool:
    spec = builder.observed.resource.spec
    return builder.status.label_studio.registered or spec is None or spec.label_studio.register


def _deregister(builder: PlanBuilder) -> None:
    spec, known = builder.observed.resource.spec, builder.status.label_studio
    if spec is not None:
        builder.add(Deregister(spec.label_studio.project, _url(builder), known.backend_id, known.webhook_id))


def _url(builder: PlanBuilder) -> str:
    domain = builder.observed.operator.cluster_domain
    return builder.status.url or names.service_url(builder.owner.name, builder.owner.namespace, domain)


def _problem(builder: PlanBuilder) -> Problem | None:
    facts = builder.observed.label_studio or LabelStudioFacts()
    return facts.registration_problem or builder.observed.connection.problem or facts.problem


def _message(builder: PlanBuilder) -> str:
    problem = _problem(builder)
    told = f" ({problem})" if problem else ""
    return f"removing ML backend and webhook from {_label_studio(builder)}{told}"


def _label_studio(builder: PlanBuilder) -> str:
    address = builder.observed.connection.address
    return f"Label Studio at {address}" if address else "Label Studio"


def _what_stays(builder: PlanBuilder, skipped: bool) -> str:
    spec, known = builder.observed.resource.spec, builder.status.label_studio
    project = f"project {spec.label_studio.project}" if spec else "the project"
    backend = f"ML backend {known.backend_id}" if known.backend_id is not None else "an ML backend"
    webhook = f"webhook {known.webhook_id}" if known.webhook_id is not None else "a webhook"
    return (
        f"{backend} and {webhook} of {project} may stay in Label Studio with URL {_url(builder)}: "
        f"{_why(builder, skipped)}; remove them there under Settings > Model and Settings > Webhooks"
    )


def _why(builder: PlanBuilder, skipped: bool) -> str:
    if skipped:
        return f"it was not asked, as the annotation {names.ANNOTATION_SKIP_DEREGISTRATION} says"
    if builder.observed.resource.spec is None:
        return "it was not asked, since the spec that names project and connection cannot be used"
    patience = builder.observed.operator.deregister_timeout
    unusable = builder.observed.connection.problem
    if unusable is not None:
        return f"it could not be asked within {patience:g} s: {unusable}"
    cause = _problem(builder) or "no answer in that time"
    return f"{_label_studio(builder)} was asked to remove them for {patience:g} s, without success: {cause}"
