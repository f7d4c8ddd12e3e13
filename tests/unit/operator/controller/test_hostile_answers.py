"""A Label Studio that is somebody else's service: what it answers is shown in no condition and no Event."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import web
from tests.fakes.operator import World, world
from tests.fakes.waiting import until

SECRET = "s3cret-of-another-service"


@pytest_asyncio.fixture
async def loop() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 500])
@pytest.mark.parametrize(
    "body", [f'{{"detail": "{SECRET}"}}', f'{{"{SECRET}": ["{SECRET}"]}}', SECRET], ids=["error", "json", "text"]
)
async def test_what_another_service_answers_is_told_to_nobody(loop: World, status: int, body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json", headers={"X-Told": SECRET})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    loop.connection(url=f"http://127.0.0.1:{port}")
    loop.resource()
    await loop.run()
    await until(lambda: loop.condition("Registered")[0] == "False", "Registered=False")
    told = json.dumps([loop.found()["status"], loop.api.all("events")])
    assert f"127.0.0.1:{port}" in told
    assert SECRET not in told
    await runner.cleanup()


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/webhooks/"),
        ("POST", "/api/ml"),
        ("GET", "/api/ml"),
        ("GET", "/api/tasks"),
        ("GET", "/api/webhooks/"),
    ],
)
async def test_a_label_studio_that_turns_hostile_later_is_quoted_no_more(
    loop: World, method: str, path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelloop_operator.policies.registration_checks.SETTLING", timedelta())
    answered: list[str] = []

    async def answer(
        request: web.Request, carry_out: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if (request.method, request.path) != (method, path):
            return await carry_out()
        answered.append(request.path)
        body = {
            "detail": SECRET,
            "validation_errors": {SECRET: [SECRET]},
            "id": SECRET,
            "title": SECRET,
            "tasks": SECRET,
        }
        return web.json_response(body, status=status)

    loop.label_studio.interceptor = answer
    loop.resource()
    await loop.run()
    await until(lambda: loop.api.all("deployments"), "a Deployment")
    loop.pods_serve()
    await until(lambda: answered and loop.condition("Ready")[0] == "False", "the trouble reported")
    await until(lambda: loop.condition("Ready")[1] not in QUIET, f"its reason, not {loop.condition('Ready')}")
    told = json.dumps([loop.found()["status"], loop.api.all("events")])
    assert SECRET not in told


QUIET = ("Starting", "WaitingForServing", "Connecting", "Registering")
