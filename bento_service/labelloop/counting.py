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
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from labelloop.label_studio.errors import NotFound
from labelloop.label_studio.project_api import counters
from labelloop.label_studio.protocol import Operation
from labelloop.label_studio.task_api import OVERLAP, AnnotationTimes, TaskTimes, scan

EPOCH = datetime.min.replace(tzinfo=UTC)
ATTEMPTS = 4


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
    """There are more old annotations than at the cut: look at all tasks and use `recounted`."""

    appeared: int


@dataclass(frozen=True)
class Count:
    """Result of `count`."""

    pending: Pending
    size: int
    """All annotations of the project, skipped ones included."""
    settled: bool
    """False: annotators were faster than the scans; the next one will be nearer to the truth."""


def pending_updates(cut: Cut, tasks: Sequence[TaskTimes], size_now: int) -> Pending | Recount:
    """Counts from the tasks changed since `scan_start(cut)`; `size_now` must be of the same moment.

    Recount means that annotations appeared which are neither new nor were there at the cut: a restored backup, rows
    committed late, or annotations written in bulk without touching their task.
    """
    pending = _since(cut, tasks, size_now)
    return Recount(-pending.vanished) if pending.vanished < 0 else pending


def recounted(cut: Cut, tasks: Sequence[TaskTimes], size_now: int) -> Pending:
    """Counts from *all* tasks with annotations. What still appeared was in no training: it counts as created."""
    pending = _since(cut, tasks, size_now)
    if pending.vanished >= 0:
        return pending
    return Pending(pending.created - pending.vanished, pending.changed, 0, pending.newest)


def repeat_edits(previous: Mapping[int, datetime], now: Mapping[int, datetime]) -> int:
    """How many annotations that were pending already (`Pending.newest`) have changed again."""
    return sum(1 for id_, updated_at in now.items() if id_ in previous and updated_at > previous[id_])


def cut_of(tasks: Sequence[TaskTimes]) -> Cut:
    """The cut of a training that read exactly these tasks (all tasks with annotations of the project)."""
    annotations = _annotations(tasks)
    newest = max((annotation.updated_at for annotation in annotations.values()), default=None)
    return Cut(newest, len(annotations))


def scan_start(cut: Cut) -> datetime | None:
    """Where a scan for updates since the cut starts; None for everything."""
    return None if cut.updated_at is None else cut.updated_at - OVERLAP


def count(project: int, cut: Cut) -> Operation[Count]:
    """Counts the pending updates of a project; scans again while its counters move. Raises NotFound."""
    start = scan_start(cut)
    tasks: Sequence[TaskTimes] = ()
    before = size = yield from _size(project)
    for _ in range(ATTEMPTS):
        tasks = yield from scan(project, start)
        before, size = size, (yield from _size(project))
        if before != size:
            continue
        pending = pending_updates(cut, tasks, size) if start else recounted(cut, tasks, size)
        if isinstance(pending, Pending):
            return Count(pending, size, settled=True)
        start = None
    # What came and went meanwhile must not look like a deletion: rather one too few than a training too early.
    seen = _since(cut, tasks, max(before, size))
    return Count(replace(seen, vanished=max(seen.vanished, 0)), size, settled=False)


def _since(cut: Cut, tasks: Sequence[TaskTimes], size_now: int) -> Pending:
    """`vanished` may be negative here."""
    start = cut.updated_at or EPOCH
    after = {id_: seen for id_, seen in _annotations(tasks).items() if max(seen.created_at, seen.updated_at) > start}
    created = sum(1 for annotation in after.values() if annotation.created_at > start)
    return Pending(
        created=created,
        changed=len(after) - created,
        vanished=cut.size + created - size_now,
        newest={id_: annotation.updated_at for id_, annotation in after.items()},
    )


def _annotations(tasks: Sequence[TaskTimes]) -> dict[int, AnnotationTimes]:
    return {annotation.id: annotation for task in tasks for annotation in task.annotations}


def _size(project: int) -> Operation[int]:
    found = yield from counters([project])
    if project not in found:
        # Must not look like an empty project: all its annotations would count as vanished.
        raise NotFound(f"Label Studio has no project {project}, or the token's user cannot see it; check the id.")
    return found[project].size
