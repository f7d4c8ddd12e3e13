"""Waiting for a condition instead of sleeping."""

import asyncio
from collections.abc import Callable

DEADLINE = 120.0
"""Seconds until a test that hangs is ended; a busy machine is no reason."""


async def until(condition: Callable[[], object], what: str = "the condition", deadline: float = DEADLINE) -> None:
    """Return as soon as `condition` holds; AssertionError after `deadline` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while not condition():
        if loop.time() > end:
            raise AssertionError(f"{what} did not come true within {deadline:g} s")
        await asyncio.sleep(0.005)
