"""Liveness and readiness: is the loop turning, are the lists fresh, does work get done?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

LAG_LIMIT = 10.0
"""Seconds by which the event loop's own timer may be late."""
STUCK_LIMIT = 300.0
"""Seconds a due resource may wait or be worked on."""
_TICK = 1.0


@dataclass(frozen=True)
class Verdict:
    """`problems` empty: fine."""

    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is nothing wrong."""
        return not self.problems

    def text(self) -> str:
        """One line a problem, or `ok`."""
        return "\n".join(self.problems) or "ok"


class Health:
    """Collects what the probes judge by. Times are those of the event loop's clock, in seconds."""

    def __init__(
        self,
        list_limit: float,
        oldest_key: Callable[[], float] = lambda: 0.0,
        leading: Callable[[], bool] = lambda: True,
    ) -> None:
        self._list_limit = list_limit
        self._oldest_key = oldest_key
        self._leading = leading
        self._lag = 0.0
        self._listed_at: float | None = None
        self.prefilled = False

    def listed(self) -> None:
        """A complete list of everything was read."""
        self._listed_at = asyncio.get_running_loop().time()

    async def measure_lag(self) -> None:
        """Measure, until cancelled, how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK)
            self._lag = loop.time() - before - _TICK

    def live(self) -> Verdict:
        """Whether a restart could help. An API server that is down is no reason: lists are judged from the first on."""
        problems = []
        if self._lag > LAG_LIMIT:
            problems.append(f"the event loop is {self._lag:.0f} s late")
        if self._oldest_key() > STUCK_LIMIT:
            problems.append(f"a resource waits for {self._oldest_key():.0f} s")
        if self._listed_at is not None:
            age = asyncio.get_running_loop().time() - self._listed_at
            if age > self._list_limit:
                problems.append(f"the newest complete list is {age:.0f} s old")
        return Verdict(tuple(problems))

    def ready(self) -> Verdict:
        """Whether relayed requests can be taken: leading, with a full cache."""
        problems = []
        if not self._leading():
            problems.append("another replica leads")
        if not self.prefilled:
            problems.append("the cache is not filled yet")
        return Verdict(tuple(problems))
