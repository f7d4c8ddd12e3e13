"""What must stand in Label Studio: our webhook, then our ML backend, titled with the version that serves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelloop_operator.api.conditions import ConditionStatus, Reason
from labelloop_operator.api.label_studio_objects import (
    CONNECTED,
    OFF,
    OTHER,
    UNSELECTED,
    WEBHOOK_ACTIONS,
    RegisteredBackend,
    RegisteredWebhook,
    ShownPredictions,
)
from labelloop_operator.api.spec import Problem
from labelloop_operator.policies.chain import Check, first_decision

SETTLING = timedelta(seconds=15)
"""kube-proxy hears of the first ready pod some time after us - 1 to 2 s as measured, more on a busy node: until then
Label Studio, which calls the backend when it is connected, is refused by the Service."""


@dataclass(frozen=True)
class RegistrationInput:
    """Everything the decision depends on."""

    now: datetime
    project: int
    url: str
    title: str
    basic_auth_user: str
    problem: Problem | None
    """Why Label Studio cannot be asked."""
    failure: Problem | None
    """Why the newest registration failed."""
    known: bool
    serving: bool
    serving_since: datetime | None
    """None: no pod is ready."""
    backends: Sequence[RegisteredBackend]
    webhooks: Sequence[RegisteredWebhook]
    shown: ShownPredictions | None = None


@dataclass(frozen=True)
class RegistrationDecision:
    """The condition Registered."""

    status: ConditionStatus
    reason: Reason
    message: str


def our_backend(backends: Sequence[RegisteredBackend]) -> RegisteredBackend | None:
    """The one we keep: the oldest, since Label Studio only asks a project's first backend."""
    return min((item for item in backends if item.ours), key=lambda item: item.id, default=None)


def our_webhook(webhooks: Sequence[RegisteredWebhook]) -> RegisteredWebhook | None:
    """The one we keep."""
    return min(webhooks, key=lambda item: item.id, default=None)


def may_act(given: RegistrationInput) -> bool:
    """Label Studio calls the backend while it is registered, so that one must serve."""
    return given.problem is None and given.known and given.serving


def webhook_is_right(given: RegistrationInput) -> bool:
    """Exactly one webhook, with our actions and our secret."""
    found = our_webhook(given.webhooks)
    if found is None or len(given.webhooks) > 1:
        return False
    exact = set(found.actions) == set(WEBHOOK_ACTIONS) and not found.send_for_all_actions
    return exact and found.is_active and found.send_payload and found.authorized


def backend_is_right(given: RegistrationInput) -> bool:
    """Exactly one backend of ours, with our URL and the user we ask for; the first one of its project also with the
    served version as title, and selected for annotators unless somebody chose other predictions. Another one keeps the
    title it has: Label Studio would take the project's version from it.
    """
    found = our_backend(given.backends)
    if found is None or sum(item.ours for item in given.backends) > 1:
        return False
    primary = is_primary(given.backends)
    titled = found.title == given.title or not primary
    selected = given.shown is None or given.shown.state != UNSELECTED or not primary
    return titled and selected and (found.url.rstrip("/"), found.basic_auth_user) == (given.url, given.basic_auth_user)


def is_primary(backends: Sequence[RegisteredBackend]) -> bool:
    """Whether ours is the one that Label Studio asks for predictions: the first of the project."""
    return not backends or min(backends, key=lambda item: item.id).ours


def settled_at(given: RegistrationInput) -> datetime | None:
    """When a refusal of Label Studio's begins to count; None: it does already, or there is none."""
    refused = given.failure is not None and given.failure.reason is Reason.LABEL_STUDIO_REJECTED
    if not refused or given.serving_since is None:
        return None
    settled = given.serving_since + SETTLING
    return settled if given.now < settled else None


def evaluate_registration(given: RegistrationInput, registered_before: bool) -> RegistrationDecision | None:
    """The condition Registered; None: leave it as it is."""
    if given.problem is None and given.known and not given.serving and registered_before:
        return None
    return first_decision(CHAIN, given)


