"""Ports for servers that tests start, and ports where nobody listens."""

import random
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

_BELOW_EPHEMERAL = range(20_000, 32_000)
"""Linux takes the ports of connections from 32,768 up: a port of that range may be gone before a server has it."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on, and that no connection takes meanwhile."""
    for _ in range(100):
        port = random.choice(_BELOW_EPHEMERAL)
        with closing(socket.socket()) as listener:
            try:
                listener.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {_BELOW_EPHEMERAL.start} to {_BELOW_EPHEMERAL.stop} of {host} is free")


@contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that refuses connections, as long as the block lasts: it is taken, but nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind((host, 0))
        yield int(taken.getsockname()[1])
