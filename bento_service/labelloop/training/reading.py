"""Reads the labelled tasks of a project: only what changed since the last training, when its snapshot allows it.

Whatever happens to a task or its annotations moves `task.updated_at`, but for its deletion, which leaves no trace
(measured: docs/internals/architecture.md). So the tasks changed since the snapshot's watermark are read. The project's
counters show whether that was all. If not, tasks are missing: `vanished` finds them. If that does not explain it
either, everything is read.

The watermark is a time of Label Studio's own clock, so clocks need not agree. A row carries the time at which it was
saved and is seen when its transaction ends: `LATE` is how much later that may be. What is committed still later is
noticed by the counters when it is a new annotation, or one less; only a change within an annotation would be missed,
and only until the annotation changes again or everything is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from labelloop import __version__
from labelloop.datasets.rows import rows_of
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.datasets.snapshot_header import Watermark
from labelloop.label_config.schema import TEXT_SCOPE, Schema, Scope, parse_label_config
from labelloop.label_studio import (
    Counters,
    NotFound,
    Operation,
    Project,
    Rejected,
    counters,
    labelled_tasks,
    project,
)
from labelloop.label_studio.task_api import changed_tasks, changes, emptied_ids, newest_change
from labelloop.training.deleted_tasks import UnexplainedError, vanished_tasks

LATE = timedelta(minutes=2)
"""How long after its time a change may become visible."""
NO_SNAPSHOT = "there is no snapshot of an earlier training"
PASSES = 8
_TICK = timedelta(microseconds=1)

Mode = Literal["incremental", "full"]


@dataclass(frozen=True)
class Reading:
    """All labelled tasks of a project, and how they were read."""

    snapshot: Snapshot
    schema: Schema
    mode: Mode
    why: str
    tasks: int
    """How many tasks were fetched with data and annotations."""

    def to_json(self) -> dict[str, object]:
        """As in `result.json`."""
        return {"mode": self.mode, "why": self.why[:300], "tasks": self.tasks}


class _FullReadNeededError(Exception):
    """What changed cannot be determined; the message is why."""


def read_project(
    number: int, url: str, earlier: Snapshot | None, why_none: str = NO_SNAPSHOT, scope: Scope = TEXT_SCOPE
) -> Operation[Reading]:
    """Read what changed since `earlier` and merge, or everything: the same rows either way.

    `why_none` tells why there is no earlier snapshot; `scope` what the model reads.
    Raises LabelConfigError, RowError, LabelStudioError.
    """
    found = yield from project(number)
    schema = parse_label_config(found.label_config, scope)
    why = why_none
    if earlier is not None:
        try:
            return (yield from _changes(found, schema, url, earlier))
        except (_FullReadNeededError, SnapshotError) as error:
            why = str(error)
        except Rejected as error:
            why = f"Label Studio does not take a question about changes: {error.message}"
    return (yield from _everything(found, schema, url, why))


def _everything(found: Project, schema: Schema, url: str, why: str) -> Operation[Reading]:
    newest = yield from newest_change(found.id)
    tasks = yield from labelled_tasks(found.id)
    times = {task.id: task.updated_at for task in tasks if task.updated_at is not None}
    watermark = _watermark(found, newest, times)
    snapshot = Snapshot.from_tasks(tasks, schema, project=found.id, url=url, watermark=watermark)
    return Reading(snapshot, schema, "full", why, len(tasks))


def _changes(found: Project, schema: Schema, url: str, earlier: Snapshot) -> Operation[Reading]:
    """Raises _FullReadNeededError or SnapshotError when only a full read will do."""
    mark = _usable(found, schema, url, earlier)
    since = mark.newest - LATE
    newest = yield from newest_change(found.id)
    if newest is None or newest < since:
        raise _FullReadNeededError("Label Studio's newest change is older than the snapshot: was a backup restored?")
    merged, times, fetched = earlier.under(schema), dict(mark.recent), 0
    counted = Counters(found.total_annotations, found.skipped_annotations, found.task_number)
    for _ in range(PASSES):
        listed = yield from changes(found.id, since)
        news = [moment for task, moment in listed.items() if times.get(task) != moment]
        # What changed shortly before the watermark must be listed again, unless it lost its annotations or is gone.
        missing = times.keys() - listed.keys()
        if mark.recent and missing >= mark.recent.keys():
            raise _FullReadNeededError("nothing that changed last is as it was: was a backup of Label Studio restored?")
        if news:
            tasks = yield from changed_tasks(found.id, min(news) - _TICK)
            merged = merged.with_changes(rows_of(tasks, schema), ())
            times.update((task.id, task.updated_at) for task in tasks if task.updated_at is not None)
            fetched += len(tasks)
        # The counters are read before what they are compared with, so nothing falls in between: a listing without
        # news, or, of which a thousand rows cost a second, the time of the newest change, which has not moved.
        complete = not news and not missing and _adds_up(merged, counted)
        if not complete:
            before, counted = counted, (yield from _counters(found.id))
            if news and not missing and _adds_up(merged, counted):
                complete = newest == (yield from newest_change(found.id))
            elif not news and counted == before:
                gone = yield from _gone(found.id, merged, since, counted)
                merged = merged.with_changes((), gone)
                times = {task: moment for task, moment in times.items() if task not in gone}
                complete = missing <= gone and _adds_up(merged, counted)
                before, counted = counted, counted if complete else (yield from _counters(found.id))
                if not complete and counted == before:
                    raise _FullReadNeededError("Label Studio counts other annotations than were found")
        if complete:
            snapshot = replace(merged, watermark=_watermark(found, newest, times))
            return Reading(snapshot, schema, "incremental", f"{fetched} of {snapshot.tasks} tasks read", fetched)
    raise _FullReadNeededError(f"annotations came faster than {PASSES} reads of what had changed")


def _gone(number: int, merged: Snapshot, since: datetime, counted: Counters) -> Operation[frozenset[int]]:
    """Tasks that are deleted or not labelled any more, as far as they explain the counters.

    Raises _FullReadNeededError, SnapshotError.
    """
    emptied = merged.among((yield from emptied_ids(number, since)))
    left = merged.with_changes((), emptied)
    if emptied and _adds_up(left, counted):
        return emptied
    try:
        return emptied | (yield from vanished_tasks(number, left))
    except UnexplainedError as error:
        raise _FullReadNeededError(str(error)) from None


def _usable(found: Project, schema: Schema, url: str, earlier: Snapshot) -> Watermark:
    """Where to go on from. Raises _FullReadNeededError or SnapshotError."""
    earlier.verify(project=found.id, url=url, schema=schema)
    mark = earlier.watermark
    if mark is None:
        raise _FullReadNeededError("the snapshot does not tell how far it reaches")
    if mark.project_created_at != found.created_at:
        raise _FullReadNeededError(f"the snapshot is of another project {found.id}, created at another time")
    if mark.reader != __version__:
        raise _FullReadNeededError(f"the snapshot was made by Labelloop {mark.reader}, this is {__version__}")
    return mark


def _watermark(found: Project, newest: datetime | None, times: Mapping[int, datetime]) -> Watermark | None:
    if newest is None:
        return None
    recent = {task: moment for task, moment in times.items() if moment > newest - LATE}
    return Watermark(newest, recent, found.created_at, __version__)


def _adds_up(snapshot: Snapshot, counted: Counters) -> bool:
    return (snapshot.cut.size, snapshot.skipped) == (counted.size, counted.skipped)


def _counters(number: int) -> Operation[Counters]:
    found = yield from counters([number])
    if number not in found:
        raise NotFound(f"Label Studio has no project {number}, or the token's user cannot see it; check the id.")
    return found[number]