def _label_studio_unknown(given: RegistrationInput) -> RegistrationDecision | None:
    if given.problem is not None:
        return RegistrationDecision(ConditionStatus.FALSE, given.problem.reason, str(given.problem))
    if not given.known and given.failure is None:
        return RegistrationDecision(ConditionStatus.UNKNOWN, Reason.CONNECTING, "Label Studio was not asked yet")
    return None


def _not_serving(given: RegistrationInput) -> RegistrationDecision | None:
    if given.serving:
        return None
    message = "registered as soon as a pod serves: Label Studio calls the backend when it is connected"
    return RegistrationDecision(ConditionStatus.FALSE, Reason.WAITING_FOR_SERVING, message)


def _too_early(given: RegistrationInput) -> RegistrationDecision | None:
    if settled_at(given) is None:
        return None
    message = (
        f"connecting {given.url} to project {given.project}, tried again in a moment: a Service may answer some "
        f"seconds later than its first pod is ready ({given.failure})"
    )
    return RegistrationDecision(ConditionStatus.UNKNOWN, Reason.REGISTERING, message)


def _failed(given: RegistrationInput) -> RegistrationDecision | None:
    if given.failure is None:
        return None
    return RegistrationDecision(ConditionStatus.FALSE, given.failure.reason, str(given.failure))


def _missing(given: RegistrationInput) -> RegistrationDecision | None:
    if our_backend(given.backends) is not None and our_webhook(given.webhooks) is not None:
        return None
    message = f"connecting {given.url} to project {given.project}"
    return RegistrationDecision(ConditionStatus.UNKNOWN, Reason.REGISTERING, message)


def _not_primary(given: RegistrationInput) -> RegistrationDecision | None:
    if is_primary(given.backends):
        return None
    first = min(given.backends, key=lambda item: item.id)
    whose = f"of LabelStudioBackend {first.resource}, " if first.resource else ""
    return RegistrationDecision(
        ConditionStatus.FALSE,
        Reason.NOT_PRIMARY,
        f"Label Studio only asks the first ML backend of project {given.project}: {first.id} ({whose}{first.title}, "
        f"{first.url}); this one serves and trains next to it, and takes over when that one is removed (there, or "
        "under Settings > Model)",
    )


def _not_connected(given: RegistrationInput) -> RegistrationDecision | None:
    found = our_backend(given.backends)
    if found is None or found.state == CONNECTED:
        return None
    return RegistrationDecision(
        ConditionStatus.FALSE,
        Reason.NOT_CONNECTED,
        f"Label Studio cannot reach {found.url} (state {found.state}); check name resolution and network policies "
        "from Label Studio's pod to this namespace",
    )


def _not_shown(given: RegistrationInput) -> RegistrationDecision | None:
    """Somebody's choice, which is reported and kept."""
    if given.shown is None or given.shown.state not in (OTHER, OFF):
        return None
    where = f"under Settings > Annotation of project {given.project} in Label Studio"
    if given.shown.state == OFF:
        message = f"annotators get no predictions: turn on 'Use predictions to prelabel tasks' {where}"
        return RegistrationDecision(ConditionStatus.FALSE, Reason.PREDICTIONS_OFF, message)
    message = (
        f"annotators get the predictions of {given.shown.version!r}, which somebody selected; to get those of "
        f"{given.title!r}, select it {where}"
    )
    return RegistrationDecision(ConditionStatus.FALSE, Reason.OTHER_MODEL_VERSION_SELECTED, message)


def _registered(given: RegistrationInput) -> RegistrationDecision | None:
    backend, webhook = our_backend(given.backends), our_webhook(given.webhooks)
    if backend is None or webhook is None:
        return None
    message = f"ML backend {backend.id} and webhook {webhook.id} of project {given.project}"
    return RegistrationDecision(ConditionStatus.TRUE, Reason.REGISTERED, message)


CHAIN: Sequence[Check[RegistrationInput, RegistrationDecision]] = (
    _label_studio_unknown,
    _not_serving,
    _too_early,
    _failed,
    _missing,
    _not_primary,
    _not_connected,
    _not_shown,
    _registered,
)
