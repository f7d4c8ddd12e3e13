"""Basic auth for everything but probes, health and metrics, and the bearer of our own webhook."""

import base64
import binascii
import hashlib
import hmac

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from labelloop.serving.serving_settings import BasicAuth

OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/health"})
WEBHOOK_PATH = "/webhook"


class BasicAuthMiddleware:
    """Pure ASGI middleware: 401 unless the right user and password come with the request.

    `/webhook` also opens to the webhook's bearer, because Label Studio sends no basic auth with events.
    """

    def __init__(self, app: ASGIApp, credentials: BasicAuth, webhook_secret: str | None) -> None:
        self._app = app
        told = f"{credentials.user}:{credentials.password}"
        # Clients differ in the encoding of names and passwords: requests sends Latin-1, browsers UTF-8.
        self._wanted = {told.encode(), told.encode("latin-1", "replace")}
        self._webhook_secret = webhook_secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or pass the request on."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not self._is_allowed(scope):
            await _unauthorized()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, scope: Scope) -> bool:
        header = _authorization(scope)
        if scope["path"] == WEBHOOK_PATH and is_webhook_bearer(header, self._webhook_secret):
            return True
        scheme, _, encoded = header.partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except binascii.Error:
            return False
        # No short cut between the forms: the time taken must not depend on which one nearly fits.
        return sum(_equal(given, wanted) for wanted in self._wanted) > 0


def is_webhook_bearer(authorization: bytes, secret: str | None) -> bool:
    """Whether an Authorization header carries the webhook's secret."""
    if secret is None:
        return False
    scheme, _, token = authorization.partition(b" ")
    return scheme.lower() == b"bearer" and _equal(token.strip(), secret.encode())


def _authorization(scope: Scope) -> bytes:
    return next((value for name, value in scope["headers"] if name == b"authorization"), b"")


def _equal(given: bytes, wanted: bytes) -> bool:
    """In a time that tells neither content nor length: digests are compared."""
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(wanted).digest())


def _unauthorized() -> Response:
    body = {
        "error": "Basic auth is required and user or password are missing or wrong",
        "remedy": "Give the ML backend in Label Studio the user and password of this backend's basic auth Secret.",
    }
    headers = {"WWW-Authenticate": 'Basic realm="labelloop", charset="UTF-8"'}
    return Response(orjson.dumps(body), 401, headers, "application/json")
