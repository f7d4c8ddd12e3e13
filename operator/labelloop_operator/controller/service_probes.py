"""Asks every backend through its Service which version answers, outside the reconciles: a slow one delays nothing else.

Asked at once when a route changes, often until the wanted version answers, and seldom from then on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from labelloop_operator.kubernetes.cache import Key
from labelloop_operator.planning.actions import ProbeService
from labelloop_operator.planning.observed import ProbeFacts
from labelloop_operator.planning.probe_results import FAILURES

RETRY = 0.5
"""Seconds between two probes while the wanted version does not answer."""
RETRIES = 20
"""As many probes at that pace; each further one waits half as long again."""
RETRY_MAXIMUM = 15.0
AT_REST = 5.0
"""Probes a second of all resources that answer: a probe takes about 2 ms of processor time."""
AT_ONCE = 64
"""Probes under way at a time, of all resources."""

Ask = Callable[[str], Awaitable[str]]


@dataclass
class _Probe:
    """What is asked for one resource, and how often it was asked in vain."""

    action: ProbeService
    facts: ProbeFacts
    timer: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None
    vain: int = field(default=0)


class ServiceProbes:
    """One probe at a time for each resource."""

    def __init__(
        self,
        ask: Ask | None,
        interval: float,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),  # noqa: S311 - no secret
    ) -> None:
        """`ask` gives the version that answers at a URL, or raises; None: nothing is ever asked."""
        self._ask = ask
        self._interval = interval
        self._wake = wake
        self._clock = clock
        self._jitter = jitter
        self._probes: dict[Key, _Probe] = {}
        self._free = asyncio.Semaphore(AT_ONCE)

    def facts(self, key: Key) -> ProbeFacts:
        """What was answered since the route changed."""
        known = self._probes.get(key)
        return known.facts if known else ProbeFacts(enabled=self._ask is not None)

    def perform(self, key: Key, action: ProbeService) -> None:
        """Ask at once when anything of the action is new; what is under way then describes the past."""
        known = self._probes.get(key)
        if known is not None and known.action == action:
            return
        same_route = known is not None and known.action.route == action.route
        before = known.facts if known else ProbeFacts()
        facts = before if same_route else ProbeFacts(enabled=True, route=action.route, error=before.error)
        self.forget(key)
        probe = self._probes[key] = _Probe(action, facts)
        self._begin(key, probe)

    def forget(self, key: Key) -> None:
        """Ask no more."""
        known = self._probes.pop(key, None)
        if known is None:
            return
        if known.timer is not None:
            known.timer.cancel()
        if known.task is not None:
            known.task.cancel()

    async def close(self) -> None:
        """Stop everything."""
        tasks = [probe.task for probe in self._probes.values() if probe.task is not None]
        for key in list(self._probes):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: Key, probe: _Probe) -> None:
        probe.timer = None
        probe.task = asyncio.create_task(self._run(key, probe), name=f"probe {key}")

    async def _run(self, key: Key, probe: _Probe) -> None:
        assert self._ask is not None  # noqa: S101 - without it no plan asks for probes
        before = probe.facts
        async with self._free:
            try:
                version = await self._ask(probe.action.url)
            except Exception as error:  # whatever it is: nothing answered
                probe.facts = _failed(before, str(error), self._clock())
            else:
                probe.facts = replace(before, version=version, failures=0, failing_since=None, error="")
        answers = probe.facts.failures == 0 and probe.facts.version == probe.action.version
        probe.vain = 0 if answers else probe.vain + 1
        pause = self._at_rest() if answers else _retry(probe.vain)
        probe.timer = asyncio.get_running_loop().call_later(pause, self._begin, key, probe)
        if _is_news(before, probe.facts):
            self._wake(key)

    def _at_rest(self) -> float:
        return max(self._interval, len(self._probes) / AT_REST) * self._jitter()


def _failed(before: ProbeFacts, error: str, now: datetime) -> ProbeFacts:
    since = before.failing_since or now
    return replace(before, failures=before.failures + 1, failing_since=since, error=error)


def _retry(vain: int) -> float:
    return min(RETRY_MAXIMUM, RETRY * 1.5 ** max(0, vain - RETRIES))


def _is_news(before: ProbeFacts, after: ProbeFacts) -> bool:
    """Whether a plan may come out otherwise: a reconcile for each probe would be most of what the operator does."""
    if after.failures:
        return after.failures == FAILURES or (after.failures > FAILURES and after.error != before.error)
    return before.version != after.version or before.failures >= FAILURES
