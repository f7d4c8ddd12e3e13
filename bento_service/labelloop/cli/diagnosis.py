"""What is wrong between Label Studio and a backend: each trouble with its remedy, found by asking Label Studio."""

import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from labelloop.label_config.schema import TEXT_SCOPE, LabelConfigError, Scope, parse_label_config
from labelloop.label_studio import (
    AddressBlocked,
    Backend,
    Credentials,
    ExpiredToken,
    LabelStudioError,
    NotFound,
    NotLabelStudio,
    Prelabeling,
    Project,
    Selection,
    Unauthorized,
    Unreachable,
    Webhook,
    backends,
    create_webhook,
    delete_webhook,
    first_tasks,
    prelabeling,
    project,
    release,
    selection,
    too_old,
    update_webhook,
    webhooks,
)
from labelloop.label_studio.client import LabelStudioClient
from labelloop.label_studio.release import NEWEST_TESTED, OLDEST_SUPPORTED
from labelloop.label_studio.responses import BACKEND_GUARD, SSRF_GUARD, SSRF_REMEDY
from labelloop.local.self_registration import WEBHOOK_ACTIONS, webhook_url
from labelloop.text.task_text import looks_like_address

SOON_SECONDS = 7 * 24 * 3600
CONNECTED = "CO"
TASKS_LOOKED_AT = 20
NEEDED_ACTIONS = frozenset(WEBHOOK_ACTIONS) - {"TASKS_CREATED", "PROJECT_UPDATED"}
"""Without the others only a poll later is noticed what they tell."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `code` is for programs and does not change."""

    code: str
    message: str
    remedy: str


@dataclass
class Diagnosis:
    """What was found; healthy without troubles."""

    troubles: list[Finding] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)


def diagnose(
    credentials: Credentials,
    number: int,
    url: str | None,
    *,
    basic_auth: bool = False,
    now: float | None = None,
    scope: Scope = TEXT_SCOPE,
) -> Diagnosis:
    """Look at project `number` and, with `url`, at the backend that Label Studio should know under this address.

    `basic_auth`: the backend asks for user and password; `scope`: what its model reads. Nothing is changed: a webhook
    made to try the guard against private addresses is removed at once.
    """
    found = Diagnosis()
    found.facts |= {"label_studio": credentials.url, "token": _kind_of_token(credentials.token), "project": number}
    found.troubles += _about_token(credentials.token, time.time() if now is None else now)
    with LabelStudioClient(credentials) as client:
        try:
            asked = client.run(project(number))
        except LabelStudioError as error:
            found.troubles = [_unanswered(error), *found.troubles][:1]
            return found
        found.facts["title"] = asked.title
        found.troubles += _about_release(client.run(release()), found)
        found.troubles += _about_label_config(asked, found, scope)
        if url is not None:
            found.troubles += _about_url(url)
        found.troubles += _about_backend(client, asked, url, found, basic_auth=basic_auth)
        found.troubles += _about_texts(client, asked, scope)
    return found


