"""Hints that reach a replica which does not lead are handed to the one that does; what is lost, the poll finds."""

from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import web

HANDED_ON = "Labelloop-Handed-On"
"""Header of a request that came from another replica: it is not handed on again."""
TIMEOUT = 1.0
"""Seconds: a backend waits no longer for the answer either."""
AT_ONCE = 16


@dataclass(frozen=True)
class Answer:
    """What the leader answered."""

    status: int
    body: bytes


class Peer:
    """The leader, seen from another replica. `address` gives where it is; empty: not known."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self._under_way = 0

    async def forward(self, request: web.Request, body: bytes) -> Answer | None:
        """The leader's answer to this very request; None when there is none to be had."""
        address = self._address()
        if not address or HANDED_ON in request.headers or self._under_way >= AT_ONCE:
            return None
        headers = {"Authorization": request.headers.get("Authorization", ""), HANDED_ON: "1"}
        self._under_way += 1
        try:
            async with self._connection().post(address + request.path, data=body, headers=headers) as answer:
                return Answer(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _connection(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session
