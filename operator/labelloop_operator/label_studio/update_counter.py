"""The memory behind one resource's count: the newest count, and the repeat edits seen since the last status write.

Everything but the repeat edits is derived from Label Studio by each count (labelloop.counting.updates), which may start
from the rows that the last one kept; an edit of an annotation that is already pending shows in no count, so each one
that is seen - by a count or reported by an authenticated webhook - adds one.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from labelloop.counting import updates
from labelloop.counting.pending_rows import Kept
from labelloop_operator.api.status import Cut
from labelloop_operator.planning.observed import PendingFacts

MOST_TOLD = 20_000
"""Annotations that are known only because webhooks reported them: while no count succeeds, a backend could tell ever
more. Repeat edits of those beyond are not seen before a count has found the annotation."""


class UpdateCounter:
    """Counts of one project against one cut."""

    def __init__(self, cut: Cut) -> None:
        self._start(cut)

    def _start(self, cut: Cut) -> None:
        self.cut = cut
        self._newest: dict[int, datetime] = {}
        self._told: dict[int, datetime] = {}
        self._most = MOST_TOLD
        self._repeats = 0
        self._facts: PendingFacts | None = None
        self.kept: Kept | None = None
        """What the next count may start from."""

    def reset(self, cut: Cut) -> bool:
        """Count against `cut` from now on; True when that is another one: everything known is then void."""
        if cut == self.cut:
            return False
        self._start(cut)
        return True

    def record_webhook(self, annotations: Iterable[tuple[int, datetime]]) -> bool:
        """What an authenticated webhook reported: annotation id and `updated_at`. True when it was a repeat edit."""
        before = self._repeats
        for annotation, updated_at in annotations:
            if self.cut.updated_at is not None and updated_at <= self.cut.updated_at:
                continue
            known = self._newest.get(annotation)
            if known is None and len(self._newest) >= self._most:
                continue
            if known is None or updated_at > known:
                self._repeats += known is not None
                self._newest[annotation] = self._told[annotation] = updated_at
        return self._repeats > before

    def begin(self) -> None:
        """A count starts: what is reported from now on may be newer than what it will see."""
        self._told = {}

    def counted(self, count: updates.Count, at: datetime) -> None:
        """The result of a count against `cut`."""
        now = count.pending.newest
        self._repeats += updates.repeat_edits(self._newest, now)
        self._newest = _newest(now, self._told)
        self.kept = count.kept
        self._most = len(now) + MOST_TOLD
        self._facts = PendingFacts(
            total=count.pending.total, repeat_edits_seen=0, size=count.size, counted_at=at, cut=self.cut
        )

    def invalidate(self) -> None:
        """The next count lists everything since the cut."""
        self.kept = None

    def acknowledge_repeats(self, repeats: int) -> None:
        """So many repeat edits stand in status now."""
        self._repeats -= repeats

    @property
    def facts(self) -> PendingFacts | None:
        """The newest count, or None before the first one against this cut."""
        if self._facts is None:
            return None
        facts = self._facts
        return PendingFacts(facts.total, self._repeats, facts.size, facts.counted_at, facts.cut)


def _newest(counted: Mapping[int, datetime], told: Mapping[int, datetime]) -> dict[int, datetime]:
    """What the count saw, and what was reported while it ran."""
    newest = dict(counted)
    for annotation, updated_at in told.items():
        if annotation not in newest or updated_at > newest[annotation]:
            newest[annotation] = updated_at
    return newest
