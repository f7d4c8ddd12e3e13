"""Waiting for conditions with a deadline, instead of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds until a test that hangs is ended: many times what a busy machine needs, since a deadline measures nothing.
What a test claims about time is a claim about the settings it runs with, and stands where it is asserted."""


class StepError(AssertionError):
    """Something that a test or the demo needs did not happen.

    `summary` is one line: what was awaited. `details` is what was observed instead, of any length.
    """

    def __init__(self, summary: str, details: str = "") -> None:
        super().__init__(f"{summary}\n{details}" if details else summary)
        self.summary = summary
        self.details = details


def eventually(
    condition: Callable[[], T | None],
    timeout: float,
    message: str | Callable[[], str],
    interval: float = 0.2,
    details: Callable[[], str] | None = None,
) -> T:
    """Ask `condition` until it gives something true, and give that back.

    An AssertionError raised by the condition counts as "not yet"; the last one is reported at the deadline.
    `timeout` and `interval` are seconds. Raises StepError with `message`, which names what was awaited, and
    `details`, which describe what is there instead (both called only when needed).
    """
    deadline = time.monotonic() + timeout
    last: AssertionError | None = None
    while True:
        try:
            answer = condition()
        except AssertionError as error:
            last = error
        else:
            last = None
            if answer:
                return answer
        if time.monotonic() > deadline:
            told = message() if callable(message) else message
            raise StepError(f"not within {timeout:g} s: {told}", details() if details else "") from last
        time.sleep(interval)


def throughout(seconds: float, condition: Callable[[], bool], message: str, interval: float = 0.2) -> None:
    """Check that `condition` holds all the time for some seconds: the way to see that something does not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), message
        time.sleep(interval)
