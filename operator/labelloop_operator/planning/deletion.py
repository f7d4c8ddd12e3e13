"""The end of a resource: leave Label Studio as it was, then let go. Children are collected by Kubernetes."""

from datetime import datetime

from labelloop_operator.api import names
from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.planning.actions import Deregister, Emit, ReleaseRelaySecret, SetFinalizer
from labelloop_operator.planning.observed import LabelStudioFacts
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.planning.project_change import report_former
from labelloop_operator.policies.deletion_checks import DeletionInput, Departure, decide, gives_up_at


def delete(draft: Draft, requested_at: datetime) -> None:
    """The next step of the deletion."""
    resource = draft.observed.resource
    registered, former = _may_be_registered(draft), draft.status.label_studio.former
    given = DeletionInput(
        now=draft.now,
        requested_at=requested_at,
        timeout=draft.observed.operator.deregister_timeout,
        finalizer=names.FINALIZER in resource.finalizers,
        registered=registered,
        skip=resource.annotations.get(names.ANNOTATION_SKIP_DEREGISTRATION) == "true",
        project_known=resource.spec is not None,
    )
    departure = decide(given)
    if departure is Departure.GONE:
        return
    draft.set(ConditionType.READY, ConditionStatus.FALSE, Reason.DELETING, _message(draft))
    if departure is Departure.DEREGISTER:
        _deregister(draft)
        draft.look_again(gives_up_at(given))
    elif departure is Departure.ABANDON or (given.skip and registered):
        draft.act(Emit("Warning", str(Reason.DEREGISTRATION_INCOMPLETE), _what_stays(draft, given.skip)))
    if former is not None and resource.spec is not None:
        report_former(draft, resource.spec, former, "the resource was deleted before they were removed")
    draft.act(ReleaseRelaySecret(names.relay_secret_name(draft.owner.name)), SetFinalizer(present=False))


def _may_be_registered(draft: Draft) -> bool:
    spec = draft.observed.resource.spec
    return draft.status.label_studio.registered or spec is None or spec.label_studio.register


def _deregister(draft: Draft) -> None:
    spec, known = draft.observed.resource.spec, draft.status.label_studio
    if spec is not None:
        draft.act(Deregister(spec.label_studio.project, _url(draft), known.backend_id, known.webhook_id))


def _url(draft: Draft) -> str:
    domain = draft.observed.operator.cluster_domain
    return draft.status.url or names.service_url(draft.owner.name, draft.owner.namespace, domain)


def _problem(draft: Draft) -> Problem | None:
    facts = draft.observed.label_studio or LabelStudioFacts()
    return facts.registration_problem or draft.observed.connection.problem or facts.problem


def _message(draft: Draft) -> str:
    problem = _problem(draft)
    told = f" ({problem})" if problem else ""
    return f"removing ML backend and webhook from {_label_studio(draft)}{told}"


def _label_studio(draft: Draft) -> str:
    address = draft.observed.connection.address
    return f"Label Studio at {address}" if address else "Label Studio"


def _what_stays(draft: Draft, skipped: bool) -> str:
    spec, known = draft.observed.resource.spec, draft.status.label_studio
    project = f"project {spec.label_studio.project}" if spec else "the project"
    backend = f"ML backend {known.backend_id}" if known.backend_id is not None else "an ML backend"
    webhook = f"webhook {known.webhook_id}" if known.webhook_id is not None else "a webhook"
    return (
        f"{backend} and {webhook} of {project} may stay in Label Studio with URL {_url(draft)}: "
        f"{_why(draft, skipped)}; remove them there under Settings > Model and Settings > Webhooks"
    )


def _why(draft: Draft, skipped: bool) -> str:
    if skipped:
        return f"it was not asked, as the annotation {names.ANNOTATION_SKIP_DEREGISTRATION} says"
    if draft.observed.resource.spec is None:
        return "it was not asked, since the spec that names project and connection cannot be used"
    patience = draft.observed.operator.deregister_timeout
    unusable = draft.observed.connection.problem
    if unusable is not None:
        return f"it could not be asked within {patience:g} s: {unusable}"
    cause = _problem(draft) or "no answer in that time"
    return f"{_label_studio(draft)} was asked to remove them for {patience:g} s, without success: {cause}"
