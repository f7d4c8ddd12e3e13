"""Requests as bytes on a socket, also such as no HTTP library would send, and the answers to them."""

import gzip
import http.client
import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random

from tests.fuzz.cases import Broken, readable, smaller
from tests.fuzz.odd_json import odd_text

ANSWER_SECONDS = 30.0
"""Deadline of an answer; usual ones come within milliseconds."""
WHOLE = ("length", "chunked")
"""Framings with which the body arrives as it is."""
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "BREW")
HEADERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Content-Type", ("application/json", "text/plain", "application/x-www-form-urlencoded", "é")),
    ("Content-Encoding", ("gzip", "deflate", "br", "identity", "x")),
    ("Accept", ("text/html", "*/*", "", "application/xml;q=2")),
    ("Accept-Encoding", ("gzip", "br", "*;q=0")),
    ("Authorization", ("Basic", "Basic !", "Basic " + "A" * 5000, "Bearer", "Bearer x", "Token é", "", "basic Og==")),
    ("Expect", ("100-continue", "x")),
    ("Upgrade", ("websocket", "h2c")),
    ("Connection", ("close", "upgrade", "keep-alive, x")),
    ("Range", ("bytes=0-0", "bytes=9-", "x")),
    ("X-Filler", ("a" * 60_000, "\t", "é" * 30, "\x7f")),
    ("Cookie", ("a=b; " * 500, "=")),
    ("Origin", ("null", "http://evil.example")),
    ("X-Forwarded-For", ("127.0.0.1", "x, y")),
    ("traceparent", ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x")),
)  # fmt: skip
GARBAGE = (
    b"\0", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nA\r\n\r\n",
    b"\x16\x03\x01\x02\x00",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"x" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 9000 + b"\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"GET http://[ HTTP/1.1\r\n\r\n",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request; `garbage` stands instead of everything else."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    framing: str = "length"
    """length, chunked, short (less comes than announced, then the end), none (a body without any announcement)."""
    garbage: bytes = b""

    def encoded(self) -> bytes:
        """As it goes over the wire."""
        if self.garbage:
            return self.garbage
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: fuzz"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            size = max(1, len(body) // 3)
            pieces = [body[start : start + size] for start in range(0, len(body), size)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        elif self.framing != "none":
            lines.append(f"Content-Length: {len(body) + (7 if self.framing == 'short' else 0)}")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def shown(self) -> object:
        """As JSON."""
        if self.garbage:
            return {"bytes": readable(self.garbage[:2000])}
        shown = {"method": self.method, "target": self.target, "headers": dict(self.headers), "framing": self.framing}
        return {**shown, "body": readable(self.body[:20_000])}

    def smaller(self) -> Iterator["Request"]:
        """Simpler requests."""
        if self.framing != "length":
            yield replace(self, framing="length")
        for index in range(len(self.headers)):
            yield replace(self, headers=self.headers[:index] + self.headers[index + 1 :])
        yield from (replace(self, body=body) for body in _smaller_bodies(self.body))


def _smaller_bodies(body: bytes) -> Iterator[bytes]:
    """Members of the JSON document go first, then pieces of the text."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        yield from smaller(body)
    else:
        yield from (json.dumps(value).encode() for value in smaller(document))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str = ""


class Connection:
    """One connection after another to a server on loopback, each kept as long as both sides like it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: Request) -> Answer | None:
        """The answer; None when the server closed the connection without one. Raises Broken after the deadline."""
        fresh = self._socket is None
        try:
            answer = self._ask(request)
        except OSError:
            self.close()
            answer = None
        if answer is None and not fresh:  # an idle connection may be closed at any time: once more on a new one
            try:
                answer = self._ask(request)
            except OSError:
                self.close()
        return answer

    def close(self) -> None:
        """Close what is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: Request) -> Answer | None:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), ANSWER_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = self._socket
        with suppress(ConnectionError):  # refused before all of it was sent: the answer may be there
            connection.sendall(request.encoded())
        if request.framing == "short" or request.garbage:
            connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection, method=request.method)
        try:
            response.begin()
            body = response.read()
        except TimeoutError:
            self.close()
            raise Broken(f"not answered within {ANSWER_SECONDS:.0f} s") from None
        except http.client.HTTPException:
            self.close()
            return None
        if response.will_close or request.framing not in WHOLE or request.garbage:
            self.close()
        return Answer(response.status, dict(response.headers), body, response.reason)


def odd_request(request: Request, random: Random) -> Request:
    """The same request, often with something wrong around its body."""
    kind = random.randrange(40)
    if kind == 0:
        return replace(request, garbage=random.choice(GARBAGE))
    if kind == 1:
        return replace(request, framing=random.choice(("short", "none")))
    if kind < 5:
        request = replace(request, framing="chunked")
    if kind == 5:
        request = replace(request, method=random.choice(METHODS))
    if kind == 6:
        request = replace(request, target=_odd_target(request.target, random))
    if kind == 7:
        request = replace(request, body=gzip.compress(request.body, 1))
        request = replace(request, headers=(*request.headers, ("Content-Encoding", "gzip")))
    if kind < 14:
        names = random.sample(HEADERS, random.choice((1, 1, 2, 5)))
        chosen = tuple((name, random.choice(values)) for name, values in names)
        request = replace(request, headers=(*request.headers, *chosen))
    return request


def _odd_target(target: str, random: Random) -> str:
    text = re.sub(r"[\s\x00-\x1f]", "", odd_text(random)[:3000])
    ends = ("?" + text, "/", "//", "/..", "/%00", "/%ff", "%2f", "?a=b&a=c", "#x", ";x", "/" + text, "?" + "a" * 40_000)
    return target + random.choice(ends)
