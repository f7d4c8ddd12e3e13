"""The operator killed amid its work ends like one that was never killed (tests/chaos tries every single write)."""

import pytest
from tests.fakes.story import fast, told


@pytest.mark.parametrize(("kill_at", "after"), [(2, True), (5, False), (9, True), (14, True), (20, False)])
async def test_killed_around_a_write(monkeypatch: pytest.MonkeyPatch, kill_at: int, after: bool) -> None:
    fast(monkeypatch.setattr)
    want, _ = await told()
    end, lives = await told(kill_at, after)
    assert lives == 2
    assert end == want
