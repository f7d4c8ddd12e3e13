"""What backends, and what is no backend, answer to a probe; over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.support.ports import free_port

from labelloop_operator.controller import backend_client
from labelloop_operator.controller.backend_client import Backends, NoAnswer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """The URL of a server on loopback."""
    app = web.Application()
    app.router.add_get("/health", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def asked(url: str) -> str:
    backends = Backends()
    try:
        return await backends.version(url)
    finally:
        await backends.close()


async def test_the_version_is_told_and_each_question_has_its_own_connection() -> None:
    peers = []

    async def health(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.json_response({"status": "UP", "model_class": "TextClassifier", "model_version": "model-1"})

    async with answering(health) as url:
        backends = Backends()
        assert [await backends.version(url) for _ in range(3)] == ["model-1"] * 3
        await backends.close()
    assert len(set(peers)) == 3


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (lambda: web.json_response({"model_version": "model-1", "problem": "damaged"}), "damaged"),
        (lambda: web.Response(text="<html>", content_type="text/html"), "something else answers"),
        (lambda: web.json_response(["model-1"]), "something else answers"),
        (lambda: web.json_response({"model_version": "model-1"}, status=503), "HTTP 503"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
        (lambda: web.Response(body=b"x" * 1_000_000), "something else answers"),
    ],
)
async def test_what_is_no_answer_is_told_in_a_sentence(response: Callable[[], web.Response], told: str) -> None:
    async def health(_: web.Request) -> web.Response:
        return response()

    async with answering(health) as url:
        with pytest.raises(NoAnswer, match=told):
            await asked(url)


async def test_silence_ends_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_client, "TIMEOUT", 0.1)

    async def health(_: web.Request) -> web.Response:
        await asyncio.sleep(10)
        raise AssertionError

    async with answering(health) as url:
        with pytest.raises(NoAnswer, match=r"no answer within 0\.1 s"):
            await asked(url)


async def test_a_refused_connection_and_an_unknown_name_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(NoAnswer, match="connection refused"):
        await asked(f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(NoAnswer, match="name cannot be resolved"):
        await asked("http://intents-ml.team-a.svc.cluster.local:9090")
