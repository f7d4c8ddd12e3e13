"""Reading answers: status, JSON and field types, each problem as one of the errors.

Bodies are never quoted in a message, which ends in conditions; what an error object says is kept next to it.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from labelloop.label_studio.errors import (
    AddressBlocked,
    AnswerTooLarge,
    NotFound,
    NotLabelStudio,
    Rejected,
    Unauthorized,
    Unreachable,
)
from labelloop.label_studio.protocol import Response

T = TypeVar("T")
MAX_DETAIL = 500
LONGEST_PAUSE = 300.0
"""Seconds that a server may ask to be left alone for."""
SSRF_GUARD = re.compile(r"reserved network address|local or private network address", re.IGNORECASE)
BACKEND_GUARD, WEBHOOK_GUARD = "ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED"
"""Which of Label Studio's settings refuses the address of an ML backend, and of a webhook."""
SSRF_REMEDY = (
    "Label Studio 1.23.1 and newer block private addresses, and every address in a cluster is private: start it with "
    "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false, or with USE_DEFAULT_BANNED_SUBNETS=false"
)


def read_object(response: Response, subject: str) -> Mapping[str, Any]:
    """The JSON object of a successful answer; `subject` names what was asked for, as in "project 7"."""
    value = read_json(response, subject)
    if not isinstance(value, dict):
        raise _not_label_studio(response, "answered JSON that is not an object")
    return value


def read_objects(response: Response, subject: str) -> list[Mapping[str, Any]]:
    """The JSON list of objects of a successful answer."""
    return objects(response, read_json(response, subject))


def objects(response: Response, value: object) -> list[Mapping[str, Any]]:
    """`value` as a list of objects, when it is one."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _not_label_studio(response, "answered JSON that is not a list of objects")
    return value


def read_json(response: Response, subject: str) -> object:
    """Checks the status and parses the body."""
    check(response, subject)
    return _parse(response)


def check_deleted(response: Response, subject: str) -> None:
    """Checks the status; a page in place of Label Studio's empty answer has deleted nothing."""
    check(response, subject)
    if response.body.strip():
        _parse(response)


def field(response: Response, item: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """A field that must be there with that type (a bool is no int)."""
    value = item.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _not_label_studio(response, f"answered an object whose field {name} is not of type {kind.__name__}")
    return value


def time_field(response: Response, item: Mapping[str, Any], name: str) -> datetime:
    """A time stamp in UTC; microseconds are kept."""
    try:
        return parse_time(field(response, item, name, str))
    except ValueError:
        raise _not_label_studio(response, f"answered an object whose field {name} is not a time") from None


def parse_time(text: str) -> datetime:
    """ISO 8601 as Label Studio writes it -> aware datetime in UTC. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def format_time(time: datetime) -> str:
    """The only form Label Studio's filters take: UTC, six decimals, Z. Raises ValueError for a naive datetime."""
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def check(response: Response, subject: str) -> None:
    """Raises the error that a status outside 2xx stands for."""
    status, url = response.status, response.url
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise _not_label_studio(response, f"redirects to {_origin(response)}, and redirects are not followed")
    if status in (429, 502, 503, 504):
        told = f"{url} answered {status}: Label Studio is starting, overloaded or stopped; is it running?"
        raise Unreachable(told, retry_after=_seconds(response.headers.get("retry-after", "")))
    detail = detail_of(response)
    if detail is None and status < 500:
        raise _not_label_studio(response, f"answered {status} without JSON")
    detail = detail or "no detail"
    if status == 401:
        raise Unauthorized(f"{url} answered 401: the token is not accepted", detail, "set a valid one")
    if status == 403 and SSRF_GUARD.search(detail):
        setting = WEBHOOK_GUARD if "/api/webhooks" in url else BACKEND_GUARD
        fact = f"{url} refused the address of {subject}{_network(detail)}, since {setting} is not false there"
        raise AddressBlocked(fact, detail, SSRF_REMEDY)
    if status == 403:
        remedy = f"use the token of a user who may change {subject}"
        raise Unauthorized(f"{url} answered 403", detail, remedy)
    if status == 404:
        raise NotFound(f"{url}: there is no {subject}, or the token's user cannot see it; check the id and the token.")
    told = known_words(detail) or "why is in Label Studio's log"
    raise Rejected(f"{url} refused {subject} with {status}: {told}.", status, detail)


def _seconds(header: str) -> float:
    """Of a header Retry-After; a date is not worth reading, since clocks differ."""
    if not header.isascii() or not header.isdigit():
        return 0.0
    return min(float(header[:6]), LONGEST_PAUSE)


def known_words(detail: str) -> str:
    """Those of Label Studio's usual sentences that `detail` holds: words of this page, not of the answer."""
    return ", ".join(words for words in _KNOWN_WORDS if words.casefold() in detail.casefold())


_KNOWN_WORDS = (
    "Can't connect to ML backend",
    "health check failed",
    "Can't resolve hostname",
    "Unable to create resource",
    "Enter a valid URL",
    "This field is required",
    "already exists",
    "User not found",
    "Invalid token",
    "Token is blacklisted",
    "Token is invalid or expired",
)


def _network(detail: str) -> str:
    """Which of its networks Label Studio blocks, when it tells."""
    found = re.search(r"block: ([0-9a-fA-F.:]{3,39}/[0-9]{1,3})", detail)
    return f" (it blocks {found[1]})" if found else ""


def detail_of(response: Response) -> str | None:
    """`detail` and validation messages of an error answer, bounded and on one line; None when it is not JSON."""
    try:
        value = _parse(response)
    except (NotLabelStudio, AnswerTooLarge):
        return None
    if not isinstance(value, dict):
        return "no detail"
    validation = value.get("validation_errors")
    said = validation if validation else value.get("detail", value)
    text = re.sub(r"<[^<>]{0,300}>", "", "; ".join(_messages(said, depth=4)))  # its messages hold links for the browser
    text = re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip() or "no detail"
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


def _messages(value: object, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value[:MAX_DETAIL]]
    if depth == 0:
        return []
    if isinstance(value, list):
        return [message for item in value[:10] for message in _messages(item, depth - 1)]
    if isinstance(value, dict):
        return [
            message if name in ("detail", "non_field_errors") else f"{name}: {message}"
            for name, item in list(value.items())[:10]
            for message in _messages(item, depth - 1)
        ]
    return []


def _parse(response: Response) -> object:
    if not response.complete:
        raise AnswerTooLarge(
            f"{response.url} answered more than {len(response.body):,} bytes: too large to be read safely."
        )
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        html = response.body.lstrip()[:1] == b"<" or "html" in response.headers.get("content-type", "")
        raise _not_label_studio(response, "answered HTML" if html else "answered no JSON") from None


def _not_label_studio(response: Response, what: str) -> NotLabelStudio:
    return NotLabelStudio(
        f"{response.url} {what}, which is not Label Studio's API: the url must be the root address of Label Studio "
        "(as in http://label-studio.tools.svc.cluster.local:8080), with no log-in page or redirect in front."
    )


def _origin(response: Response) -> str:
    match = re.match(r"https?://[A-Za-z0-9.:\[\]-]{1,200}", response.headers.get("location", ""))
    return match.group(0) if match else "another path"
