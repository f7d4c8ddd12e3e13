"""Every error that an answer can be, once and three times in a row, on every call that the operator makes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache

import pytest
from aiohttp import web
from tests.chaos.plans import OTHER_IMAGE, trained
from tests.fakes.kubernetes import Seen
from tests.fakes.scene import Json, Scene, reset, scene
from tests.fakes.virtual_network import virtually

CarryOut = Callable[[], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, CarryOut], Awaitable[web.StreamResponse]]

PATIENCE = 3600.0
"""Virtual seconds: what waits for a person is tried again every five minutes."""
DEREGISTER_TIMEOUT = 60.0
LONGEST_RETRY = 310.0
"""Of what waits for a person, or of a call that is never answered."""


def says(status: int, message: str = "refused", **headers: str) -> Fault:
    async def fault(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
        body = {"kind": "Status", "code": status, "message": message, "detail": message}
        return web.json_response(body, status=status, headers={key.replace("_", "-"): headers[key] for key in headers})

    return fault


async def finds_nothing(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
    """But of what is to be deleted that would be no error: it is gone."""
    return await (carry_out() if request.method == "DELETE" else says(404)(request, carry_out))


async def resets(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
    return reset(request)


async def loses_the_answer(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
    """What was asked for is done all the same."""
    if request.query.get("watch") is None:
        await carry_out()
    return reset(request)


async def says_nothing(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
    """Longer than anybody waits."""
    await asyncio.sleep(130.0)
    return reset(request)


async def breaks_off(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
    """Half of a body."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"items": [{"metadata": {')
    reset(request)
    return response


async def says_rubbish(request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
    return web.Response(text="<html>a proxy's page</html>", content_type="text/html")


FAULTS: dict[str, Fault] = {
    "403": says(403),
    "403 for want of a right": says(403, 'User "u" cannot patch resource "deployments" in API group "apps"'),
    "404": finds_nothing,
    "409": says(409),
    "422": says(422),
    "429": says(429, Retry_After="7"),
    "500": says(500),
    "500 of the schema": says(500, "failed to create typed patch object"),
    "503": says(503),
    "reset": resets,
    "lost answer": loses_the_answer,
    "no answer": says_nothing,
    "half a body": breaks_off,
    "rubbish": says_rubbish,
}


def fail_each_call(made: Scene, fault: Fault | None, times: int) -> Counter[str]:
    """From now on each call fails so often; gives the calls by name."""
    calls: Counter[str] = Counter()

    async def call(name: str, request: web.Request, carry_out: CarryOut) -> web.StreamResponse:
        calls[name] += 1
        return await (fault(request, carry_out) if fault and calls[name] <= times else carry_out())

    async def from_operator(request: web.Request, seen: Seen, carry_out: CarryOut) -> web.StreamResponse:
        what = "watch" if seen.watch else "one" if seen.name else "all"
        return await call(f"{request.method} {seen.plural} {seen.subresource} {what}", request, carry_out)

    made.api.interceptor = from_operator
    made.label_studio.interceptor = lambda request, carry_out: call(
        f"{request.method} Label Studio {'/'.join(part for part in request.path.split('/') if not part.isdigit())}",
        request,
        carry_out,
    )
    return calls


async def lived(fault: Fault | None, times: int) -> tuple[Json, Counter[str]]:
    """From nothing to the first trained version; each call fails so often."""
    async with scene() as made:
        made.apply()
        await made.start_operator()
        # The first lists are repeated by the start-up (tests/integration/operator/test_process.py) until they come.
        calls = fail_each_call(made, fault, times)
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), PATIENCE)
        made.annotate()
        await made.until(lambda: made.active == made.version_to_come(), PATIENCE)
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), PATIENCE)
        made.label_studio.webhooks.clear()
        await made.until(lambda: made.label_studio.webhooks, PATIENCE)
        await made.settle(130.0)
        return made.end_state(), calls


async def asked_again(plural: str, seconds: int) -> list[float]:
    """When the first write of a kind was tried, reported to come back later until then."""
    asked: list[float] = []
    async with scene() as made:
        loop = asyncio.get_running_loop()

        async def busy(request: web.Request, seen: Seen, carry_out: CarryOut) -> web.StreamResponse:
            if not (seen.is_write and seen.plural == plural):
                return await carry_out()
            asked.append(loop.time())
            if len(asked) == 1:
                return await says(429, Retry_After=str(seconds))(request, carry_out)
            return await carry_out()

        made.api.interceptor = busy
        made.apply()
        await made.start_operator()
        await made.until(lambda: len(asked) > 1, PATIENCE)
    return asked


@pytest.mark.chaos_case("8")
@pytest.mark.parametrize("plural", ["services", "deployments", "secrets", "labelstudiobackends"])
def test_who_is_told_when_to_come_back_does_not_come_before(plural: str) -> None:
    first, second = virtually(asked_again(plural, 20))[:2]
    assert 20.0 <= second - first <= 30.0


@cache
def undisturbed() -> tuple[Json, Counter[str]]:
    return virtually(lived(None, 0))


@pytest.mark.chaos_case("8")
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_error_on_every_call(fault: Fault, times: int) -> None:
    want, usual = undisturbed()
    end, calls = virtually(lived(fault, times))
    assert end == want
    assert {name for name in usual if not name.startswith("GET")} <= calls.keys()
    assert len(usual) > 15


async def moved_and_deleted(fault: Fault | None, times: int) -> tuple[Json, Counter[str], float]:
    """Put on another base image, then deleted; each call fails so often for each of the two."""
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        calls = fail_each_call(made, fault, times)
        made.apply(image=OTHER_IMAGE)
        await made.until(lambda: made.world.condition("Rebased") == ("True", "Rebased"), PATIENCE)
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), PATIENCE)
        await made.settle(130.0)
        end = made.end_state()
        of_deletion = fail_each_call(made, fault, times)
        made.delete()
        took = await made.until(lambda: not made.world.found(), PATIENCE)
        assert made.world.operator is not None
        incomplete = made.world.operator.metrics.registry.get_sample_value("labelloop_deregistrations_incomplete_total")
        left = [*made.label_studio.webhooks.values(), *made.label_studio.backends.values()]
        if fault is not FAULTS["404"]:  # which says that the project is gone, and everything in it
            assert not left or incomplete, "what stays is reported"
        assert not incomplete or took >= DEREGISTER_TIMEOUT
        return end, calls + of_deletion, took


@cache
def undisturbed_end() -> tuple[Json, Counter[str], float]:
    return virtually(moved_and_deleted(None, 0))


@pytest.mark.chaos_case("8")
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_every_error_on_every_call_of_a_rebase_and_of_a_deletion(fault: Fault, times: int) -> None:
    want, usual, _ = undisturbed_end()
    end, calls, took = virtually(moved_and_deleted(fault, times))
    assert end == want
    assert took <= DEREGISTER_TIMEOUT + times * LONGEST_RETRY
    if took < DEREGISTER_TIMEOUT and fault is not FAULTS["404"]:
        others = {name for name in usual if not name.startswith("GET") and " events " not in name}
        assert others <= calls.keys()
    assert {name.split()[0] for name in usual} >= {"POST", "PATCH", "DELETE"}
