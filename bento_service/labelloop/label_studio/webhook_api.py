"""Webhooks of a project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelloop.label_studio import responses
from labelloop.label_studio.errors import NotFound
from labelloop.label_studio.protocol import Operation, Request, Response


@dataclass(frozen=True)
class Webhook:
    """A webhook as Label Studio keeps it. The headers may carry a secret: they are not shown in `repr`."""

    id: int
    url: str
    actions: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)
    is_active: bool
    send_payload: bool
    send_for_all_actions: bool
    project: int | None = None


def webhooks(project: int | None) -> Operation[list[Webhook]]:
    """All webhooks of a project, or of all projects of the organisation (None: one request for many), ordered by id."""
    query = () if project is None else (("project", str(int(project))),)
    subject = "webhooks" if project is None else f"project {project}"
    response = yield Request("GET", "/api/webhooks/", query)
    found = [_webhook(response, item) for item in responses.read_objects(response, subject)]
    return sorted(found, key=lambda webhook: webhook.id)


def create_webhook(project: int, url: str, actions: Sequence[str], headers: Mapping[str, str]) -> Operation[Webhook]:
    """Adds a webhook that sends payloads for exactly `actions`. Raises AddressBlocked, Rejected."""
    body = {"project": int(project), **_settings(url, actions, headers)}
    response = yield Request("POST", "/api/webhooks/", json=body)
    return _webhook(response, responses.read_object(response, f"a webhook to {url} in project {project}"))


def update_webhook(id: int, url: str, actions: Sequence[str], headers: Mapping[str, str]) -> Operation[Webhook]:  # noqa: A002
    """Sets everything again: a PATCH without actions would empty their list. Raises NotFound, AddressBlocked."""
    response = yield Request("PATCH", f"/api/webhooks/{int(id)}/", json=_settings(url, actions, headers))
    return _webhook(response, responses.read_object(response, f"webhook {id} to {url}"))


def delete_webhook(id: int) -> Operation[bool]:  # noqa: A002 - Label Studio's own name
    """Removes it; False when it was gone already."""
    response = yield Request("DELETE", f"/api/webhooks/{int(id)}/")
    try:
        responses.check_deleted(response, f"webhook {id}")
    except NotFound:
        return False
    return True


def _settings(url: str, actions: Sequence[str], headers: Mapping[str, str]) -> dict[str, object]:
    return {
        "url": url,
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": sorted(actions),
        "headers": dict(headers),
        "is_active": True,
    }


def _webhook(response: Response, item: Mapping[str, Any]) -> Webhook:
    headers = item.get("headers")
    actions = item.get("actions")
    return Webhook(
        id=responses.field(response, item, "id", int),
        url=responses.field(response, item, "url", str),
        actions=tuple(sorted(a for a in actions if isinstance(a, str))) if isinstance(actions, list) else (),
        headers={str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {},
        is_active=item.get("is_active") is True,
        send_payload=item.get("send_payload") is True,
        send_for_all_actions=item.get("send_for_all_actions") is True,
        project=item["project"] if isinstance(item.get("project"), int) else None,
    )
