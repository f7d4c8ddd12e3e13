"""Clocks that jump, two operators at once, leaders that freeze, status and annotations that are wiped."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from tests.chaos.plans import PLANS, Plan, Start, prepared, standing, told
from tests.fakes.kubernetes import Seen
from tests.fakes.operator import Operator, connect
from tests.fakes.scene import NAMESPACE, PLACE, Json, Killer, Scene, scene
from tests.fakes.virtual_network import virtually

from labelloop_operator.kubernetes.leader_election import Leader

SOME = ["first deployment", "second training", "training that fails once", "Start Training"]


async def disturbed(plan: Plan, start: Start, write: int, deed: Any, active: str | None = None) -> tuple[Json, int]:
    """Something is done to the world right after the Nth write; `active` is waited for, if reported.

    Returns the end, and the last of the writes after which it was done.
    """
    async with standing(start) as made:
        reached = await made.act_until_write(plan.act, write)
        deed(made)
        if active is not None:  # a back-off may last an hour longer when the clock goes back
            await made.until(lambda: made.active == active, 2 * 3600.0)
        await made.settle(plan.quiet)
        return made.end_state(), reached


def at_each_moment(plan: Plan, writes: int, deed: Any, active: str | None = None) -> Iterator[tuple[Json, str]]:
    """The end for every moment between two writes, and which it was."""
    start, write = prepared(plan.before), 0
    while write < writes:
        end, write = virtually(disturbed(plan, start, write + 1, deed, active))
        yield end, f"after write {write} of {writes}"


@pytest.mark.chaos_case("16")
@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("name", SOME)
def test_a_clock_that_jumps_at_any_write_trains_nothing_more(name: str, hours: int) -> None:
    plan, counted = PLANS[name], Killer()
    want = virtually(told(plan, lambda made: made.count_writes(counted)))

    def jump(made: Scene) -> None:
        made.skew += timedelta(hours=hours)

    for end, where in at_each_moment(plan, counted.writes, jump, want["active"]):
        assert end["trainings"] == want["trainings"], where


async def slowly(_: web.Request, seen: Seen, carry_out: Any) -> web.StreamResponse:
    """Until both have counted they write the number of updates back and forth: that must take some time."""
    await asyncio.sleep(0.1 if seen.is_write else 0.0)
    return await carry_out()


async def beside_each_other(plan: Plan) -> Json:
    async with scene() as made:
        made.api.interceptor = slowly
        await made.start_operator()
        other = await Operator(
            made.api, made.world.pace, made.now, made.world.resync, registry=made.world.registry
        ).start()
        await plan.before(made)
        await plan.act(made)
        await made.settle(plan.quiet + 60.0)
        await other.crash()
        return made.end_state()


@pytest.mark.chaos_case("17")
@pytest.mark.parametrize("name", PLANS)
def test_two_operators_at_once_end_like_one(name: str) -> None:
    assert virtually(beside_each_other(PLANS[name])) == virtually(told(PLANS[name]))


def wipe_status(made: Scene) -> None:
    if made.world.found():
        made.api.patch(*PLACE, lambda live: live.pop("status", None))


def wipe_annotations(made: Scene) -> None:
    for plural in ("deployments", "services", "jobs"):
        for item in made.api.all(plural):
            made.api.patch(plural, NAMESPACE, item["metadata"]["name"], _without_annotations)
    if made.world.found():
        made.api.patch(*PLACE, _without_annotations)


def _without_annotations(live: Json) -> None:
    live["metadata"].pop("annotations", None)


KEPT = ("finalizers", "active", "candidate", "backends", "webhooks", "children")


@pytest.mark.chaos_case("18")
@pytest.mark.parametrize("wipe", [wipe_status, wipe_annotations])
@pytest.mark.parametrize("name", ["first deployment", "second training", "pin", "roll-out that never serves"])
def test_wiped_at_any_write_it_is_rebuilt(name: str, wipe: Any) -> None:
    plan, counted = PLANS[name], Killer()
    want = virtually(told(plan, lambda made: made.count_writes(counted)))
    for end, where in at_each_moment(plan, counted.writes, wipe):
        if name != "roll-out that never serves":  # what was refused is forgotten with the status: it is tried again
            assert {key: end[key] for key in KEPT} == {key: want[key] for key in KEPT}, where
        assert end["training"]["pendingUpdates"] == 0, where
        assert ("Ready", "True", "Ready") in end["conditions"], where


class Replica:
    """An operator that holds the Lease, or waits for it."""

    def __init__(self, made: Scene, name: str) -> None:
        self.made = made
        self.leader = Leader(connect(made.api), "labelloop-system", "labelloop-operator", name, self.clock)
        self.operator: Operator | None = None

    def clock(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self) -> None:
        await self.leader.acquire()
        made = self.made
        world = made.world
        self.operator = Operator(made.api, world.pace, made.now, world.resync, self.leader.is_leader)
        await self.operator.start()
        await self.leader.renew_until_lost()


async def failed_over() -> tuple[Json, float]:
    """The first leader loses touch with its Lease only: its engine would go on working."""
    async with scene() as made:
        first, second = Replica(made, "first"), Replica(made, "second")
        tasks = [asyncio.create_task(first.run())]
        await made.until(first.leader.is_leader, 60.0)
        tasks.append(asyncio.create_task(second.run()))
        made.apply()
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"), 60.0)
        tasks[0].cancel()
        began = asyncio.get_running_loop().time()
        made.annotate()
        await made.until(lambda: not first.leader.is_leader(), 15.0)
        from_here = len(made.api.requests)
        await made.until(second.leader.is_leader, 30.0)
        seconds = asyncio.get_running_loop().time() - began
        lease = made.api.find("leases", "labelloop-system", "labelloop-operator")
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == "second"
        assert not [seen for seen in made.api.requests[from_here:] if seen.is_write and seen.plural in PLACE]
        await made.until(lambda: made.active == made.version_to_come(), 120.0)
        await made.pass_time(30.0)
        end = made.end_state()
        for replica in (first, second):
            assert replica.operator is not None
            await replica.operator.crash()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return end, seconds


@pytest.mark.chaos_case("20")
def test_a_leader_that_cannot_renew_its_lease_writes_nothing_more_and_another_one_leads() -> None:
    end, seconds = virtually(failed_over())
    assert seconds <= 20.0
    assert end["trainings"] == 1
    assert end["active"].startswith("model-")
