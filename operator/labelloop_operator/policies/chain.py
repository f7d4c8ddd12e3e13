"""Chains of named checks: read from top to bottom, the first that has something to say decides."""

from collections.abc import Callable, Sequence
from typing import TypeVar

I = TypeVar("I")  # noqa: E741 - input
V = TypeVar("V")

Check = Callable[[I], V | None]


def first_decision(chain: Sequence[Check[I, V]], given: I) -> V | None:
    """The verdict of the first check that has one."""
    for check in chain:
        decision = check(given)
        if decision is not None:
            return decision
    return None
