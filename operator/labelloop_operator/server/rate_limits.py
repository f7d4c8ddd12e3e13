"""Token buckets: how many requests a backend may relay."""

from collections.abc import Callable, Hashable
from time import monotonic

MOST_BUCKETS = 1000
"""Kept without a look at which of them nobody needs any more."""


class RateLimit:
    """`rate` requests a second for each key, and `burst` at once after a pause."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self._look_at = MOST_BUCKETS

    def allow(self, key: Hashable) -> bool:
        """Take one request from the key's bucket; False when it is empty."""
        now = self._clock()
        tokens, at = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._look_at:
            self._drop_full(now)
        return allowed

    def _drop_full(self, now: float) -> None:
        """A full bucket is as good as none."""
        used = {
            key: (tokens, at)
            for key, (tokens, at) in self._buckets.items()
            if tokens + (now - at) * self._rate < self._burst
        }
        self._buckets = used
        self._look_at = max(MOST_BUCKETS, 2 * len(used))
