"""Liveness and readiness: is the loop turning, is the API server asked, are the lists fresh, does work get done?

An API server that does not answer is no reason to restart: while the newest look at the Lease failed, neither lists nor
work are judged, and when it answers again their time starts again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

LAG_LIMIT = 10.0
"""Seconds by which the event loop's own timer may be late."""
STUCK_LIMIT = 300.0
"""Seconds a due resource may wait or be worked on."""
SILENT_LIMIT = 60.0
"""Seconds without any attempt to ask the API server for the Lease, which is due every second or two."""
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
        self._asked_at: float | None = None
        self._answered_once = False
        self._answering_since: float | None = None
        self.prefilled = False

    def listed(self) -> None:
        """A complete list of everything was read."""
        self._listed_at = _now()

    def asked(self, answered: bool) -> None:
        """An attempt to read or renew the Lease ended."""
        self._asked_at = _now()
        self._answered_once = self._answered_once or answered
        if not answered:
            self._answering_since = None
        elif self._answering_since is None:
            self._answering_since = self._asked_at

    async def measure_lag(self) -> None:
        """Measure, until cancelled, how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(_TICK)
            self._lag = loop.time() - before - _TICK

    def live(self) -> Verdict:
        """Whether a restart could help: the process is stuck, or deaf although the API server answers."""
        problems = []
        if self._lag > LAG_LIMIT:
            problems.append(f"the event loop is {self._lag:.0f} s late")
        if self._asked_at is not None and _now() - self._asked_at > SILENT_LIMIT:
            problems.append(f"the API server was not asked for {_now() - self._asked_at:.0f} s")
        if self._answering_since is not None and self._leading():
            problems += self._deaf(_now() - self._answering_since)
        return Verdict(tuple(problems))

    def _deaf(self, answering: float) -> list[str]:
        """What did not get done in the seconds for which the API server has been answering."""
        problems = []
        stuck = min(self._oldest_key(), answering)
        if stuck > STUCK_LIMIT:
            problems.append(f"a resource waits for {stuck:.0f} s")
        if self._listed_at is not None:
            age = min(_now() - self._listed_at, answering)
            if age > self._list_limit:
                problems.append(f"the newest complete list is {age:.0f} s old")
        return problems

    def ready(self) -> Verdict:
        """Whether relayed requests can be taken: the Lease could be read, and who leads has a full cache."""
        problems = []
        if not self._answered_once:
            problems.append("the lease was not read yet")
        if self._leading() and not self.prefilled:
            problems.append("the cache is not filled yet")
        return Verdict(tuple(problems))


def _now() -> float:
    return asyncio.get_running_loop().time()
