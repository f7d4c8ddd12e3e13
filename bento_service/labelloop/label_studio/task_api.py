"""Tasks and annotations, read in keyset pages (`task_pages`).

Tasks with annotations that count and tasks with skipped ones are two queries: Label Studio's filters cannot be joined
by "or" while a third one must hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, get_args

from labelloop.label_studio import responses
from labelloop.label_studio.protocol import Operation, Response
from labelloop.label_studio.task_pages import (
    PAGE_SIZE,
    Filter,
    Page,
    Parser,
    number_filter,
    page_after,
    page_request,
    pages,
)

T = TypeVar("T")
AnnotationCounter = Literal["total_annotations", "cancelled_annotations"]
"""Columns of a task: annotations that are not skipped, and those that are."""

PASSES = 5
COUNTERS: tuple[AnnotationCounter, ...] = get_args(AnnotationCounter)
OVERLAP = timedelta(seconds=10)
"""How far before a known moment a query for changes starts: rows become visible a little after the time they carry."""
TIMES = "id,updated_at,annotations,was_cancelled,created_at"
EVERYTHING = (
    "id,data,annotations,result,was_cancelled,ground_truth,updated_at,created_at,completed_by,parent_prediction"
)


@dataclass(frozen=True)
class AnnotationTimes:
    """When an annotation was made and last changed; microseconds, UTC."""

    id: int
    created_at: datetime
    updated_at: datetime
    was_cancelled: bool


@dataclass(frozen=True)
class TaskTimes:
    """A task with the times of all its annotations, skipped ones included."""

    id: int
    updated_at: datetime
    annotations: tuple[AnnotationTimes, ...]


@dataclass(frozen=True)
class Task:
    """A task with its data and full annotations (as Label Studio gives them, keys of `EVERYTHING`)."""

    id: int
    data: Mapping[str, Any] = field(repr=False)
    annotations: list[Mapping[str, Any]] = field(default_factory=list, repr=False)
    updated_at: datetime | None = field(default=None, compare=False)
    """Also moves with new predictions, which make it no other task."""


def scan(project: int, since: datetime | None, page_size: int = PAGE_SIZE) -> Operation[list[TaskTimes]]:
    """Tasks with annotations, usual or skipped, that changed after `since` (None: all), ordered by id.

    `task.updated_at` moves with every change of its annotations, with its data and with new predictions: the result
    is a superset. A task without any annotation left is not in it.
    """
    return (yield from _annotated(project, since, TIMES, page_size, _task_times, lambda task: task.id))


def changes(project: int, since: datetime, page_size: int = PAGE_SIZE) -> Operation[dict[int, datetime]]:
    """The tasks of `scan` by id, with the time of their last change alone.

    Label Studio 1.23.2, annotated in meanwhile, took 2-3 s for 1,000 tasks with their annotations, 0.3-1 s without.
    """
    listed = yield from _annotated(project, since, "id,updated_at", page_size, _task, lambda task: task.id)
    return {task.id: task.updated_at for task in listed if task.updated_at is not None}


def labelled_tasks(project: int, since: datetime | None = None, page_size: int = PAGE_SIZE) -> Operation[list[Task]]:
    """Tasks with annotations, usual or skipped, with data and results, ordered by id. See `scan` for `since`.

    Reading takes seconds to minutes while annotators go on. What changed meanwhile is read again until nothing did:
    else a task passed already could keep an old state under a newer cut, and its update would be lost. A task that
    lost its last annotation meanwhile stays in the result; counting then sees it vanish.
    """
    newest = yield from newest_change(project)
    found: dict[int, Task] = {}
    for _ in range(PASSES):
        changed = yield from changed_tasks(project, since, page_size)
        news = {task.id: task for task in changed if found.get(task.id) != task}
        found.update((task.id, task) for task in changed)
        if not news or newest is None:
            break
        since = newest - OVERLAP if since is None else max(since, newest - OVERLAP)
    return [found[key] for key in sorted(found)]


def changed_tasks(project: int, since: datetime | None, page_size: int = PAGE_SIZE) -> Operation[list[Task]]:
    """As `scan`, with data and results; what changes while it reads may be seen in its old state."""
    return (yield from _annotated(project, since, EVERYTHING, page_size, _task, lambda task: task.id))


def newest_change(project: int) -> Operation[datetime | None]:
    """Time of the task that changed last, labelled or not; None when there are no tasks."""
    response = yield page_request(project, (), "id,updated_at", 1, ordering="-tasks:updated_at")
    items = responses.objects(response, responses.read_object(response, f"project {project}").get("tasks"))
    return responses.time_field(response, items[0], "updated_at") if items else None


def emptied_ids(project: int, since: datetime, page_size: int = PAGE_SIZE) -> Operation[list[int]]:
    """Ids of tasks changed after `since` that have no annotation, one page of them at most."""
    filters = (_changed_after(since), *_unlabelled(True))
    response = yield page_request(project, filters, "id", page_size)
    items = responses.objects(response, responses.read_object(response, f"project {project}").get("tasks"))
    return [responses.field(response, item, "id", int) for item in items]


def count_annotated(project: int, counter: AnnotationCounter, above: int, up_to: int) -> Operation[int]:
    """How many tasks with ids in (above, up_to] have annotations of that kind."""
    return (yield from _total(project, (*_within(above, up_to), number_filter(counter, "greater", 0))))


def annotated_ids(
    project: int, counter: AnnotationCounter, above: int, up_to: int, page_size: int = PAGE_SIZE
) -> Operation[list[int]]:
    """Ids of the tasks that `count_annotated` counts, in order."""
    filters = (number_filter("id", "less_or_equal", up_to), number_filter(counter, "greater", 0))
    return (yield from pages(project, filters, "id", page_size, _id, above))


def unlabelled_tasks(project: int, page_size: int = PAGE_SIZE) -> Operation[list[Task]]:
    """Tasks without any annotation, with their data, ordered by id."""
    return (yield from pages(project, _unlabelled(True), "id,data", page_size, _task))


def tasks_without_prediction(
    project: int, version: str, above: int = 0, page_size: int = PAGE_SIZE, *, unlabelled: bool
) -> Operation[Page[Task]]:
    """A page of the tasks with ids above `above` that have no prediction of `version`, with their data.

    `unlabelled`: only those without any annotation.
    """
    filters = (*_unlabelled(unlabelled), _lacks(version))
    return (yield from page_after(project, filters, "id,data", page_size, _task, above))


def count_tasks(project: int, without_prediction: str | None = None, *, unlabelled: bool) -> Operation[int]:
    """How many tasks there are; `without_prediction`: only those that have none of that version."""
    lacking = () if without_prediction is None else (_lacks(without_prediction),)
    return (yield from _total(project, (*_unlabelled(unlabelled), *lacking)))


def present_ids(project: int, above: int, up_to: int) -> Operation[list[int]]:
    """Ids in (above, up_to] of the tasks that exist, in order."""
    return (yield from pages(project, (number_filter("id", "less_or_equal", up_to),), "id", PAGE_SIZE, _id, above))


def first_tasks(project: int, number: int) -> Operation[list[Task]]:
    """Up to `number` tasks with their data, labelled or not; none when their texts are too large for one answer."""
    response = yield page_request(project, (), "id,data", number)
    if not response.complete:
        return []
    items = responses.objects(response, responses.read_object(response, f"project {project}").get("tasks"))
    return [_task(response, item) for item in items]


def _annotated(
    project: int,
    since: datetime | None,
    include: str,
    page_size: int,
    parse: Parser[T],
    id_of: Callable[[T], int],
) -> Operation[list[T]]:
    changed = () if since is None else (_changed_after(since),)
    found: dict[int, T] = {}
    for counter in COUNTERS:
        filters = (*changed, number_filter(counter, "greater", 0))
        page = yield from pages(project, filters, include, page_size, parse)
        found.update((id_of(task), task) for task in page)  # the second query read later: its state is the newer one
    return [found[key] for key in sorted(found)]


def _total(project: int, filters: tuple[Filter, ...]) -> Operation[int]:
    response = yield page_request(project, filters, "id", 1)
    return responses.field(response, responses.read_object(response, f"project {project}"), "total", int)


def _unlabelled(wanted: bool) -> tuple[Filter, ...]:
    return tuple(number_filter(counter, "equal", 0) for counter in COUNTERS) if wanted else ()


def _lacks(version: str) -> Filter:
    column = "filter:tasks:predictions_model_versions"
    return {"filter": column, "operator": "not_contains", "type": "List", "value": [version]}


def _within(above: int, up_to: int) -> tuple[Filter, Filter]:
    return number_filter("id", "greater", above), number_filter("id", "less_or_equal", up_to)


def _changed_after(since: datetime) -> Filter:
    value = responses.format_time(since)
    return {"filter": "filter:tasks:updated_at", "operator": "greater", "type": "Datetime", "value": value}


def _task_times(response: Response, item: Mapping[str, Any]) -> TaskTimes:
    return TaskTimes(
        id=responses.field(response, item, "id", int),
        updated_at=responses.time_field(response, item, "updated_at"),
        annotations=tuple(
            AnnotationTimes(
                id=responses.field(response, annotation, "id", int),
                created_at=responses.time_field(response, annotation, "created_at"),
                updated_at=responses.time_field(response, annotation, "updated_at"),
                was_cancelled=responses.field(response, annotation, "was_cancelled", bool),
            )
            for annotation in responses.objects(response, item.get("annotations"))
        ),
    )


def _id(response: Response, item: Mapping[str, Any]) -> int:
    return responses.field(response, item, "id", int)


def _task(response: Response, item: Mapping[str, Any]) -> Task:
    data = item.get("data")
    return Task(
        id=responses.field(response, item, "id", int),
        data=data if isinstance(data, dict) else {},
        annotations=responses.objects(response, item.get("annotations", [])),
        updated_at=responses.time_field(response, item, "updated_at") if "updated_at" in item else None,
    )
