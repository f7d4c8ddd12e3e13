"""Virtual time for code with sockets: loopback connections become pairs of Unix sockets within the process.

What is written to a pair can be read at once, so that the clock jumps only when really nothing is under way; loopback
TCP gives no such promise on a busy machine. Work for threads is done on the spot.
"""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

from tests.fakes.virtual_time import VirtualTimeLoop

T = TypeVar("T")

Factory = Callable[[], asyncio.BaseProtocol]


class _Listener:
    """What aiohttp wants of a server: where it listens, and that it can be closed."""

    def __init__(self, loop: "VirtualNetworkLoop", port: int) -> None:
        self._loop = loop
        self._port = port
        self.sockets = [self]

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    def close(self) -> None:
        self._loop.listeners.pop(self._port, None)

    async def wait_closed(self) -> None:
        pass


class VirtualNetworkLoop(VirtualTimeLoop):
    """Knows the loopback address only."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: dict[int, Factory] = {}
        self._wanted: dict[int, int] = {}
        """Ports by the descriptors of the sockets that are to be connected to them."""
        self._ports = count(20_000)

    async def create_server(self, protocol_factory: Factory, _host: Any = None, port: int = 0, **_: Any) -> Any:
        chosen = port or next(self._ports)
        assert chosen not in self.listeners, f"port {chosen} is taken"
        self.listeners[chosen] = protocol_factory
        return _Listener(self, chosen)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", f"{address} is not on this machine"
        if address[1] not in self.listeners:
            raise ConnectionRefusedError(111, f"nobody listens on port {address[1]}")
        self._wanted[sock.fileno()] = address[1]

    async def create_connection(self, protocol_factory: Any, *arguments: Any, sock: Any = None, **_: Any) -> Any:
        assert sock is not None, "aiohttp connects its sockets itself"
        port = self._wanted.pop(sock.fileno())
        sock.close()
        ours, theirs = socket.socketpair()
        serve = self.listeners.get(port)
        if serve is None:
            raise ConnectionRefusedError(111, f"nobody listens on port {port}")
        await self.connect_accepted_socket(serve, theirs)
        return await super().create_connection(protocol_factory, sock=ours)

    def run_in_executor(self, _executor: Any, function: Callable[..., T], *arguments: Any) -> Any:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def virtually(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualNetworkLoop) as runner:
        return runner.run(coroutine)
