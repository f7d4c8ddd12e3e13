"""The operator killed amid its work ends like one that was never killed (tests/chaos tries every single write)."""

import pytest
from tests.fakes.scene import Json, Killer, scene
from tests.fakes.virtual_network import virtually


async def told(killer: Killer) -> tuple[Json, int]:
    """From creation to the first trained version: the end state, and how many lives the operator had."""
    async with scene() as made:
        await made.start_operator()
        made.count_writes(killer)
        made.apply()
        await made.until(lambda: made.world.condition("Ready") == ("True", "Ready"))
        made.annotate()
        await made.until(lambda: made.active == made.version_to_come())
        await made.settle()
        assert made.world.condition("Ready") == ("True", "Ready")
        assert made.world.training.get("pendingUpdates") == 0
        assert [item["title"] for item in made.label_studio.backends.values()] == [made.version_to_come()]
        assert (len(made.api.all("jobs")), len(made.api.all("deployments"))) == (0, 1)
        return made.end_state(), made.lives


@pytest.mark.parametrize(("kill_at", "after"), [(2, True), (5, False), (9, True), (14, True), (20, False)])
def test_killed_around_a_write(kill_at: int, after: bool) -> None:
    want, _ = virtually(told(Killer()))
    end, lives = virtually(told(Killer(kill_at, after)))
    assert lives == 2
    assert end == want
