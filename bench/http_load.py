"""A closed loop of HTTP requests over kept-alive connections, with the latency of each.

Its own few lines instead of an HTTP library: a client in Python costs more per request than the server measured, and
would take the processor that the server needs.
"""

import re
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import urlsplit

from bench.measuring import percentile

ANSWER_SECONDS = 100
"""How long Label Studio waits for a prediction."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_LAST = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Load:
    """What a closed loop has seen."""

    seconds: float
    latencies: list[float]
    """Seconds from the first byte sent to the last byte received, of each answered request."""
    errors: list[str] = field(default_factory=list)
    """One line for each request without a 200."""

    @property
    def per_second(self) -> float:
        """Answered requests a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds within which `share` of the requests were answered; infinite when none was."""
        return percentile(self.latencies, share) * 1000 if self.latencies else float("inf")


def request(url: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of a request as Label Studio sends it: POST with a body, else GET."""
    head = [
        f"{'POST' if body else 'GET'} {path} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "User-Agent: heartex/1.23.2",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
    ]
    if body:
        head += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join(head).encode() + _HEAD_END + body


def run(url: str, requests: Sequence[bytes], seconds: float, connections: int = 1) -> Load:
    """Send `requests` in turns over `connections`, each sending the next when it has its answer, for `seconds`.

    Raises ConnectionError or TimeoutError when a connection cannot be made or has no answer in ANSWER_SECONDS.
    """
    told = urlsplit(url)
    address = (told.hostname or "127.0.0.1", told.port or 80)
    return _Loop([_Connection(address) for _ in range(connections)], cycle(requests)).run(seconds)


def fetch(url: str, message: bytes) -> bytes:
    """The body of one answer. Raises ConnectionError unless it is a 200."""
    told = urlsplit(url)
    connection = _Connection((told.hostname or "127.0.0.1", told.port or 80))
    try:
        connection.send(message)
        while True:
            answer = connection.receive()
            if answer is not None:
                return connection.body(answer)
    finally:
        connection.socket.close()


class _Connection:
    """One kept-alive connection with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.sent_at = 0.0
        self.is_last = False
        self._received = b""
        self.connect()

    def connect(self) -> None:
        self.is_last = False
        self.socket = socket.create_connection(self.address, timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, message: bytes) -> None:
        self._received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(message)

    def receive(self) -> bytes | None:
        """The whole answer once it is there. Raises ConnectionError when the server hangs up before."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionError(f"{self.address[0]}:{self.address[1]} hung up without an answer")
        received = self._received = self._received + part if self._received else part
        head = received.find(_HEAD_END)
        if head < 0:
            return None
        length = _LENGTH.search(received, 0, head)
        if length is None:
            raise ConnectionError(f"an answer without Content-Length: {received[:100]!r}")
        if len(received) < head + len(_HEAD_END) + int(length[1]):
            return None
        self.is_last = _LAST.search(received, 0, head) is not None
        return received

    @staticmethod
    def body(answer: bytes) -> bytes:
        if not is_ok(answer):
            raise ConnectionError(f"not answered with 200: {answer[:300]!r}")
        return answer[answer.find(_HEAD_END) + len(_HEAD_END) :]


def is_ok(answer: bytes) -> bool:
    """Whether the status is 200."""
    return answer[9:12] == b"200"


class _Loop:
    """All connections of one run."""

    def __init__(self, connections: Sequence[_Connection], following: Iterator[bytes]) -> None:
        self._connections = connections
        self._following = following
        self._selector = selectors.DefaultSelector()
        self._latencies: list[float] = []
        self._errors: list[str] = []

    def run(self, seconds: float) -> Load:
        began = time.perf_counter()
        deadline = began + seconds
        with self._selector:
            for connection in self._connections:
                self._register(connection)
                connection.send(next(self._following))
            under_way = len(self._connections)
            while under_way:
                ready = self._selector.select(ANSWER_SECONDS)
                if not ready:
                    raise TimeoutError(f"no answer in {ANSWER_SECONDS} s to {under_way} requests")
                for key, _events in ready:
                    connection: _Connection = key.data
                    if not self._is_answered(connection):
                        continue
                    if time.perf_counter() < deadline:
                        connection.send(next(self._following))
                    else:
                        self._selector.unregister(connection.socket)
                        under_way -= 1
        for connection in self._connections:
            connection.socket.close()
        return Load(time.perf_counter() - began, self._latencies, self._errors)

    def _is_answered(self, connection: _Connection) -> bool:
        """Read what has come; whether the connection is free for the next request."""
        try:
            answer = connection.receive()
        except ConnectionError as error:
            self._errors.append(str(error))
            self._reconnect(connection)
            return True
        if answer is None:
            return False
        if is_ok(answer):
            self._latencies.append(time.perf_counter() - connection.sent_at)
        else:
            self._errors.append(f"{answer[:200]!r}")
        if connection.is_last:
            self._reconnect(connection)
        return True

    def _register(self, connection: _Connection) -> None:
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _reconnect(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        connection.connect()
        self._register(connection)
