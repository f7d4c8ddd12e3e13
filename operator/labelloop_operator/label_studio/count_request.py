"""That somebody wants a new count, and for how long already: a count that never comes must not go unnoticed."""

import asyncio


class CountRequest:
    """Asked for at any time; met by a count that began afterwards and succeeded. Times are the event loop's."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._since: float | None = None
        self._again_since: float | None = None
        self._counting = False

    def ask(self) -> None:
        """Count soon."""
        now = asyncio.get_running_loop().time()
        if self._counting and self._again_since is None:
            self._again_since = now
        elif not self._counting and self._since is None:
            self._since = now
        self.asked.set()

    def begin(self) -> bool:
        """A look begins: what is asked for from now on needs another one. Whether a count was asked for until now."""
        asked = self.asked.is_set()
        self.asked.clear()
        self._counting = True
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
        return asked

    def end(self, succeeded: bool) -> None:
        """The count ended; one that failed leaves the demand."""
        self._counting = False
        if succeeded:
            self._since = self._again_since
        self._again_since = None

    @property
    def overdue_seconds(self) -> float:
        """Seconds for which the oldest demand has not been met; 0: there is none."""
        return 0.0 if self._since is None else asyncio.get_running_loop().time() - self._since
