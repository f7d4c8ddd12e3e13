"""Stories of resources in virtual time, with a Label Studio that is asked as often as by default."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from tests.fakes.operator import NAME, World, world
from tests.fakes.virtual_network import virtually

from labelloop_operator.label_studio.project_ref import PollIntervals


def clock() -> datetime:
    """A day at the loop's time."""
    return datetime(2026, 11, 22, 6, 0, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())


def told(story: Callable[[World], Awaitable[None]], patience: float) -> None:
    """A story of a resource that trains every ten updates and became Ready within `patience` virtual seconds."""

    async def tell() -> None:
        async with world() as made:
            made.pace, made.clock = PollIntervals(poll=30.0, scan=1200.0), clock
            made.resource(training={"updatesPerTraining": 10})
            await made.run()
            await until(made, lambda: made.condition("Ready") == ("True", "Ready"), patience)
            await story(made)

    virtually(tell())


async def until(made: World, condition: Callable[[], object], patience: float, name: str = NAME) -> None:
    """Pods serve until it holds, within `patience` virtual seconds; `name`: whose status a failure tells."""
    end = asyncio.get_running_loop().time() + patience
    while not condition():
        assert asyncio.get_running_loop().time() < end, made.found(name).get("status") or made.found().get("status")
        made.pods_serve()
        await asyncio.sleep(0.5)
