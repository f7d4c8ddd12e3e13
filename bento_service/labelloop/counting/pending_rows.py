"""The annotations after a cut, as listings tell them, and what is kept of them from one count to the next.

What is kept are the rows after the cut alone: what else a listing has given (of an import that ended right before the
cut many thousand tasks) says nothing about the count. The next count lists only the tasks that have changed since, and
each listed task replaces all that was kept of it. A task that is gone, or lost its last annotation, is in no listing:
its rows stay and make the numbers of the next count not fit, which is why those are compared (`counting`).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from labelloop.label_studio.task_api import TaskTimes

EPOCH = datetime.min.replace(tzinfo=UTC)
MOST_KEPT = 20_000
"""Rows kept of a project; with more of them each count lists all, as the first one does. 500 kB, a quarter of what the
operator remembers of as many pending annotations anyway, and 0.1 s to read and write at each count (measured)."""
_PACKED = struct.Struct("<qqq?")
_MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """An annotation made or changed after the cut."""

    task: int
    created: bool
    """Made after the cut; else it is older and was changed."""
    updated_at: datetime


Rows = dict[int, Row]
"""By id of the annotation."""


@dataclass(frozen=True)
class Kept:
    """The rows after one cut that a complete listing found."""

    until: datetime
    """By Label Studio's clock: changes of tasks up to here are in the rows; later ones are to be listed."""
    old: int
    """How many annotations there were besides the created ones. A count from these rows that finds another number does
    not fit: some are gone, or some appeared with times before `until`."""
    _packed: bytes = field(repr=False)

    def rows(self) -> Rows:
        """The rows."""
        return {
            annotation: Row(task, created, EPOCH + microseconds * _MICROSECOND)
            for annotation, task, microseconds, created in _PACKED.iter_unpack(self._packed)
        }


def old_ones(rows: Rows, size: int) -> int:
    """Annotations made before the cut that are still there, of a project that has `size` now."""
    return size - sum(1 for row in rows.values() if row.created)


def keep(rows: Rows, until: datetime | None, old: int) -> Kept | None:
    """For the next count; None when `until` is not known, or there are too many."""
    if until is None or len(rows) > MOST_KEPT:
        return None
    packed = b"".join(
        _PACKED.pack(annotation, row.task, (row.updated_at - EPOCH) // _MICROSECOND, row.created)
        for annotation, row in rows.items()
    )
    return Kept(until, old, packed)


def rows_after(cut: datetime | None, tasks: Sequence[TaskTimes], kept: Kept | None = None) -> Rows:
    """The rows after `cut` (None: all) in the listed tasks, and the kept ones of tasks that are not listed."""
    start = cut or EPOCH
    listed = {task.id for task in tasks}
    rows = {id_: row for id_, row in kept.rows().items() if row.task not in listed} if kept else {}
    for task in tasks:
        for annotation in task.annotations:
            if max(annotation.created_at, annotation.updated_at) > start:
                rows[annotation.id] = Row(task.id, annotation.created_at > start, annotation.updated_at)
    return rows
