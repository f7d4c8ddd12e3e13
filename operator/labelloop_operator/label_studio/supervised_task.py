"""Loops that must not end: one that does, whatever the cause, would leave its resource unwatched without a word."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

_LOG = logging.getLogger(__name__)

RESTART_PAUSE = 5.0
_CLOSE_SECONDS = 5.0


class SupervisedTask:
    """Runs the loop that `make` gives from now until `close`; should it end before, it says so and starts again."""

    def __init__(
        self, make: Callable[[], Coroutine[Any, Any, None]], what: str, fields: Mapping[str, str] | None = None
    ) -> None:
        self._make = make
        self._what = what
        self._fields = dict(fields or {})
        self._closing = False
        self._start()

    async def close(self) -> None:
        """Stop it; one that does not listen is left alone after some seconds."""
        self._closing = True
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)

    def _start(self) -> None:
        if not self._closing:
            self._task = asyncio.create_task(self._make())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._closing:
            return
        why = "was cancelled" if task.cancelled() else "ended"
        _LOG.error("%s %s; it starts again in %g s", self._what, why, RESTART_PAUSE, exc_info=error, extra=self._fields)
        asyncio.get_running_loop().call_later(RESTART_PAUSE, self._start)


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most so many seconds; whether it came. What such a loop does between two rounds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
