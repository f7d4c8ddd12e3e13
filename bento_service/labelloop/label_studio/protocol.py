"""Talking to Label Studio without doing I/O: an Operation yields Requests and is sent Responses.

The same operations are executed by `client.LabelStudioClient` (requests, in pods) and by the operator (aiohttp).
An executor does one exchange per Request, follows no redirects, reads at most `limit` bytes and raises
`errors.Unreachable` when there is no answer; everything else is decided here.
"""

import json as json_module
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

ANSWER_LIMIT = 32 * 1024 * 1024
READ_TIMEOUT = 30.0


@dataclass(frozen=True)
class Request:
    """One HTTP exchange to be made; `path` is relative to the address of Label Studio and starts with `/api/`."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    json: object | None = None
    timeout: float = READ_TIMEOUT
    """Seconds for the whole exchange."""
    limit: int = ANSWER_LIMIT
    """Bytes of the (decompressed) answer that are read."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Credentials, added by `auth.Authenticator`."""

    def content(self) -> bytes | None:
        """The body to send as `application/json`, None for no body. Raises ValueError for NaN, which is no JSON."""
        return None if self.json is None else json_module.dumps(self.json, allow_nan=False).encode()


@dataclass(frozen=True)
class Response:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = ""
    """Address that answered, without query: for messages."""
    complete: bool = True
    """False: the answer was longer than the request's limit and `body` is not all of it."""


Operation = Generator[Request, Response, T]
