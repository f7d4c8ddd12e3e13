"""The operator killed before and after every single write, to the API server or to Label Studio, for every plan."""

from datetime import datetime

import pytest
from tests.chaos.plans import PLANS, Plan
from tests.fakes.scene import POLL, Json, Killer, Scene, scene
from tests.fakes.virtual_network import virtually


async def prepared(plan: Plan) -> tuple[Scene, datetime]:
    """How things stand before the plan, and since when."""
    async with scene() as made:
        await made.start_operator()
        await plan.before(made)
        return made, made.now()


async def told(plan: Plan, start: tuple[Scene, datetime], killer: Killer) -> tuple[Json, int]:
    """The end state, and how many lives the operator had."""
    async with scene() as made:
        made.go_on_from(*start)
        await made.start_operator()
        await made.settle(2 * POLL)  # the beginning of a life
        made.count_writes(killer)
        await plan.act(made)
        await made.settle(plan.quiet)
        return made.end_state(), made.lives


@pytest.mark.chaos_case("1")
@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_killed_around_every_write(plan: Plan) -> None:
    start, undisturbed = virtually(prepared(plan)), Killer()
    want, _ = virtually(told(plan, start, undisturbed))
    assert undisturbed.writes > 2
    for write in range(1, undisturbed.writes + 1):
        for after in (False, True):
            end, lives = virtually(told(plan, start, Killer(write, after)))
            where = f"killed {'after' if after else 'before'} write {write} of {undisturbed.writes}"
            assert end == want, where
            assert lives == 2, where
