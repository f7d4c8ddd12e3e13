"""How many updates of a project are pending: the operator's count (labelloop.counting.updates), asked when it is time
to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from labelloop.counting import updates
from labelloop.counting.updates import Cut
from labelloop.label_studio import Operation, counters

# Hints within this time are one count; Label Studio sends one for each annotation of a bulk action.
SETTLE_SECONDS = 0.5


@dataclass
class UpdateCounter:
    """Memory of one project between two counts. Times are seconds of a monotonic clock."""

    poll_seconds: float
    scan_seconds: float
    cut: Cut | None = None
    count: updates.Count | None = None
    _newest: Mapping[int, datetime] = field(default_factory=dict)
    _hint: int = 0
    _hinted_at: float | None = None
    _polled_at: float | None = None
    _counted_at: float | None = None

    def see_hint(self, hint: int, now: float) -> None:
        """`hint` differs from the last one when a worker has got an event."""
        if hint != self._hint:
            self._hint = hint
            self._hinted_at = now if self._hinted_at is None else self._hinted_at

    def move(self, cut: Cut) -> None:
        """Count against `cut` from now on; what was known against another one is void."""
        if cut != self.cut:
            self.cut, self.count, self._newest = cut, None, {}
            self._counted_at = self._polled_at = None

    def due(self, now: float) -> bool:
        """Whether `look` should be done now."""
        hinted = self._hinted_at is not None and now - self._hinted_at >= SETTLE_SECONDS
        return hinted or self._polled_at is None or now - self._polled_at >= self.poll_seconds

    def look(self, project: int, now: float) -> Operation[int]:
        """Count, unless the counters tell that nothing can have changed; gives the repeat edits seen.

        Raises NotFound and other errors of Label Studio; the next look is then one poll later.
        """
        cut = self.cut or Cut()
        hinted, self._hinted_at, self._polled_at = self._hinted_at is not None, None, now
        fresh = self._counted_at is not None and now - self._counted_at < self.scan_seconds
        if self.count is not None and fresh and not hinted:
            found = yield from counters([project])
            if project in found and found[project].size == self.count.size:
                return 0
        count = yield from updates.count(project, cut)
        repeats = updates.repeat_edits(self._newest, count.pending.newest)
        self.count, self._newest, self._counted_at = count, count.pending.newest, now
        return repeats
