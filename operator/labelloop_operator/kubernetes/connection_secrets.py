"""Secrets that a resource names: read one by one by name, kept ten minutes, never listed and never logged."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from labelloop.label_studio import Credentials, InvalidConnection
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.pod_template import LABEL_USE
from labelloop_operator.api.spec import Problem, Spec
from labelloop_operator.builders.relay_secret import kept_connection
from labelloop_operator.kubernetes.api_error_messages import explain_api_error
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import SECRET
from labelloop_operator.planning.observed import ConnectionFacts

LIFETIME = 600.0
CONNECTION_FIELD = "spec.labelStudio.connectionSecretRef.name"
BASIC_AUTH_FIELD = "spec.serving.basicAuthSecretRef.name"

Values = Mapping[str, bytes]


class Secrets:
    """Values of Secrets by namespace and name. Times are those of the event loop's clock."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._kept: dict[tuple[str, str], tuple[float, Values]] = {}
        self._versions: dict[tuple[str, str], str] = {}
        self._labelled: dict[tuple[str, str], float] = {}

    async def read(self, namespace: str, name: str, not_before: float = 0.0) -> Values | None:
        """The Secret's values, read at `not_before` or later; None when there is no such Secret (that is not kept)."""
        now = asyncio.get_running_loop().time()
        read_at, values = self._kept.get((namespace, name), (-LIFETIME, {}))
        if now - read_at < LIFETIME and read_at >= not_before:
            return values
        found = await self._kubernetes.get(SECRET, namespace, name)
        if found is None:
            self._kept.pop((namespace, name), None)
            self._versions.pop((namespace, name), None)
            return None
        values = {key: _decoded(value) for key, value in (found.get("data") or {}).items()}
        self._kept[namespace, name] = (now, values)
        self._versions[namespace, name] = found["metadata"].get("resourceVersion", "")
        return values

    async def version(self, namespace: str, name: str, not_before: float = 0.0) -> str:
        """`NAME=RESOURCE-VERSION` of a Secret as `read` sees it; one that cannot be read has no version."""
        with suppress(ApiError):
            await self.read(namespace, name, not_before)
        return f"{name}={self._versions.get((namespace, name), '')}"

    async def is_labelled(self, namespace: str, name: str) -> bool:
        """Whether the Secret is there with the label by which pod templates may use it; only a yes is kept."""
        now = asyncio.get_running_loop().time()
        if now - self._labelled.get((namespace, name), -LIFETIME) < LIFETIME:
            return True
        self._labelled.pop((namespace, name), None)
        found = await self._kubernetes.get(SECRET, namespace, name)
        labels = (found or {}).get("metadata", {}).get("labels") or {}
        if labels.get(LABEL_USE) != "true":
            return False
        self._labelled[namespace, name] = now
        return True


@dataclass(frozen=True)
class Connection:
    """What the connection Secret gives: facts for `plan`, credentials for the watch."""

    facts: ConnectionFacts
    credentials: Credentials | None


async def connection(secrets: Secrets, namespace: str, spec: Spec, not_before: float) -> Connection:
    """Read the Secrets that the resource names. ApiError only when the API server gives no usable answer."""
    name = spec.label_studio.connection_secret
    credentials, trouble = await _credentials(secrets, namespace, name, not_before)
    basic_auth, basic_auth_problem = await _basic_auth(secrets, namespace, spec.serving.basic_auth_secret, not_before)
    facts = ConnectionFacts(
        problem=trouble,
        address=credentials.url if credentials else "",
        has_ca=credentials is not None and bool(credentials.ca),
        basic_auth_problem=basic_auth_problem,
        basic_auth=basic_auth,
        kept=_values(credentials) if credentials else {},
    )
    return Connection(facts, credentials)


async def kept_credentials(
    secrets: Secrets, namespace: str, relay_secret: str, not_before: float = 0.0
) -> Credentials | None:
    """What the relay Secret keeps of a connection Secret that is gone or says something else; None: nothing usable."""
    kept = kept_connection(await secrets.read(namespace, relay_secret, not_before) or {})
    try:
        return Credentials(_text(kept["url"]), _text(kept["token"]), kept.get("ca.crt"))
    except (KeyError, InvalidConnection):
        return None


def _values(credentials: Credentials) -> dict[str, bytes]:
    values = {"url": credentials.url.encode(), "token": credentials.token.encode()}
    return {**values, "ca.crt": credentials.ca} if credentials.ca else values


async def _credentials(
    secrets: Secrets, namespace: str, name: str, not_before: float
) -> tuple[Credentials | None, Problem | None]:
    values, trouble = await _read(
        secrets, namespace, name, not_before, CONNECTION_FIELD, Reason.CONNECTION_SECRET_NOT_FOUND
    )
    if values is None:
        return None, trouble
    for key in ("url", "token"):
        if not values.get(key, b"").strip():
            message = f"the Secret has no key {key!r}, or it is empty: it needs url and token of Label Studio"
            return None, Problem(CONNECTION_FIELD, name, message, Reason.CONNECTION_SECRET_KEY_MISSING)
    try:
        credentials = Credentials(_text(values["url"]), _text(values["token"]), values.get("ca.crt") or None)
    except InvalidConnection as error:
        missing = error.message.startswith("token")
        reason = Reason.CONNECTION_SECRET_KEY_MISSING if missing else Reason.CONNECTION_URL_INVALID
        return None, Problem(CONNECTION_FIELD, name, error.message, reason)
    ca_trouble = None if credentials.ca is None else _ca_trouble(credentials)
    if ca_trouble is not None:
        return None, Problem(CONNECTION_FIELD, name, ca_trouble, Reason.CONNECTION_CA_INVALID)
    return credentials, None


@lru_cache(maxsize=64)
def _ca_trouble(credentials: Credentials) -> str | None:
    """What is wrong with the CA certificates; loading them takes milliseconds, hence once."""
    try:
        credentials.tls_context()
    except InvalidConnection as error:
        return error.message
    return None


async def _basic_auth(
    secrets: Secrets, namespace: str, name: str | None, not_before: float
) -> tuple[tuple[str, str] | None, Problem | None]:
    if name is None:
        return None, None
    values, trouble = await _read(
        secrets, namespace, name, not_before, BASIC_AUTH_FIELD, Reason.BASIC_AUTH_SECRET_NOT_FOUND
    )
    if values is None:
        return None, trouble
    for key in ("username", "password"):
        if not values.get(key):
            message = f"the Secret has no key {key!r}, or it is empty: it needs username and password"
            return None, Problem(BASIC_AUTH_FIELD, name, message, Reason.BASIC_AUTH_SECRET_KEY_MISSING)
    return (_text(values["username"]), _text(values["password"])), None


async def _read(
    secrets: Secrets, namespace: str, name: str, not_before: float, field: str, missing: Reason
) -> tuple[Values | None, Problem | None]:
    try:
        values = await secrets.read(namespace, name, not_before)
    except ApiError as error:
        trouble = explain_api_error(error, f"Secret {name}")
        if trouble is None:
            raise
        return None, trouble
    if values is None:
        return None, Problem(field, name, f"there is no such Secret in the namespace {namespace}: create it", missing)
    return values, None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except (binascii.Error, ValueError):
        return b""
