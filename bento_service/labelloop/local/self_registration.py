"""Registering this backend in Label Studio by itself: our webhook, then our ML backend, titled with its version."""

import base64
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labelloop.environment import Environment
from labelloop.label_studio import (
    LabelStudioError,
    Operation,
    Prelabeling,
    Selection,
    Webhook,
    backends,
    counters,
    create_backend,
    create_webhook,
    prelabeling,
    select,
    selected,
    update_backend,
    update_webhook,
    webhooks,
)
from labelloop.label_studio.client import LabelStudioClient
from labelloop.label_studio.prelabeling import TURN_ON
from labelloop.local.local_settings import LocalSettings
from labelloop.local.version_handover import PAIR_SECONDS, PATIENCE_SECONDS
from labelloop.models.version import cold_version

WEBHOOK_ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_CREATED",
    "TASKS_DELETED",
    "PROJECT_UPDATED",
)
# Label Studio asks `/setup` while it is changed; before the switch that would only put the switch off. So a new version
# is registered when it is announced, or after this time, when no worker reports that.
SETTLED_SECONDS = PAIR_SECONDS + PATIENCE_SECONDS + 2.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0

log = logging.getLogger(__name__)


@dataclass
class _Progress:
    """Of one project."""

    registered: str | None = None
    """Title of the ML backend in Label Studio."""
    selection: Selection | None = None
    """Which predictions the project shows; None: another backend is the first one, which decides."""
    checked_at: float = 0.0
    seen: str | None = None
    seen_at: float = 0.0
    retry_seconds: float = FIRST_RETRY_SECONDS
    not_before: float = 0.0


class Registration:
    """Does nothing unless LABELLOOP_REGISTER_URL is set."""

    def __init__(
        self,
        settings: LocalSettings,
        variables: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        environment = Environment(variables)
        self._settings = settings
        self._clock = clock
        self._progress: dict[int, _Progress] = {}
        user, password = environment.optional("BASIC_AUTH_USER"), environment.optional("BASIC_AUTH_PASS")
        self._basic_auth = (user, password) if user and password else None
        self._headers = _headers(environment.optional("LABELLOOP_WEBHOOK_SECRET"), self._basic_auth)

    def keep(self, client: LabelStudioClient, project: int, version: str | None, announced: str | None = None) -> None:
        """Register once, and again when another version is announced or the project no longer shows its predictions.

        Failures are logged and tried again.
        """
        if self._settings.public_url is None or project not in self._settings.projects:
            return
        title, now = version or cold_version(), self._clock()
        progress = self._progress.setdefault(project, _Progress())
        if progress.seen != title:
            progress.seen, progress.seen_at = title, now
        waited = now - progress.seen_at >= SETTLED_SECONDS
        settled = progress.registered is None or announced == title or waited
        is_due = progress.registered != title or now - progress.checked_at >= self._settings.poll_seconds
        if not is_due or now < progress.not_before or not settled:
            return
        progress.checked_at = now
        try:
            if progress.registered == title and not self._is_deselected(client, project, progress):
                return
            selection = client.run(register(project, self._settings.public_url, title, self._headers, self._basic_auth))
        except LabelStudioError as error:
            log.warning("Project %d: not registered in Label Studio: %s", project, error.message)
            progress.not_before = now + progress.retry_seconds
            progress.retry_seconds = min(progress.retry_seconds * 2, LONGEST_RETRY_SECONDS)
        else:
            log.info("Project %d: registered in Label Studio as %s", project, title)
            progress.registered, progress.retry_seconds = title, FIRST_RETRY_SECONDS
            progress.selection = selection
            _warn(project, title, selection)

    def _is_deselected(self, client: LabelStudioClient, project: int, progress: _Progress) -> bool:
        """Whether the project shows other predictions than when it was registered, which asks for another look."""
        found = client.run(counters([project])).get(project)
        if found is None or progress.selection is None:
            return False
        known, now = progress.selection, selected(found)
        return (known.version, known.enabled) != (now.version, now.enabled)


def register(
    project: int, url: str, title: str, headers: Mapping[str, str], basic_auth: tuple[str, str] | None
) -> Operation[Selection | None]:
    """Make webhook and ML backend at `url` what they should be; the webhook first, else Label Studio makes its own.

    Returns which predictions the project shows, ours unless somebody chose others; None when another ML backend is the
    project's first one, the only one that Label Studio asks.
    """
    hook = next((hook for hook in (yield from webhooks(project)) if hook.url == webhook_url(url)), None)
    if hook is None:
        yield from create_webhook(project, webhook_url(url), WEBHOOK_ACTIONS, headers)
    elif not _is_right(hook, headers):
        yield from update_webhook(hook.id, hook.url, WEBHOOK_ACTIONS, headers)
    present = yield from backends(project)
    known = next((item for item in present if item.url.rstrip("/") == url), None)
    if known is None:
        yield from create_backend(project, url, title, basic_auth=basic_auth)
    elif known.title != title or known.basic_auth_user != (basic_auth or ("", ""))[0]:
        yield from update_backend(known.id, project, known.url, title, basic_auth=basic_auth)
    if present and present[0] is not known:
        return None
    return (yield from select(project, title, [item.title for item in present if item is not known]))


def _warn(project: int, title: str, selection: Selection | None) -> None:
    """Somebody's choice is kept, and reported."""
    found = Prelabeling.LIVE if selection is None else prelabeling(selection, title)
    if found is Prelabeling.OFF:
        log.warning("Project %d shows annotators no predictions: %s", project, TURN_ON)
    elif selection is not None and found is not Prelabeling.LIVE:
        log.warning(
            "Project %d shows annotators the predictions of %r, which somebody selected instead of %s (Settings > "
            "Annotation)",
            project,
            selection.version,
            title,
        )


def webhook_url(url: str) -> str:
    """Where events of a backend's project go: Label Studio's own rule."""
    return f"{url.rstrip('/')}/webhook"


def _is_right(hook: Webhook, headers: Mapping[str, str]) -> bool:
    actions = hook.send_for_all_actions or set(WEBHOOK_ACTIONS) <= set(hook.actions)
    carried = all(hook.headers.get(name) == value for name, value in headers.items())
    return hook.is_active and hook.send_payload and actions and carried


def _headers(secret: str | None, basic_auth: tuple[str, str] | None) -> dict[str, str]:
    if secret is not None:
        return {"Authorization": f"Bearer {secret}"}
    if basic_auth is not None:
        encoded = base64.b64encode(":".join(basic_auth).encode()).decode()
        return {"Authorization": f"Basic {encoded}"}
    return {}
