"""Two things measured side by side: rounds in turns on the same machine, reported as ratios.

A machine's speed drifts (shared cores, temperature, caches); within a round it drifts little. So both sides run in
every round, the order changes from round to round, and what is reported is the median of the rounds' own ratios.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(rounds: int, sides: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Wall-clock seconds of each call, by side, one for each round.

    The order turns round with every round: the first does not always meet the cold caches.
    """
    return alternating(rounds, {name: _timed(call) for name, call in sides.items()})


def alternating(rounds: int, sides: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """What each call returned, by side, one for each round: for sides that measure themselves.

    Raises ValueError for less than one round.
    """
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}: give 1 or more")
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(list(sides)):
            found[name].append(sides[name]())
    return found


def median(values: Sequence[float]) -> float:
    """The middle one: a round next to somebody else's work does not count."""
    return statistics.median(values)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median of the rounds' own ratios.

    How many times faster we are: `ratio(peer, ours)` of seconds, `ratio(ours, peer)` of requests a second.
    Raises ValueError when the rounds do not match.
    """
    return median([over / under for over, under in zip(numerators, denominators, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed: nearest rank, never a value that was not seen."""
    ordered = sorted(values)
    # 0.99 * 100 is a little more than 99 in binary.
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def _timed(call: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    return run
