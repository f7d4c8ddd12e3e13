"""Token buckets: how many requests a backend may relay."""

from collections.abc import Callable, Hashable
from time import monotonic


class RateLimit:
    """`rate` requests a second for each key, and `burst` at once after a pause."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def allow(self, key: Hashable) -> bool:
        """Take one request from the key's bucket; False when it is empty."""
        now = self._clock()
        tokens, at = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        return allowed

    def forget(self, key: Hashable) -> None:
        """Drop the key's bucket."""
        self._buckets.pop(key, None)
