"""Work queue: keys deduplicated, one key at a time, delayed adds, back-off with jitter after failures.

After Go's client-go `workqueue`: an added key that is being worked on is worked on once more afterwards; a key
waits at most once, at its earliest due time.
"""

import asyncio
import heapq
import random
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")

BASE_DELAY = 0.5
"""Seconds before the first retry; doubled with every further failure."""
MAXIMUM_DELAY = 60.0


class WorkQueue(Generic[Key]):
    """Keys to work on. Not thread-safe: used from one event loop, whose clock it reads."""

    def __init__(self, jitter: Callable[[], float] = lambda: random.uniform(0.7, 1.3)) -> None:  # noqa: S311 - no secret
        self._jitter = jitter
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._sequence = 0
        self._active: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._held: dict[Key, float] = {}
        """Keys that may not be worked on before a time, whatever wakes them."""
        self._changed = asyncio.Event()
        self._calm = asyncio.Event()

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Work on `key` in `delay` seconds, or earlier if it is already due earlier."""
        due = max(self._now() + delay, self._held.get(key, 0.0))
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))
        self._changed.set()

    def retry(self, key: Key, at_least: float = 0.0) -> float:
        """Add `key` after its back-off; returns the seconds chosen. `at_least`: until then nothing else wakes it."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(BASE_DELAY * 2.0 ** min(failures - 1, 16), MAXIMUM_DELAY) * self._jitter()
        if at_least > 0:
            self._held[key] = self._now() + at_least
            self._due.pop(key, None)  # what has woken it already must wait too
            delay = max(delay, at_least)
        self.add(key, delay)
        return delay

    def forget(self, key: Key) -> None:
        """The last work on `key` went well: its next failure starts the back-off again."""
        self._failures.pop(key, None)
        self._held.pop(key, None)

    def failures(self, key: Key) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> Key:
        """The next due key; the caller says `done(key)` afterwards. Until then nobody else gets this key."""
        while True:
            key, wait = self._pop()
            if key is not None:
                return key
            self._calm.set()
            self._changed.clear()
            try:
                # Not wait_for: in Python 3.11 it may swallow the cancellation of a worker.
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def calm(self) -> None:
        """Until somebody asks for work and there is none that is due."""
        self._calm.clear()
        await self._calm.wait()

    def done(self, key: Key) -> None:
        """The work on `key` ended; had it been added meanwhile, it is due again."""
        self._active.pop(key, None)
        self._changed.set()

    def _pop(self) -> tuple[Key | None, float | None]:
        """A due key and None, or None and the seconds until the next one is due (None: nothing waits)."""
        now = self._now()
        blocked: list[tuple[float, int, Key]] = []
        found: Key | None = None
        wait: float | None = None
        while self._heap:
            due, sequence, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)
                continue
            if due > now:
                wait = due - now
                break
            heapq.heappop(self._heap)
            if key in self._active:
                blocked.append((due, sequence, key))
                continue
            del self._due[key]
            self._active[key] = now
            found = key
            break
        for entry in blocked:
            heapq.heappush(self._heap, entry)
        return found, wait

    @property
    def depth(self) -> int:
        """Keys that are due now and not being worked on."""
        now = self._now()
        return sum(1 for key, due in self._due.items() if due <= now and key not in self._active)

    @property
    def oldest(self) -> float:
        """Seconds for which the longest-suffering key is overdue or being worked on; 0 when there is none."""
        now = self._now()
        overdue = (now - due for due in self._due.values())
        working = (now - since for since in self._active.values())
        return max(0.0, max(overdue, default=0.0), max(working, default=0.0))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
