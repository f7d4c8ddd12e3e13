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
    Webhook,
    backends,
    create_backend,
    create_webhook,
    update_backend,
    update_webhook,
    webhooks,
)
from labelloop.label_studio.client import LabelStudioClient
from labelloop.local.agreement import PAIR_SECONDS, PATIENCE_SECONDS
from labelloop.local.settings import LocalSettings
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
# Label Studio asks `/setup` while it is changed; before the switch that would only put the switch off.
SETTLED_SECONDS = PAIR_SECONDS + PATIENCE_SECONDS + 2.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0

log = logging.getLogger(__name__)


@dataclass
class _Progress:
    """Of one project."""

    registered: str | None = None
    """Title that stands in Label Studio."""
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

    def keep(self, client: LabelStudioClient, project: int, version: str | None) -> None:
        """Register once, and again whenever another version serves. Failures are told and tried again."""
        if self._settings.public_url is None or project not in self._settings.projects:
            return
        title, now = version or cold_version(), self._clock()
        progress = self._progress.setdefault(project, _Progress())
        if progress.seen != title:
            progress.seen, progress.seen_at = title, now
        settled = progress.registered is None or now - progress.seen_at >= SETTLED_SECONDS
        if progress.registered == title or now < progress.not_before or not settled:
            return
        try:
            client.run(register(project, self._settings.public_url, title, self._headers, self._basic_auth))
        except LabelStudioError as error:
            log.warning("Project %d: not registered in Label Studio: %s", project, error.message)
            progress.not_before = now + progress.retry_seconds
            progress.retry_seconds = min(progress.retry_seconds * 2, LONGEST_RETRY_SECONDS)
        else:
            log.info("Project %d: registered in Label Studio as %s", project, title)
            progress.registered, progress.retry_seconds = title, FIRST_RETRY_SECONDS


def register(
    project: int, url: str, title: str, headers: Mapping[str, str], basic_auth: tuple[str, str] | None
) -> Operation[None]:
    """Make webhook and ML backend at `url` what they should be; the webhook first, else Label Studio makes its own."""
    hook = next((hook for hook in (yield from webhooks(project)) if hook.url == webhook_url(url)), None)
    if hook is None:
        yield from create_webhook(project, webhook_url(url), WEBHOOK_ACTIONS, headers)
    elif not _is_right(hook, headers):
        yield from update_webhook(hook.id, hook.url, WEBHOOK_ACTIONS, headers)
    known = next((item for item in (yield from backends(project)) if item.url.rstrip("/") == url), None)
    if known is None:
        yield from create_backend(project, url, title, basic_auth=basic_auth)
    elif known.title != title or known.basic_auth_user != (basic_auth or ("", ""))[0]:
        yield from update_backend(known.id, project, known.url, title, basic_auth=basic_auth)


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
