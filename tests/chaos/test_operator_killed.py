"""The operator killed before and after every single write, to the API server or to Label Studio, for every plan."""

import pytest
from tests.chaos.plans import PLANS, Plan, Start, prepared, standing
from tests.fakes.scene import Json, Killer
from tests.fakes.virtual_network import virtually


async def told(plan: Plan, start: Start, killer: Killer) -> tuple[Json, int]:
    """The end state, and how many lives the operator had."""
    async with standing(start) as made:
        made.count_writes(killer)
        await plan.act(made)
        await made.settle(plan.quiet)
        return made.end_state(), made.lives


@pytest.mark.chaos_case("1")
@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_killed_around_every_write(plan: Plan) -> None:
    start, undisturbed = prepared(plan.before), Killer()
    want, _ = virtually(told(plan, start, undisturbed))
    assert undisturbed.writes > 2
    for killer in undisturbed.kills():
        end, lives = virtually(told(plan, start, killer))
        where = f"killed {'after' if killer.after else 'before'} write {killer.kill_at} of {undisturbed.writes}"
        assert end == want, where
        assert lives == 2, where
