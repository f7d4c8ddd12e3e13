"""Head and body of an answer in one write to the socket.

uvicorn writes them apart: two system calls, and a client that is woken for the head alone, which on an answer of 300
bytes is a quarter of the whole round trip. Here the head is kept until the body comes.
"""

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http import httptools_impl


class _Kept(asyncio.Transport):
    """Is in for the transport while the head is made."""

    def __init__(self) -> None:
        self.head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.head += data


class _Joining(asyncio.Transport):
    """The transport, which sends the kept head before what it is first given; only what a cycle calls."""

    def __init__(self, transport: asyncio.Transport, head: bytes) -> None:
        self._transport = transport
        self.head = head

    def write(self, data: bytes | bytearray | memoryview) -> None:
        head, self.head = self.head, b""
        self._transport.write(head + data)

    def close(self) -> None:
        if self.head:
            self.write(b"")  # the answer to HEAD has no body, and with "Connection: close" this comes at its end
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class OneWriteCycle(httptools_impl.RequestResponseCycle):
    """One request and its answer."""

    async def send(self, message: ASGISendEvent) -> None:
        """See ASGI; what comes after an answer's end is refused as by uvicorn."""
        transport = self.transport
        if not self.response_started:
            kept = _Kept()
            self.transport = kept
            try:
                await super().send(message)
            finally:
                self.transport = _Joining(transport, kept.head)
            return
        await super().send(message)
        if isinstance(transport, _Joining) and transport.head and self.response_complete:
            transport.write(b"")  # the answer to HEAD has no body


def install() -> None:
    """Let uvicorn's httptools protocol answer so; calling it again changes nothing."""
    httptools_impl.RequestResponseCycle = OneWriteCycle  # type: ignore[misc]