def webhook_is_possible(url: str) -> bool:
    """Whether Label Studio makes a webhook for a backend at `url`: without one it does so silently.

    Its rule (Django's): an IP address, `localhost`, or a name with a dot whose last label has 2 to 63 letters or
    hyphens and no digit; no underscore anywhere.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]*", host):
        return True
    return "_" not in host and re.fullmatch(r".+\.(?!-)[^\W\d_-][a-z-]{0,61}[a-z]", host) is not None


def _kind_of_token(token: str) -> str:
    claims = _claims(token)
    if claims is None:
        return "legacy token"
    return "access token" if claims.get("token_type") == "access" else "personal access token"


def _about_token(token: str, now: float) -> Iterator[Finding]:
    ends = (_claims(token) or {}).get("exp")
    if isinstance(ends, int | float) and now <= ends < now + SOON_SECONDS:
        yield Finding(
            "TokenExpiresSoon",
            f"the personal access token ends in {(ends - now) / 3600:.0f} hours",
            "make a new one in Label Studio (Account & Settings) and set LABEL_STUDIO_API_KEY",
        )


def _about_release(said: str, found: Diagnosis) -> Iterator[Finding]:
    found.facts["release"] = said or "unknown"
    if too_old(said):
        yield Finding(
            "ReleaseUnsupported",
            f"Label Studio {said} is older than {OLDEST_SUPPORTED}, the oldest release that is supported",
            f"upgrade Label Studio to {OLDEST_SUPPORTED} or newer; {NEWEST_TESTED} is the newest that was tested",
        )


def _unanswered(error: LabelStudioError) -> Finding:
    """The first error that was raised says it all; the order is from the special to the general."""
    for kind, code, remedy in (
        (ExpiredToken, "TokenExpired", "make a personal access token in Label Studio and set LABEL_STUDIO_API_KEY"),
        (Unauthorized, "TokenRefused", "copy the token again from Label Studio (Account & Settings)"),
        (NotFound, "ProjectNotFound", "use the number in the project's address, /projects/NUMBER/"),
        (NotLabelStudio, "NotLabelStudio", "set LABEL_STUDIO_URL to the root address of Label Studio"),
        (Unreachable, "LabelStudioUnreachable", "start Label Studio, or correct LABEL_STUDIO_URL"),
    ):
        if isinstance(error, kind):
            return Finding(code, error.fact, error.remedy or remedy)
    return Finding("LabelStudioFailed", error.message, "see the log of Label Studio")


def _about_label_config(asked: Project, found: Diagnosis, scope: Scope) -> Iterator[Finding]:
    try:
        schema = parse_label_config(asked.label_config, scope)
    except LabelConfigError as error:
        remedy = "change it under Settings > Labeling Interface; docs/user/labelling-configurations.md tells what works"
        yield Finding("LabelConfigUnsupported", str(error), remedy)
        return
    found.facts["labels"] = {control.name: len(control.labels) for control in schema.controls}
    if schema.ignored:
        found.facts["ignored"] = list(schema.ignored)


def _about_texts(client: LabelStudioClient, asked: Project, scope: Scope) -> Iterator[Finding]:
    """Whether the newest tasks hold addresses; a custom model that reads whole tasks fetches what is there."""
    if scope.whole_tasks:
        return
    try:
        keys = {control.data_key for control in parse_label_config(asked.label_config, scope).controls}
        tasks = client.run(first_tasks(asked.id, TASKS_LOOKED_AT))
    except (LabelConfigError, LabelStudioError):
        return
    texts = [text for task in tasks for key in keys if isinstance(text := task.data.get(key), str)]
    found = sum(map(looks_like_address, texts))
    if 2 * found > len(texts):
        yield Finding(
            "TextsAreAddresses",
            f"the texts look like addresses ({found} of {len(texts)}): they would be classified as they are written",
            "Label Studio must store the text itself, or use a custom model that fetches it",
        )


def _about_url(url: str) -> Iterator[Finding]:
    if not webhook_is_possible(url):
        yield Finding(
            "WebhookAddressInvalid",
            f"Label Studio makes no webhook for {url}: the host's last part must be letters only, without underscores",
            "use a name such as backend.team.svc.cluster.local, localhost or an IP address",
        )


def _about_backend(
    client: LabelStudioClient, asked: Project, url: str | None, found: Diagnosis, *, basic_auth: bool
) -> Iterator[Finding]:
    present = client.run(backends(asked.id))
    found.facts["backends"] = [item.url for item in present]
    ours = next((item for item in present if url is None or item.url.rstrip("/") == url.rstrip("/")), None)
    if ours is None:
        if url is not None:
            yield from _about_guard(client, asked.id, url)
        yield Finding(
            "NotConnected",
            f"project {asked.id} has no ML backend" + (f" at {url}" if url else ""),
            "connect it under Settings > Model, or let it register itself with LABELLOOP_REGISTER_URL",
        )
        return
    yield from _about_connection(present[0], ours, basic_auth=basic_auth)
    shown = client.run(selection(asked))
    yield from _about_predictions(asked.id, ours.title, shown, [item.title for item in present if item != ours])
    hooks = [hook for hook in client.run(webhooks(asked.id)) if hook.url == webhook_url(ours.url)]
    if not hooks:
        yield from _about_guard(client, asked.id, ours.url)
        yield Finding(
            "WebhookMissing",
            f"there is no webhook to {webhook_url(ours.url)}: annotations are noticed by polling only",
            "add it under Settings > Webhooks with all annotation events and the payload",
        )
        return
    yield from _about_webhook(client, hooks[0], basic_auth=basic_auth)


def _about_predictions(number: int, title: str, shown: Selection, others: list[str]) -> Iterator[Finding]:
    where = "under Settings > Annotation > Use predictions to prelabel tasks"
    match prelabeling(shown, title, others):
        case Prelabeling.OFF:
            yield Finding("PredictionsOff", f"project {number} shows annotators no predictions", f"turn it on {where}")
        case Prelabeling.UNSELECTED:
            fact = f"project {number} has no version selected that exists, so annotators get no predictions"
            yield Finding("PredictionsOff", fact, f"choose {title!r} {where}")
        case Prelabeling.OTHER:
            fact = f"project {number} shows annotators the predictions of {shown.version!r}, not those of {title!r}"
            yield Finding("OtherModelVersionSelected", fact, f"choose {title!r} {where}")


def _about_connection(first: Backend, ours: Backend, *, basic_auth: bool) -> Iterator[Finding]:
    if first.id != ours.id:
        yield Finding(
            "NotPrimary",
            f"Label Studio only asks the first ML backend of a project: {first.title} ({first.url})",
            "remove that one under Settings > Model",
        )
    if SSRF_GUARD.search(ours.error_message or ""):
        fact = f"Label Studio refuses to call {ours.url}, since {BACKEND_GUARD} is not false there"
        yield Finding("AddressBlocked", fact, SSRF_REMEDY)
    elif ours.state != CONNECTED:
        told = f": {ours.error_message[:300]}" if ours.error_message else ""
        yield Finding(
            "BackendUnreachable",
            f"Label Studio cannot reach {ours.url} (state {ours.state}){told}",
            "use an address that works from where Label Studio runs: in a container localhost is the container itself",
        )
    if basic_auth and not (ours.basic_auth_user and ours.auth_method == "BASIC_AUTH"):
        yield Finding(
            "CredentialsMissing",
            "the backend asks for user and password, and Label Studio has none for it",
            "edit the backend under Settings > Model and give BASIC_AUTH_USER and BASIC_AUTH_PASS",
        )


def _about_webhook(client: LabelStudioClient, hook: Webhook, *, basic_auth: bool) -> Iterator[Finding]:
    if not hook.is_active:
        yield Finding(
            "WebhookInactive", f"the webhook to {hook.url} is switched off", "switch it on (Settings > Webhooks)"
        )
    missing = NEEDED_ACTIONS - set(hook.actions)
    if missing and not hook.send_for_all_actions:
        unsent = ", ".join(sorted(missing))
        yield Finding("WebhookActions", f"the webhook does not send {unsent}", "let it send all annotation events")
    if not hook.send_payload:
        yield Finding(
            "WebhookWithoutPayload", "the webhook does not tell which project changed", "switch its payload on"
        )
    if basic_auth and not any(name.lower() == "authorization" for name in hook.headers):
        yield Finding(
            "WebhookUnauthorized",
            "the backend asks for user and password, which Label Studio's own webhooks do not carry",
            "let the backend register itself (LABELLOOP_REGISTER_URL), or add an Authorization header to the webhook",
        )
    try:
        if hook.actions:  # the same again: the guard against private addresses looks at each change
            client.run(update_webhook(hook.id, hook.url, hook.actions, hook.headers))
    except AddressBlocked as error:
        yield Finding("AddressBlocked", error.fact, error.remedy)


def _about_guard(client: LabelStudioClient, number: int, url: str) -> Iterator[Finding]:
    """Whether Label Studio may call the address at all, tried with a webhook that is removed at once."""
    if not webhook_is_possible(url):
        return
    try:
        made = client.run(create_webhook(number, f"{webhook_url(url)}?check", ["PROJECT_UPDATED"], {}))
        client.run(delete_webhook(made.id))
    except AddressBlocked as error:
        yield Finding("AddressBlocked", error.fact, error.remedy)
    except LabelStudioError as error:
        yield Finding("WebhookRefused", str(error), "use the token of a user who may change the project")


def _claims(token: str) -> dict[str, object] | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
