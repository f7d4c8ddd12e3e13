"""Servers on loopback that misbehave below HTTP or without end: both clients of Label Studio, and the registry's."""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from labelloop import label_studio as library
from labelloop.label_studio import task_pages
from labelloop.label_studio.client import LabelStudioClient
from labelloop.label_studio.protocol import Operation, Response
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import RegistryError
from labelloop_operator.label_studio.client import LabelStudio

TOKEN = "0123456789abcdef0123456789abcdef01234567"
SECONDS = 2.0
"""Time-out of a request here; the real ones are longer."""
NOW = "2026-11-22T06:00:00.000001Z"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Behaviour = Callable[[socket.socket, threading.Event], None]


def drops(connection: socket.socket, gone: threading.Event) -> None:
    """A byte now and then, without end: no pause is long, and no answer comes of it."""
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n[")
    while not gone.wait(0.05):
        connection.sendall(b" ")


def drops_of_headers(connection: socket.socket, gone: threading.Event) -> None:
    connection.sendall(HEAD)
    while not gone.wait(0.01):
        connection.sendall(b"X: y\r\n")


def silence(connection: socket.socket, gone: threading.Event) -> None:
    gone.wait(60)


def endless(connection: socket.socket, gone: threading.Event) -> None:
    connection.sendall(HEAD + b"\r\n[")
    while not gone.is_set():
        connection.sendall(b" " * 65536)


def bomb(connection: socket.socket, gone: threading.Event) -> None:
    """64 MiB of blanks in 64 KiB: more than anybody reads here."""
    content = gzip.compress(b" " * 2**26, 1)
    connection.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))


def cut_off(connection: socket.socket, gone: threading.Event) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n[")


def deep(connection: socket.socket, gone: threading.Event) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"[" * 1_000_000)


def no_http(connection: socket.socket, gone: threading.Event) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


BEHAVIOURS = (drops, drops_of_headers, silence, endless, bomb, cut_off, deep, no_http)


@contextmanager
def misbehaving(behaviour: Behaviour) -> Iterator[int]:
    """The port of a server that treats every connection so."""
    gone = threading.Event()
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                behaviour(connection, gone)
            except OSError:
                pass  # the client has gone, as it should

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        gone.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(60)


def hasty(operation: Operation[object]) -> Operation[object]:
    """The operation with small limits of time and size."""
    try:
        request = next(operation)
        while True:
            answer: Response = yield replace(request, timeout=SECONDS, limit=2**20)
            request = operation.send(answer)
    except StopIteration as stop:
        return stop.value


def check(error: library.LabelStudioError) -> None:
    assert TOKEN not in str(error)
    assert len(str(error)) < 600


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_client_of_pods_ends_with_an_error(behaviour: Behaviour):
    with (
        misbehaving(behaviour) as port,
        LabelStudioClient(library.Credentials(f"http://127.0.0.1:{port}", TOKEN)) as client,
        pytest.raises(library.LabelStudioError) as caught,
    ):
        client.run(hasty(library.project(7)))
    check(caught.value)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_the_operators_client_ends_with_an_error(behaviour: Behaviour):
    with misbehaving(behaviour) as port:
        client = LabelStudio(library.Credentials(f"http://127.0.0.1:{port}", TOKEN))
        with pytest.raises(library.LabelStudioError) as caught:
            async with asyncio.timeout(60):
                await client.run(hasty(library.project(7)))
        await client.close()
    check(caught.value)


async def test_neither_client_takes_the_token_along_to_another_address():
    seen: list[bytes] = []

    def elsewhere(connection: socket.socket, gone: threading.Event) -> None:
        seen.append(b"asked")
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    with misbehaving(elsewhere) as other:
        location = f"http://127.0.0.1:{other}/api/projects/7".encode()

        def redirect(connection: socket.socket, gone: threading.Event) -> None:
            connection.sendall(b"HTTP/1.1 307 Moved\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")

        with misbehaving(redirect) as port:
            credentials = library.Credentials(f"http://127.0.0.1:{port}", TOKEN)
            with LabelStudioClient(credentials) as client, pytest.raises(library.NotLabelStudio, match="redirects"):
                client.run(library.project(7))
            operators = LabelStudio(credentials)
            with pytest.raises(library.NotLabelStudio, match="redirects"):
                await operators.run(library.project(7))
            await operators.close()
    assert seen == []


@pytest.mark.parametrize("behaviour", [endless, bomb, cut_off, deep, no_http])
def test_the_registry_client_ends_with_an_error(behaviour: Behaviour):
    with (
        misbehaving(behaviour) as port,
        Repository(Reference(f"127.0.0.1:{port}", "a"), plain_http=True) as remote,
        pytest.raises(RegistryError) as caught,
    ):
        remote.manifest("1").document()
    assert len(caught.value.message) < 600
    assert "mail.example" not in caught.value.message  # nor what another service says of itself


def more_and_more(project: int) -> Callable[[str], str]:
    """A Label Studio that always has another page of tasks."""
    last = 0

    def answer(_: str) -> str:
        nonlocal last
        tasks = [{"id": last + number, "updated_at": NOW, "annotations": []} for number in range(1, 1001)]
        last += 1000
        return json.dumps({"total": 10**12, "tasks": tasks})

    return answer


def paging(connection: socket.socket, gone: threading.Event, answer: Callable[[str], str]) -> None:
    """Answers each request of one connection."""
    with connection.makefile("rb") as lines:
        while not gone.is_set():
            content = answer("").encode()
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
            while (line := lines.readline()) not in (b"\r\n", b""):
                pass
            if not line:
                return


def test_the_client_of_pods_stops_at_ever_more_pages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task_pages, "MOST_TASKS", 5_000)
    answer = more_and_more(7)
    with (
        misbehaving(lambda connection, gone: paging(connection, gone, answer)) as port,
        LabelStudioClient(library.Credentials(f"http://127.0.0.1:{port}", TOKEN)) as client,
        pytest.raises(library.AnswerTooLarge, match="more than 5,000 tasks of project 7"),
    ):
        client.run(library.labelled_tasks(7))


async def test_the_operators_client_stops_at_ever_more_pages(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task_pages, "MOST_TASKS", 5_000)
    answer = more_and_more(7)
    with misbehaving(lambda connection, gone: paging(connection, gone, answer)) as port:
        client = LabelStudio(library.Credentials(f"http://127.0.0.1:{port}", TOKEN))
        with pytest.raises(library.AnswerTooLarge, match="more than 5,000 tasks of project 7"):
            await client.run(library.scan(7, None))
        await client.close()
