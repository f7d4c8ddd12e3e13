"""Credentials: what the connection Secret holds, and how a request gets its Authorization header.

A legacy token is sent as it is. A personal access token (a JWT refresh token) is exchanged for an access token that
lives for minutes. The token is only ever sent to the address that stands next to it.
"""

import base64
import binascii
import json
import re
import ssl
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import certifi

from labelloop.label_studio import responses
from labelloop.label_studio.errors import ExpiredToken, InvalidConnection, NotFound, NotLabelStudio, Unauthorized
from labelloop.label_studio.protocol import Operation, Request, Response

T = TypeVar("T")
EARLY = 30.0
"""Seconds before its end at which an access token is renewed."""
DEFAULT_LIFETIME = 300.0
_RENEW = "make a new one"


@dataclass(frozen=True)
class Credentials:
    """Address, token and optional CA certificates (PEM) of one Label Studio.

    Raises InvalidConnection when they cannot be right. White space around url and token is dropped, as a Secret made
    from a file ends in a line break.
    """

    url: str
    token: str = field(repr=False)
    ca: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _checked_url(self.url))
        object.__setattr__(self, "token", _checked_token(self.token))

    def address(self, request: Request) -> str:
        """Absolute address of a request, without its query."""
        return self.url + request.path

    def tls_context(self) -> ssl.SSLContext:
        """Public certificate authorities and our `ca`. Raises InvalidConnection when `ca` is not PEM."""
        context = ssl.create_default_context(cafile=certifi.where())
        if self.ca:
            try:
                context.load_verify_locations(cadata=self.ca.decode("ascii"))
            except (ssl.SSLError, UnicodeDecodeError):
                raise InvalidConnection(
                    "ca.crt holds no certificates in PEM form: it must start with -----BEGIN CERTIFICATE-----."
                ) from None
        return context


class Authenticator:
    """Adds the Authorization header to the requests of operations; one per connection, shared by its operations.

    Holds no socket; `clock` gives monotonic seconds.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._claims = _jwt_claims(token)
        self._clock = clock
        self._access: str | None = None
        self._renew_at = 0.0

    def authorize(self, operation: Operation[T]) -> Operation[T]:
        """The same operation, authenticated. Raises Unauthorized or ExpiredToken when the token is not accepted."""
        try:
            request = next(operation)
            while True:
                response = yield from self._exchange(request)
                request = operation.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            operation.close()

    def _exchange(self, request: Request) -> Generator[Request, Response, Response]:
        if self._claims is None:
            response = yield replace(request, headers=(("Authorization", f"Token {self._token}"),))
        else:
            access = yield from self._access_token()
            response = yield replace(request, headers=(("Authorization", f"Bearer {access}"),))
            if response.status == 401:  # revoked or rotated on the server before its time: once more with a new one
                if self._access == access:
                    self._access = None
                access = yield from self._access_token()
                response = yield replace(request, headers=(("Authorization", f"Bearer {access}"),))
        if response.status == 401:
            raise self._refused(response)
        return response

    def _access_token(self) -> Generator[Request, Response, str]:
        if self._access is not None and self._clock() < self._renew_at:
            return self._access
        asked_at = self._clock()
        response = yield Request("POST", "/api/token/refresh/", json={"refresh": self._token})
        if response.status == 401:
            raise self._refused(response)
        try:
            answer = responses.read_object(response, "exchange of the personal access token")
        except NotFound:
            raise NotLabelStudio(
                f"{response.url} answered 404: this Label Studio knows no personal access tokens; use a legacy token."
            ) from None
        access = responses.field(response, answer, "access", str)
        self._access = _checked_token(access)
        lifetime = _lifetime(_jwt_claims(access))
        self._renew_at = asked_at + max(lifetime - EARLY, lifetime / 2)
        return access

    def _refused(self, response: Response) -> Unauthorized:
        detail = responses.detail_of(response) or "no detail"
        known = responses.known_words(detail)
        start = f"{response.url} answered 401 ({known})" if known else f"{response.url} answered 401"
        if self._claims is None and "legacy token authentication has been disabled" in detail:
            remedy = (
                "make a personal access token (Account & Settings) and use it, or turn legacy tokens on for the "
                "organisation"
            )
            return Unauthorized(start, detail, remedy)
        if self._claims is None:
            return Unauthorized(f"{start}: the token is unknown there", detail, "set a valid one")
        if self._claims.get("token_type") == "access":
            fact = f"{start}: this is an access token, which lives for minutes"
            return ExpiredToken(fact, detail, "use a personal access token")
        ends = self._claims.get("exp")
        if isinstance(ends, int | float) and ends < time.time():
            day = datetime.fromtimestamp(ends, UTC).date().isoformat()
            return ExpiredToken(f"{start}: the personal access token expired on {day}", detail, _RENEW)
        if "blacklisted" in detail or "expired" in detail:
            return ExpiredToken(f"{start}: the personal access token was revoked or expired", detail, _RENEW)
        return Unauthorized(f"{start}: the personal access token is not accepted there", detail, _RENEW)


def _checked_url(url: str) -> str:
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise InvalidConnection("url is not an address: write it as http://label-studio.example:8080.") from None
    if parts.username is not None or parts.password is not None:
        raise InvalidConnection("url holds a user name or password: leave only scheme, host and port.")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid or re.search(r"\s", url):
        raise InvalidConnection(f"url {url[:200]!r} is not an address: write it as http://label-studio.example:8080.")
    if parts.query or parts.fragment:
        raise InvalidConnection(f"url {url.split('?')[0][:200]!r} has a query or fragment: leave only the address.")
    return url


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token:
        raise InvalidConnection("token is empty: put a legacy or personal access token of Label Studio there.")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InvalidConnection("token holds white space or other characters that no token has: copy it again.")
    return token


def _jwt_claims(token: str) -> dict[str, Any] | None:
    """Claims of a JWT, unverified; None when it is none, which means: a legacy token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def _lifetime(claims: dict[str, Any] | None) -> float:
    """Seconds from issue to end, by the server's own clock: ours may be off."""
    ends, issued = (claims or {}).get("exp"), (claims or {}).get("iat")
    if isinstance(ends, int | float) and isinstance(issued, int | float) and 0 < ends - issued < 86_400:
        return float(ends - issued)
    return DEFAULT_LIFETIME
