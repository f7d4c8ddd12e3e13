"""How many annotation updates are pending: derived from Label Studio against the cut, never incremented.

Let A be all annotations of the project, skipped ones included. The cut is what the last training read: `updated_at`,
the newest change among the annotations it read, and `size`, how many these were. Then, with times of Label Studio's
own clock in microseconds:

    created   annotations with created_at > cut.updated_at
    changed   annotations with created_at <= cut.updated_at < updated_at (a flip to or from skipped is a change)
    vanished  cut.size + created - size now: what was there, plus what came, minus what is left

Nothing can be lost or doubled, as nothing is accumulated. What is seen of an annotation is its last state, hence these
under-counts, all of them documented and none of them lasting beyond the next training:

- several changes of one annotation count once, unless a look in between saw them apart (`repeat_edits`);
- an old annotation changed and then deleted counts once;
- an annotation created after the cut and deleted again counts not at all: nothing of it reaches a training;
- a row committed late with times not above the cut counts only if no deletion hides it (see `recounted`).

A count may start from what an earlier one kept (`pending_rows`) and list only what has changed since. It then comes to
the same, or its numbers do not fit and everything since the cut is listed after all. What was committed later than
`OVERLAP` after the time it carries may then be missed, when it moves no counter or a deletion hides it, until a count
that starts from nothing. Never is there more than there were updates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from labelloop.counting.pending_rows import Kept, Rows, keep, old_ones, rows_after
from labelloop.label_studio.errors import NotFound
from labelloop.label_studio.project_api import counters
from labelloop.label_studio.protocol import Operation
from labelloop.label_studio.task_api import OVERLAP, TaskTimes, scan

ATTEMPTS = 4
FEW = 100
"""Listing so many tasks costs Label Studio about as much as being asked at all does."""


@dataclass(frozen=True)
class Cut:
    """What a training read. `updated_at` None: no annotation, or no training yet, so that everything counts."""

    updated_at: datetime | None = None
    size: int = 0


@dataclass(frozen=True)
class Pending:
    """Updates since the cut."""

    created: int
    changed: int
    vanished: int
    newest: Mapping[int, datetime] = field(default_factory=dict, repr=False)
    """Annotation id -> its newest `updated_at`, for those created or changed."""

    @property
    def total(self) -> int:
        """All pending updates."""
        return self.created + self.changed + self.vanished


@dataclass(frozen=True)
class Recount:
    """The numbers do not fit: list more, all since the cut when rows were kept, else all tasks and use `recounted`."""

    appeared: int
    """Annotations that the rows do not explain; negative: so many of the kept ones, or old ones, are gone."""


@dataclass(frozen=True)
class Count:
    """Result of `count`."""

    pending: Pending
    size: int
    """All annotations of the project, skipped ones included."""
    settled: bool
    """False: annotators were faster than the scans; the next one will be nearer to the truth."""
    kept: Kept | None = field(default=None, repr=False)
    """What the next count against the same cut may start from."""
    repeated: float = 1.0
    """What that one is expected to cost, as a share of what this one did."""


def pending_updates(cut: Cut, rows: Rows, size_now: int, kept: Kept | None = None) -> Pending | Recount:
    """Counts from the rows of the tasks changed since `scan_start(cut)`; `size_now` must be of the same moment.

    With `kept` they are of the tasks changed since, and the kept ones. Recount without it means that annotations
    appeared which are neither new nor were there at the cut: a restored backup, rows committed late, or annotations
    written in bulk without touching their task.
    """
    old = old_ones(rows, size_now)
    # One less than kept may be an old one deleted, which counts, or a new one, which must not count any more.
    if old != kept.old if kept else old > cut.size:
        return Recount(old - (kept.old if kept else cut.size))
    return recounted(cut, rows, size_now)


def recounted(cut: Cut, rows: Rows, size_now: int) -> Pending:
    """Counts from the rows of *all* tasks. What still appeared was in no training: it counts as created."""
    pending = _since(cut, rows, size_now)
    if pending.vanished >= 0:
        return pending
    return replace(pending, created=pending.created - pending.vanished, vanished=0)


def repeat_edits(previous: Mapping[int, datetime], now: Mapping[int, datetime]) -> int:
    """How many annotations that were pending already (`Pending.newest`) have changed again."""
    return sum(1 for id_, updated_at in now.items() if id_ in previous and updated_at > previous[id_])


def cut_of(tasks: Sequence[TaskTimes]) -> Cut:
    """The cut of a training that read exactly these tasks (all tasks with annotations of the project)."""
    times = {annotation.id: annotation.updated_at for task in tasks for annotation in task.annotations}
    return Cut(max(times.values(), default=None), len(times))


def scan_start(cut: Cut) -> datetime | None:
    """Where a scan for updates since the cut starts; None for everything."""
    return None if cut.updated_at is None else cut.updated_at - OVERLAP


def count(project: int, cut: Cut, kept: Kept | None = None, visible: datetime | None = None) -> Operation[Count]:
    """Counts the pending updates of a project; scans again while its counters move. Raises NotFound.

    `visible`: by Label Studio's clock, a time up to which all changes can be seen by now, which makes it possible to
    keep what is seen; None: not known. `kept`: what the last count against this very cut has kept.
    """
    if kept is not None and (visible is None or visible < kept.until):
        kept = None  # its newest task is gone, or its clock or its data were set back
    start = scan_start(cut)
    listed = 0
    before = size = yield from _size(project)
    for _ in range(ATTEMPTS):
        base = kept
        tasks = yield from scan(project, base.until if base else start)
        before, size = size, (yield from _size(project))
        listed += len(tasks)
        rows = rows_after(cut.updated_at, tasks, base)
        if before != size:
            kept = keep(rows, visible, base.old if base else cut.size)
            continue
        pending = pending_updates(cut, rows, size, base) if base or start else recounted(cut, rows, size)
        if isinstance(pending, Pending):
            kept = keep(rows, visible, old_ones(rows, size))
            return Count(pending, size, settled=True, kept=kept, repeated=_share(tasks, listed, kept))
        kept = None
        start = start if base else None
    return Count(_too_few(cut, rows, max(before, size), base), size, settled=False, kept=kept)


def _since(cut: Cut, rows: Rows, size_now: int) -> Pending:
    """`vanished` may be negative here."""
    created = sum(1 for row in rows.values() if row.created)
    return Pending(
        created=created,
        changed=len(rows) - created,
        vanished=cut.size + created - size_now,
        newest={annotation: row.updated_at for annotation, row in rows.items()},
    )


def _too_few(cut: Cut, rows: Rows, size: int, kept: Kept | None) -> Pending:
    """What came and went meanwhile must not look like a deletion: rather one too few than a training too early."""
    seen = _since(cut, rows, size)
    vanished = cut.size - kept.old if kept else seen.vanished
    gone = max(seen.vanished - vanished, 0)  # perhaps new ones that were kept: they do not count any more
    return replace(seen, created=max(seen.created - gone, 0), vanished=max(min(seen.vanished, vanished), 0))


def _share(last: Sequence[TaskTimes], listed: int, kept: Kept | None) -> float:
    """Of `listed` tasks, in all scans of a count, those of the last one that the next count lists again."""
    if kept is None:
        return 1.0
    again = sum(1 for task in last if task.updated_at > kept.until)
    return max(again, FEW) / max(listed, FEW)


def _size(project: int) -> Operation[int]:
    found = yield from counters([project])
    if project not in found:
        # Must not look like an empty project: all its annotations would count as vanished.
        raise NotFound(f"Label Studio has no project {project}, or the token's user cannot see it; check the id.")
    return found[project].size
