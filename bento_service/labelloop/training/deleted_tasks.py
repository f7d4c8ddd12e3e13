"""Which tasks of a snapshot are gone, or have no annotation any more: found by counting, not by listing them all.

Label Studio tells how many annotated tasks lie in a range of ids. Where that is fewer than the snapshot has, the range
is halved, until it is small enough to ask for the ids: about log2(tasks) small requests for one deletion.
"""

from bisect import bisect_right
from collections.abc import Sequence

from labelloop.datasets.shards import MAX_TASK, has_skipped, has_usual
from labelloop.datasets.snapshot import Snapshot
from labelloop.label_studio import Operation
from labelloop.label_studio.task_api import COUNTERS, AnnotationCounter, annotated_ids, count_annotated

LISTED = 32
"""So many ids are asked for at once, rather than halved again."""
_MEMBERS = {"total_annotations": has_usual, "cancelled_annotations": has_skipped}


class UnexplainedError(Exception):
    """Label Studio has annotated tasks that the snapshot lacks, or has them in another state."""


def vanished_tasks(project: int, snapshot: Snapshot) -> Operation[frozenset[int]]:
    """Tasks of the snapshot without annotations in Label Studio. Raises UnexplainedError, SnapshotError."""
    lines = list(snapshot.lines())
    lost: dict[int, int] = {}
    had: dict[int, int] = {}
    for counter in COUNTERS:
        ours = [task for task, line in lines if _MEMBERS[counter](line)]
        for task in ours:
            had[task] = had.get(task, 0) + 1
        for task in (yield from _missing(project, counter, ours)):
            lost[task] = lost.get(task, 0) + 1
    if any(had[task] != times for task, times in lost.items()):
        raise UnexplainedError("annotations are gone from tasks that do not tell of a change")
    return frozenset(lost)


def _missing(project: int, counter: AnnotationCounter, ours: Sequence[int]) -> Operation[list[int]]:
    """Ids among `ours` (ascending) that Label Studio does not count any more."""
    theirs = yield from count_annotated(project, counter, 0, MAX_TASK)
    found: list[int] = []
    ranges = [(0, MAX_TASK, 0, len(ours), theirs)]
    while ranges:
        above, up_to, first, end, theirs = ranges.pop()
        missing = (end - first) - theirs
        if missing < 0:
            raise UnexplainedError("Label Studio has annotated tasks that did not tell of a change")
        if missing == 0:
            continue
        if end - first <= LISTED or missing * LISTED >= end - first:
            there = set((yield from annotated_ids(project, counter, above, up_to)))
            if not there <= {*ours[first:end]}:
                raise UnexplainedError("Label Studio has annotated tasks that did not tell of a change")
            found.extend(task for task in ours[first:end] if task not in there)
            continue
        middle = ours[(first + end) // 2 - 1]
        border = bisect_right(ours, middle)
        lower = yield from count_annotated(project, counter, above, middle)
        ranges.append((above, middle, first, border, lower))
        ranges.append((middle, up_to, border, end, theirs - lower))
    return found
