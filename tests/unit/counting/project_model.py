"""A project as counting sees it: annotations come, change, flip and go, tasks go with all they hold."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from labelloop.counting.pending_rows import Kept
from labelloop.counting.updates import Count, Cut, count, cut_of
from labelloop.label_studio import AnnotationTimes, Request, Response, TaskTimes
from labelloop.label_studio.task_api import OVERLAP

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
TASKS = 4


@dataclass
class Project:
    """Label Studio's side: its clock moves with each write, and a task's time with those of its annotations."""

    now: datetime = START
    step: timedelta = timedelta(microseconds=1)
    annotations: dict[int, dict[int, AnnotationTimes]] = field(
        default_factory=lambda: {task: {} for task in range(TASKS)}
    )
    task_times: dict[int, datetime] = field(default_factory=lambda: dict.fromkeys(range(TASKS), START))
    made: int = 0
    updates: int = 0
    touched: list[int] = field(default_factory=list)
    written: list[tuple[int, AnnotationTimes]] = field(default_factory=list)
    """Tasks and annotations with their times, not committed yet and so invisible."""

    def tick(self) -> datetime:
        self.now += self.step
        return self.now

    def create(self, task: int) -> None:
        if task in self.annotations:
            self.made += 1
            created = self.tick()
            updated = self.tick()
            self.annotations[task][self.made] = AnnotationTimes(self.made, created, updated, was_cancelled=False)
            self._updated(task, self.made)

    def edit(self, which: int) -> None:
        self._change(which, lambda old: old)

    def flip(self, which: int) -> None:
        self._change(which, lambda old: replace(old, was_cancelled=not old.was_cancelled))

    def delete(self, which: int) -> None:
        found = self._pick(which)
        if found:
            task, annotation = found
            del self.annotations[task][annotation.id]
            self.tick()
            self._updated(task, annotation.id)

    def delete_task(self, which: int) -> None:
        for annotation in self.annotations.pop(which % TASKS, {}):
            self.updates += 1
            self.touched.append(annotation)
        self.task_times.pop(which % TASKS, None)

    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def begin_create(self, task: int) -> None:
        """Becomes visible later, with the time of now."""
        self.made += 1
        now = self.tick()
        self.written.append((task % TASKS, AnnotationTimes(self.made, now, now, was_cancelled=False)))

    def begin_edit(self, which: int) -> None:
        """Becomes visible later, with the time of now."""
        found = self._pick(which)
        if found:
            self.written.append((found[0], replace(found[1], updated_at=self.tick())))

    def commit(self, _: int = 0) -> None:
        """What was written first becomes visible; an edit of what is gone by now comes to nothing."""
        task, annotation = self.written.pop(0) if self.written else (TASKS, None)
        annotations = self.annotations.get(task)
        if annotation is None or annotations is None:
            return
        if annotation.created_at == annotation.updated_at or annotation.id in annotations:
            annotations[annotation.id] = annotation
            self.task_times[task] = annotation.updated_at

    def commit_in_time(self) -> None:
        """Nothing stays invisible longer than is reckoned with."""
        while self.written and self.written[0][1].updated_at + OVERLAP <= self.now:
            self.commit()

    def _change(self, which: int, how: Callable[[AnnotationTimes], AnnotationTimes]) -> None:
        found = self._pick(which)
        if found:
            task, annotation = found
            self.annotations[task][annotation.id] = replace(how(annotation), updated_at=self.tick())
            self._updated(task, annotation.id)

    def _pick(self, which: int) -> tuple[int, AnnotationTimes] | None:
        alive = [(task, a) for task, annotations in self.annotations.items() for a in annotations.values()]
        return alive[which % len(alive)] if alive else None

    def _updated(self, task: int, annotation: int) -> None:
        self.task_times[task] = self.tick()
        self.updates += 1
        self.touched.append(annotation)

    def scan(self, since: datetime | None = None) -> list[TaskTimes]:
        return [
            TaskTimes(task, self.task_times[task], tuple(annotations.values()))
            for task, annotations in self.annotations.items()
            if annotations and (since is None or self.task_times[task] > since)
        ]

    @property
    def newest(self) -> datetime | None:
        return max(self.task_times.values(), default=None)

    @property
    def times(self) -> dict[int, datetime]:
        """Each annotation's `updated_at`."""
        return {a.id: a.updated_at for annotations in self.annotations.values() for a in annotations.values()}

    @property
    def size(self) -> int:
        return sum(map(len, self.annotations.values()))

    def train(self) -> Cut:
        self.updates = 0
        self.touched.clear()
        return cut_of(self.scan())


Event = tuple[str, int]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["create", "create", "create", "edit", "flip", "delete", "delete_task"]), st.integers(0, 30)
    ),
    max_size=25,
)
STEPS = st.sampled_from([timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1)])


def apply(project: Project, events: list[Event]) -> None:
    for name, which in events:
        getattr(project, name)(which % TASKS if name == "create" else which)


class Server:
    """Answers the requests of `count` from a Project, and lets annotators work between two requests."""

    def __init__(self, project: Project, meanwhile: list[Callable[[], None]] | None = None) -> None:
        self.project = project
        self.meanwhile = meanwhile or []
        self.full_scans = 0
        self.starts: list[datetime | None] = []
        """Where each scan started."""
        self.tasks_given = 0

    def run(self, cut: Cut, project_id: int = 7, kept: Kept | None = None, visible: datetime | None = None) -> Count:
        operation = count(project_id, cut, kept, visible)
        try:
            request = next(operation)
            while True:
                answer = self.answer(request)
                if self.meanwhile:
                    self.meanwhile.pop(0)()
                request = operation.send(answer)
        except StopIteration as stop:
            result: Count = stop.value
            return result

    def answer(self, request: Request) -> Response:
        if request.path == "/api/projects":
            item = {
                "id": 7,
                "created_at": START.isoformat(),
                "total_annotations_number": self.project.size,
                "skipped_annotations_number": 0,
            }
            return Response(200, {}, json.dumps({"results": [{**item, "task_number": TASKS}]}).encode())
        items = json.loads(dict(request.query)["query"])["filters"]["items"]
        filters = {item["filter"].removeprefix("filter:tasks:"): item["value"] for item in items}
        since = datetime.fromisoformat(filters["updated_at"]) if "updated_at" in filters else None
        self.full_scans += since is None
        tasks = [] if "cancelled_annotations" in filters else self.project.scan(since)
        if "cancelled_annotations" not in filters:
            self.starts.append(since)
            self.tasks_given += len(tasks)
        body = [
            {
                "id": task.id + 1,
                "updated_at": task.updated_at.isoformat(),
                "annotations": [
                    {
                        "id": a.id,
                        "created_at": a.created_at.isoformat(),
                        "updated_at": a.updated_at.isoformat(),
                        "was_cancelled": a.was_cancelled,
                    }
                    for a in task.annotations
                ],
            }
            for task in tasks
        ]
        return Response(200, {}, json.dumps({"tasks": body}).encode())
