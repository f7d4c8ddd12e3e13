"""Label Studio in every trouble; resources and namespaces that go at every moment."""

from collections.abc import Callable

import pytest
from aiohttp import web
from tests.chaos.plans import PLANS, Plan, Start, prepared, standing, told, trained
from tests.fakes.kubernetes import Seen
from tests.fakes.scene import BACKENDS, NAMESPACE, PLACE, Killer, Scene, scene
from tests.fakes.virtual_network import virtually

DEREGISTER_TIMEOUT = 60.0
Trouble = Callable[[Scene], Callable[[], None]]
"""Begins the trouble and gives what ends it."""


def _broken(status: int) -> Trouble:
    def begin(made: Scene) -> Callable[[], None]:
        made.label_studio.broken = status
        return lambda: setattr(made.label_studio, "broken", None)

    return begin


def _switch(name: str) -> Trouble:
    def begin(made: Scene) -> Callable[[], None]:
        setattr(made.label_studio, name, True)
        return lambda: setattr(made.label_studio, name, False)

    return begin


def _silent(made: Scene) -> Callable[[], None]:
    made.label_studio.held = lambda: True
    return lambda: setattr(made.label_studio, "held", lambda: False)


def _project_gone(made: Scene) -> Callable[[], None]:
    project = made.label_studio.projects.pop(7)
    return lambda: made.label_studio.projects.update({7: project})


def _webhook_switched_off(made: Scene) -> Callable[[], None]:
    for webhook in made.label_studio.webhooks.values():
        webhook["is_active"] = False
    return lambda: None


def _blocked(made: Scene) -> Callable[[], None]:
    made.label_studio.webhooks.clear()
    made.label_studio.guard_webhooks = True
    return lambda: setattr(made.label_studio, "guard_webhooks", False)


TROUBLES: dict[str, tuple[Trouble, str]] = {
    "401": (_broken(401), "Unauthorized"),
    "403": (_broken(403), ""),
    "500": (_broken(500), ""),
    "another site": (_switch("html"), "NotLabelStudio"),
    "no answer": (_silent, "LabelStudioUnreachable"),
    "project gone": (_project_gone, "ProjectNotFound"),
    "webhook switched off": (_webhook_switched_off, "Registered"),
    "address blocked": (_blocked, "AddressBlocked"),
}


async def in_trouble(trouble: Trouble, reason: str) -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        before = made.end_state()
        end = trouble(made)
        if reason != "Registered":
            await made.until(lambda: made.world.condition("Registered")[0] == "False", patience=600.0)
        if reason:
            await made.until(lambda: made.world.condition("Registered")[1] == reason, patience=600.0)
        assert made.world.condition("Serving") == ("True", "Available")
        assert (made.active, len(made.selected)) == (before["active"], 2)
        await made.pass_time(60.0)
        assert len(made.jobs) == 1
        end()
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), patience=900.0)
        await made.settle()
        assert made.end_state() == before
        made.annotate()
        await made.until(lambda: made.active == made.version_to_come())


@pytest.mark.chaos_case("13")
@pytest.mark.parametrize(("trouble", "reason"), TROUBLES.values(), ids=list(TROUBLES))
def test_label_studio_in_trouble(trouble: Trouble, reason: str) -> None:
    virtually(in_trouble(trouble, reason))


def writes_of(plan: Plan) -> int:
    """How many the plan takes."""
    killer = Killer()
    virtually(told(plan, lambda made: made.count_writes(killer)))
    return killer.writes


async def deleted(
    plan: Plan, start: Start, write: int, operator_down: bool, label_studio_down: bool
) -> tuple[float, int]:
    """The seconds until it was gone, and the last write before it was deleted."""
    async with standing(start) as made:
        reached = await made.act_until_write(plan.act, write, kill=operator_down)
        if label_studio_down:
            made.label_studio.broken = 502
        if not made.world.found():
            return 0.0, reached
        made.delete()
        if operator_down:
            await made.world.crash()
            await made.world.label_studio.stop()  # away as well for a while
            await made.label_studio.start()
        seconds = await made.until(lambda: not made.world.found(), patience=300.0)
        await made.settle(10.0)
        if not label_studio_down:
            assert (made.label_studio.backends, made.label_studio.webhooks) == ({}, {})
        left = [item for plural in ("deployments", "services", "jobs") for item in made.api.all(plural)]
        assert not left
        return seconds, reached


@pytest.mark.chaos_case("14")
@pytest.mark.parametrize("name", ["first deployment", "first training"])
@pytest.mark.parametrize(
    ("operator_down", "label_studio_down"),
    [(False, False), (False, True), (True, False)],
    ids=["all well", "Label Studio down", "operator down"],
)
def test_deleted_at_any_write(name: str, operator_down: bool, label_studio_down: bool) -> None:
    plan, write = PLANS[name], 0
    start, last = prepared(plan.before), writes_of(plan)
    while write < last:
        seconds, write = virtually(deleted(plan, start, write + 1, operator_down, label_studio_down))
        assert seconds <= DEREGISTER_TIMEOUT + 30.0, f"deleted at write {write}"


async def namespace_deleted(label_studio_down: bool) -> float:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        await made.world.crash()
        made.delete()
        for plural in ("deployments", "services", "secrets", "jobs"):
            for item in made.api.all(plural):
                made.api.remove(plural, NAMESPACE, item["metadata"]["name"])
        made.label_studio.broken = 502 if label_studio_down else None

        async def terminating(request: web.Request, seen: Seen, carry_out: Callable[[], object]) -> web.StreamResponse:
            known = seen.name and made.api.find(seen.plural, NAMESPACE, seen.name)
            if seen.is_write and not known and seen.plural != BACKENDS:
                message = f"namespace {NAMESPACE} is being terminated: no new content can be created"
                return web.json_response({"kind": "Status", "code": 403, "message": message}, status=403)
            return await carry_out()  # type: ignore[misc, no-any-return]

        made.api.interceptor = terminating
        await made.pass_time(120.0)
        assert made.api.find(*PLACE)
        await made.start_operator()
        return await made.until(lambda: not made.api.find(*PLACE), patience=300.0)


@pytest.mark.chaos_case("15")
@pytest.mark.parametrize("label_studio_down", [False, True])
def test_a_namespace_deleted_while_the_operator_is_down_goes(label_studio_down: bool) -> None:
    assert virtually(namespace_deleted(label_studio_down)) <= DEREGISTER_TIMEOUT + 30.0
