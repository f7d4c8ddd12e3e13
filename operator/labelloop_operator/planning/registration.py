"""Label Studio in one reconcile: our webhook and our ML backend stand there as they should, or not at all."""

from dataclasses import replace

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition, is_true
from labelloop_operator.api.names import FINALIZER
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.planning.actions import Deregister, EnsureBackend, EnsureWebhook, SetFinalizer
from labelloop_operator.planning.observed import LabelStudioFacts
from labelloop_operator.planning.plan_builder import PlanBuilder
from labelloop_operator.policies.registration_checks import (
    RegistrationInput,
    backend_is_right,
    evaluate_registration,
    is_primary,
    may_act,
    our_backend,
    our_webhook,
    settled_at,
    webhook_is_right,
)

_TYPE = ConditionType.REGISTERED
LOOK_AGAIN_SECONDS = 1.0
"""After a repair; not at once, lest a Label Studio that stores something else than we send is asked without end."""


def hold(builder: PlanBuilder, spec: Spec) -> None:
    """Our finalizer stands before anything is made in Label Studio."""
    if spec.label_studio.register and FINALIZER not in builder.observed.resource.finalizers:
        builder.add(SetFinalizer(present=True))


def register(builder: PlanBuilder, spec: Spec, problem: Problem | None, serving: bool) -> None:
    """Webhook first, then the backend: Label Studio then makes no webhook of its own."""
    facts = builder.observed.label_studio or LabelStudioFacts()
    if not spec.label_studio.register:
        return _withdraw(builder, spec, facts, problem)
    given = _registration_input(builder, spec, facts, problem, serving)
    decision = evaluate_registration(given, registered_before=is_true(builder.status.conditions, _TYPE))
    if decision is not None:
        builder.set(_TYPE, decision.status, decision.reason, decision.message)
    backend, webhook = our_backend(given.backends), our_webhook(given.webhooks)
    if given.known:
        builder.set_label_studio(
            replace(
                builder.status.label_studio,
                backend_id=backend.id if backend else None,
                webhook_id=webhook.id if webhook else None,
                title=backend.title if backend else None,
            )
        )
    builder.requeue_at(settled_at(given))
    if may_act(given):
        _ensure(builder, given)
    return None


def webhook_url(url: str) -> str:
    """Where Label Studio sends events."""
    return f"{url}/webhook"


def mark(builder: PlanBuilder) -> dict[str, object]:
    """What we write into `extra_params` of our backend, to know it again."""
    owner = builder.owner
    resource = f"{owner.namespace}/{owner.name}"
    cluster = builder.observed.operator.cluster_id
    return {"labelloop": {"cluster": cluster, "resource": resource, "uid": owner.uid}}


def _registration_input(
    builder: PlanBuilder, spec: Spec, facts: LabelStudioFacts, problem: Problem | None, serving: bool
) -> RegistrationInput:
    basic_auth, active = builder.observed.connection.basic_auth, builder.status.model.active
    available = condition(builder.status.conditions, ConditionType.SERVING)
    return RegistrationInput(
        now=builder.now,
        project=spec.label_studio.project,
        url=builder.status.url or "",
        title=active.version if active else "",
        basic_auth_user=basic_auth[0] if basic_auth else "",
        problem=problem,
        failure=facts.registration_problem,
        known=facts.registration_known,
        serving=serving and bool(builder.status.url),
        serving_since=available.last_transition_time if serving and available else None,
        backends=facts.backends,
        webhooks=facts.webhooks,
        shown=facts.shown,
    )


def _ensure(builder: PlanBuilder, given: RegistrationInput) -> None:
    if not webhook_is_right(given):
        kept = our_webhook(given.webhooks)
        builder.add(
            EnsureWebhook(
                project=given.project,
                url=webhook_url(given.url),
                secret=builder.observed.operator.webhook_secret,
                webhook_id=kept.id if kept else None,
                remove=tuple(sorted(item.id for item in given.webhooks if item is not kept)),
            )
        )
        builder.requeue_after(LOOK_AGAIN_SECONDS)
    if not backend_is_right(given):
        backend = our_backend(given.backends)
        builder.add(
            EnsureBackend(
                project=given.project,
                url=given.url,
                title=given.title,
                backend_id=backend.id if backend else None,
                extra_params=mark(builder),
                basic_auth=builder.observed.connection.basic_auth,
                remove=tuple(sorted(item.id for item in given.backends if item.ours and item is not backend)),
                select=is_primary(given.backends),
                other_titles=tuple(sorted(item.title for item in given.backends if not item.ours)),
            )
        )
        builder.requeue_after(LOOK_AGAIN_SECONDS)


def _withdraw(builder: PlanBuilder, spec: Spec, facts: LabelStudioFacts, problem: Problem | None) -> None:
    """`register` is off: what we made goes, then the finalizer."""
    message = "spec.labelStudio.register is false: connect the backend yourself"
    builder.set(_TYPE, ConditionStatus.FALSE, Reason.REGISTRATION_DISABLED, message)
    known = builder.status.label_studio
    present = our_backend(facts.backends) is not None or our_webhook(facts.webhooks) is not None
    if FINALIZER not in builder.observed.resource.finalizers:
        builder.set_label_studio(replace(known, backend_id=None, webhook_id=None, title=None))
    elif facts.registration_known and not present and facts.registration_problem is None:
        builder.add(SetFinalizer(present=False))
    elif problem is None:
        # The ids stay in status until the finalizer is gone, which goes only after Label Studio has answered.
        builder.add(
            Deregister(spec.label_studio.project, builder.status.url or "", known.backend_id, known.webhook_id),
            SetFinalizer(present=False),
        )
