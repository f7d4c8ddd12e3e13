"""Label Studio in one reconcile: our webhook and our ML backend stand there as they should, or not at all."""

from dataclasses import replace

from labelloop_operator.api.conditions import ConditionStatus, ConditionType, Reason, condition, is_true
from labelloop_operator.api.names import FINALIZER
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.planning.actions import Deregister, EnsureBackend, EnsureWebhook, SetFinalizer
from labelloop_operator.planning.observed import LabelStudioFacts
from labelloop_operator.planning.plan_builder import Draft
from labelloop_operator.policies.registration_checks import (
    RegistrationInput,
    backend_is_right,
    is_primary,
    judge,
    may_act,
    our_backend,
    our_webhook,
    settled_at,
    webhook_is_right,
)

_TYPE = ConditionType.REGISTERED
LOOK_AGAIN_SECONDS = 1.0
"""After a repair; not at once, lest a Label Studio that stores something else than we send is asked without end."""


def hold(draft: Draft, spec: Spec) -> None:
    """Our finalizer stands before anything is made in Label Studio."""
    if spec.label_studio.register and FINALIZER not in draft.observed.resource.finalizers:
        draft.act(SetFinalizer(present=True))


def register(draft: Draft, spec: Spec, problem: Problem | None, serving: bool) -> None:
    """Webhook first, then the backend: Label Studio then makes no webhook of its own."""
    facts = draft.observed.label_studio or LabelStudioFacts()
    if not spec.label_studio.register:
        return _withdraw(draft, spec, facts, problem)
    given = _registration_input(draft, spec, facts, problem, serving)
    verdict = judge(given, registered_before=is_true(draft.status.conditions, _TYPE))
    if verdict is not None:
        draft.set(_TYPE, verdict.status, verdict.reason, verdict.message)
    backend, webhook = our_backend(given.backends), our_webhook(given.webhooks)
    if given.known:
        draft.set_label_studio(
            replace(
                draft.status.label_studio,
                backend_id=backend.id if backend else None,
                webhook_id=webhook.id if webhook else None,
                title=backend.title if backend else None,
            )
        )
    draft.look_again(settled_at(given))
    if may_act(given):
        _ensure(draft, given)
    return None


def webhook_url(url: str) -> str:
    """Where Label Studio sends events."""
    return f"{url}/webhook"


def mark(draft: Draft) -> dict[str, object]:
    """What we write into `extra_params` of our backend, to know it again."""
    owner = draft.owner
    resource = f"{owner.namespace}/{owner.name}"
    cluster = draft.observed.operator.cluster_id
    return {"labelloop": {"cluster": cluster, "resource": resource, "uid": owner.uid}}


def _registration_input(
    draft: Draft, spec: Spec, facts: LabelStudioFacts, problem: Problem | None, serving: bool
) -> RegistrationInput:
    basic_auth, active = draft.observed.connection.basic_auth, draft.status.model.active
    available = condition(draft.status.conditions, ConditionType.SERVING)
    return RegistrationInput(
        now=draft.now,
        project=spec.label_studio.project,
        url=draft.status.url or "",
        title=active.version if active else "",
        basic_auth_user=basic_auth[0] if basic_auth else "",
        problem=problem,
        failure=facts.registration_problem,
        known=facts.registration_known,
        serving=serving and bool(draft.status.url),
        serving_since=available.last_transition_time if serving and available else None,
        backends=facts.backends,
        webhooks=facts.webhooks,
        shown=facts.shown,
    )


def _ensure(draft: Draft, given: RegistrationInput) -> None:
    if not webhook_is_right(given):
        kept = our_webhook(given.webhooks)
        draft.act(
            EnsureWebhook(
                project=given.project,
                url=webhook_url(given.url),
                secret=draft.observed.operator.webhook_secret,
                webhook_id=kept.id if kept else None,
                remove=tuple(sorted(item.id for item in given.webhooks if item is not kept)),
            )
        )
        draft.look_again_after(LOOK_AGAIN_SECONDS)
    if not backend_is_right(given):
        backend = our_backend(given.backends)
        draft.act(
            EnsureBackend(
                project=given.project,
                url=given.url,
                title=given.title,
                backend_id=backend.id if backend else None,
                extra_params=mark(draft),
                basic_auth=draft.observed.connection.basic_auth,
                remove=tuple(sorted(item.id for item in given.backends if item.ours and item is not backend)),
                select=is_primary(given.backends),
                other_titles=tuple(sorted(item.title for item in given.backends if not item.ours)),
            )
        )
        draft.look_again_after(LOOK_AGAIN_SECONDS)


def _withdraw(draft: Draft, spec: Spec, facts: LabelStudioFacts, problem: Problem | None) -> None:
    """`register` is off: what we made goes, then the finalizer."""
    message = "spec.labelStudio.register is false: connect the backend yourself"
    draft.set(_TYPE, ConditionStatus.FALSE, Reason.REGISTRATION_DISABLED, message)
    known = draft.status.label_studio
    present = our_backend(facts.backends) is not None or our_webhook(facts.webhooks) is not None
    if FINALIZER not in draft.observed.resource.finalizers:
        draft.set_label_studio(replace(known, backend_id=None, webhook_id=None, title=None))
    elif facts.registration_known and not present and facts.registration_problem is None:
        draft.act(SetFinalizer(present=False))
    elif problem is None:
        # The ids stay in status until the finalizer is gone, which goes only after Label Studio has answered.
        draft.act(
            Deregister(spec.label_studio.project, draft.status.url or "", known.backend_id, known.webhook_id),
            SetFinalizer(present=False),
        )
