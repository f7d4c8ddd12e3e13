"""Stands where connections are, below `requests`: everything above the socket is the real thing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import requests.adapters
from tests.fuzz.cases import Broken
from urllib3 import HTTPResponse

Exchange = Callable[[str, str, dict[str, str], object], "Answer"]
"""URL, method, headers and body of a request -> what is answered."""


@dataclass
class Answer:
    """What is sent back; the body may repeat a piece without holding it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    endless: int = 0
    """So many more bytes come after the body."""


class Body:
    """A file of some bytes and then a great many more, which nobody holds in memory."""

    def __init__(self, answer: Answer) -> None:
        self._left = answer.body
        self._endless = answer.endless
        self.taken = 0
        self.closed = False

    def read(self, amount: int | None = None) -> bytes:
        """As files do; without an amount all of it, which is the fault looked for."""
        if amount is None or amount < 0:
            if self._endless > 2**30:
                raise Broken("an endless answer is read as a whole")
            amount = len(self._left) + self._endless
        piece, self._left = self._left[:amount], self._left[amount:]
        more = min(amount - len(piece), self._endless)
        self._endless -= more
        self.taken += len(piece) + more
        if self.taken > 2**27:
            raise Broken("more than 128 MiB of an answer are read")
        return piece + b"\0" * more

    read1 = read

    def close(self) -> None:
        """As files do."""
        self.closed = True


def replaced_connections(exchange: Exchange) -> AbstractContextManager[Any]:
    """For as long as the block lasts."""
    return patch.object(
        requests.adapters.HTTPAdapter,
        "get_connection_with_tls_context",
        lambda _adapter, request, *_rest, **_options: _Pool(partial(exchange, request.url)),
    )


class _Pool:
    """What requests' adapter needs of a connection pool."""

    def __init__(self, exchange: Callable[[str, dict[str, str], object], Answer]) -> None:
        self._exchange = exchange

    def urlopen(self, *, method: str, headers: dict[str, str], body: object = None, **_: object) -> HTTPResponse:
        """One exchange."""
        answer = self._exchange(method, dict(headers), body)
        return HTTPResponse(
            Body(answer) if method != "HEAD" else Body(Answer(200, {}, b"")),
            headers=answer.headers,
            status=answer.status,
            preload_content=False,
            decode_content=False,
            request_method=method,
        )
