"""Waiting for conditions with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

from labcluster.errors import ClusterError

T = TypeVar("T")

_POLL_INTERVAL = 0.03


def wait_for(what: str, probe: Callable[[], T], seconds: float) -> T:
    """Ask `probe` until it gives something true, and give that back."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise ClusterError(f"no {what} within {seconds:.0f} s")
        time.sleep(_POLL_INTERVAL)
