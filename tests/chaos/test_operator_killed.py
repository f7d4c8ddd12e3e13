"""The operator killed before and after every single write to the API server: always the same end."""

import pytest
from tests.fakes.story import fast, told


async def test_killed_around_every_write(monkeypatch: pytest.MonkeyPatch) -> None:
    fast(monkeypatch.setattr)
    want, _ = await told()
    kill_at, killed = 0, True
    while killed:
        kill_at += 1
        killed = False
        for after in (False, True):
            end, lives = await told(kill_at, after)
            killed |= lives > 1
            assert end == want, f"killed {'after' if after else 'before'} write {kill_at}"
    assert kill_at > 10
