"""ML backends of a project.

All of these make Label Studio call the backend (`/health` and `/setup`, seconds when it is down), so the time-outs are
long and `backends` must not be polled. A create that ends in AddressBlocked may have left a connected backend without
webhook behind (the guard of webhooks is closed, that of backends open): look with `backends` before trying again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelloop.label_studio import responses
from labelloop.label_studio.errors import NotFound
from labelloop.label_studio.project_api import counters
from labelloop.label_studio.protocol import Operation, Request, Response

BACKEND_TIMEOUT = 60.0
"""Health (3 attempts of 1 s) and set-up (3 s), up to three times, for each backend of the project."""


@dataclass(frozen=True)
class Backend:
    """An ML backend as Label Studio keeps it."""

    id: int
    project: int
    url: str
    title: str
    state: str
    """`CO` connected, `DI` disconnected, `ER` error, `TR` training, `PR` predicting."""
    error_message: str | None
    model_version: str | None
    auth_method: str
    basic_auth_user: str
    basic_auth_pass_is_set: bool
    extra_params: object
    auto_update: bool


def backends(project: int) -> Operation[list[Backend]]:
    """All ML backends of a project, ordered by id; Label Studio calls every one of them to answer this."""
    query = (("project", str(int(project))),)
    response = yield Request("GET", "/api/ml", query, timeout=BACKEND_TIMEOUT)
    found = [_backend(response, item) for item in responses.read_objects(response, f"project {project}")]
    return sorted(found, key=lambda backend: backend.id)


def backend(id: int) -> Operation[Backend]:  # noqa: A002 - Label Studio's own name
    """One ML backend. Raises NotFound."""
    response = yield Request("GET", f"/api/ml/{int(id)}", timeout=BACKEND_TIMEOUT)
    yield from _check_found(response, id)
    return _backend(response, responses.read_object(response, f"ML backend {id}"))


def create_backend(
    project: int,
    url: str,
    title: str,
    *,
    extra_params: object = None,
    basic_auth: tuple[str, str] | None = None,
) -> Operation[Backend]:
    """Connects a backend. Raises AddressBlocked, or Rejected with what Label Studio found wrong with it."""
    body = _settings(project, url, title, extra_params, basic_auth)
    response = yield Request("POST", "/api/ml", json=body, timeout=BACKEND_TIMEOUT)
    return _backend(response, responses.read_object(response, f"an ML backend at {url} in project {project}"))


def update_backend(
    id: int,  # noqa: A002 - Label Studio's own name
    project: int,
    url: str,
    title: str,
    *,
    extra_params: object = None,
    basic_auth: tuple[str, str] | None = None,
) -> Operation[Backend]:
    """Sets everything again: without url and project Label Studio answers 500, without credentials it checks without.

    A new title moves the project's `model_version` along when that was the old title. Changing the url does not move
    the webhook. `extra_params` None keeps what is stored.
    """
    body = _settings(project, url, title, extra_params, basic_auth)
    response = yield Request("PATCH", f"/api/ml/{int(id)}", json=body, timeout=BACKEND_TIMEOUT)
    yield from _check_found(response, id)
    return _backend(response, responses.read_object(response, f"ML backend {id} at {url} in project {project}"))


def delete_backend(id: int) -> Operation[bool]:  # noqa: A002 - Label Studio's own name
    """Disconnects it; False when it was gone already. Its webhook stays and must be deleted apart."""
    response = yield Request("DELETE", f"/api/ml/{int(id)}", timeout=BACKEND_TIMEOUT)
    try:
        yield from _check_found(response, id)
        responses.check_deleted(response, f"ML backend {id}")
    except NotFound:
        return False
    return True


def _check_found(response: Response, id: int) -> Operation[None]:  # noqa: A002 - Label Studio's own name
    """Raises NotFound for the HTML page that a missing backend gets (404 is retried there with a slash appended).

    Another question tells this from an address where there is no Label Studio at all.
    """
    if response.status == 404 and responses.detail_of(response) is None:
        yield from counters([0])
        raise NotFound(f"{response.url}: there is no ML backend {id}, or the token's user cannot see it.")


def _settings(
    project: int, url: str, title: str, extra_params: object, basic_auth: tuple[str, str] | None
) -> dict[str, object]:
    body: dict[str, object] = {"project": int(project), "url": url, "title": title, "auth_method": "NONE"}
    if basic_auth is None:
        # Without a user no header is sent. An empty password means "the one stored": an error when there is none.
        body |= {"basic_auth_user": ""}
    else:
        body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": basic_auth[0], "basic_auth_pass": basic_auth[1]}
    return body if extra_params is None else {**body, "extra_params": extra_params}


def _backend(response: Response, item: Mapping[str, Any]) -> Backend:
    def text(name: str) -> str:
        return item[name] if isinstance(item.get(name), str) else ""

    return Backend(
        id=responses.field(response, item, "id", int),
        project=responses.field(response, item, "project", int),
        url=responses.field(response, item, "url", str),
        title=text("title"),
        state=text("state"),
        error_message=text("error_message") or None,
        model_version=text("model_version") or None,
        auth_method=text("auth_method"),
        basic_auth_user=text("basic_auth_user"),
        basic_auth_pass_is_set=item.get("basic_auth_pass_is_set") is True,
        extra_params=item.get("extra_params"),
        auto_update=item.get("auto_update") is True,
    )
