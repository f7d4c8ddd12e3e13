"""Up to which time all changes of a project can be seen, by Label Studio's own clock.

A change becomes visible at most `OVERLAP` after the time it carries. So with the newest change of any task, everything
is visible up to `OVERLAP` before it; and when `OVERLAP` has passed since it was first seen, everything up to it. It is
this that makes counts cheap after an import, all of whose tasks were changed within seconds.
"""

from datetime import datetime

from labelloop.label_studio.task_api import OVERLAP


class VisibilityWatermark:
    """Gets the newest change of any task each time that somebody has asked for it."""

    def __init__(self) -> None:
        self.safe_until: datetime | None = None
        """All changes with times up to here can be seen; None: not known."""
        self._newest: datetime | None = None
        self._since = 0.0

    def observe(self, newest: datetime | None, now: float) -> None:
        """`newest` was just answered (None: there is no task); `now` in seconds of a clock that is never set."""
        if newest is None or self._newest is None or self.safe_until is None or newest < self._newest:
            # The first one, or the newest task is gone, or a backup was restored: nothing known before holds.
            self._newest, self._since = newest, now
            self.safe_until = None if newest is None else newest - OVERLAP
            return
        if now - self._since >= OVERLAP.total_seconds():
            self.safe_until = max(self.safe_until, self._newest)
        if newest > self._newest:
            self._newest, self._since = newest, now
            self.safe_until = max(self.safe_until, newest - OVERLAP)
