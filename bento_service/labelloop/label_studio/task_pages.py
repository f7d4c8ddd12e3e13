"""Tasks in keyset pages: "id greater than the last, ordered by id, page 1".

Label Studio orders by one field without tie-break, and rows move while paging. A page of long texts is asked for again
with fewer tasks.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from labelloop.label_studio import responses
from labelloop.label_studio.errors import AnswerTooLarge, NotLabelStudio
from labelloop.label_studio.protocol import Operation, Request, Response

T = TypeVar("T")
Filter = Mapping[str, object]
Parser = Callable[[Response, Mapping[str, Any]], T]

PAGE_TIMEOUT = 120.0
PAGE_LIMIT = 64 * 1024 * 1024
TIMES_LIMIT = 8 * 1024 * 1024
"""Bytes of a page without data and results, which the operator reads for all its resources."""
PAGE_SIZE = 1000
MOST_TASKS = 2_000_000
"""Of one query: a server that gives ever more pages is none to learn from."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a query."""

    items: list[T]
    last: int
    """Id of its last task, above which the next page begins."""
    size: int
    """How many tasks to ask for next."""
    url: str

    @property
    def is_last(self) -> bool:
        """Whether no page follows."""
        return len(self.items) < self.size


def pages(
    project: int, filters: tuple[Filter, ...], include: str, page_size: int, parse: Parser[T], last: int = 0
) -> Operation[list[T]]:
    """All tasks of a query with ids above `last`. Raises AnswerTooLarge for more than MOST_TASKS."""
    found: list[T] = []
    while True:
        page = yield from page_after(project, filters, include, page_size, parse, last)
        if len(found) + len(page.items) > MOST_TASKS:
            raise AnswerTooLarge(
                f"{page.url} answers more than {MOST_TASKS:,} tasks of project {project}: more than can be learned "
                "from; split the project."
            )
        found += page.items
        if page.is_last:
            return found
        last, page_size = page.last, page.size


def page_after(
    project: int, filters: tuple[Filter, ...], include: str, page_size: int, parse: Parser[T], last: int
) -> Operation[Page[T]]:
    """The first tasks of a query with ids above `last`, in order. Raises AnswerTooLarge for a single huge task."""
    while True:
        request = page_request(project, (*filters, number_filter("id", "greater", last)), include, page_size)
        response = yield request
        if response.complete:
            break
        if page_size == 1:
            raise AnswerTooLarge(
                f"{response.url}: a task after task {last} of project {project} is larger than "
                f"{request.limit:,} bytes: delete it or shorten its data."
            )
        page_size = max(1, page_size // 4)  # long texts: fewer of them at a time
    items = []
    for item in responses.objects(response, responses.read_object(response, f"project {project}").get("tasks")):
        task_id = responses.field(response, item, "id", int)
        if task_id <= last:
            raise NotLabelStudio(f"{response.url} answered tasks out of order: it does not know this query.")
        last = task_id
        items.append(parse(response, item))
    return Page(items, last, page_size, response.url)


def page_request(
    project: int, filters: tuple[Filter, ...], include: str, page_size: int, ordering: str = "tasks:id"
) -> Request:
    """Page 1 of a query; `include`: the fields of tasks and of what is nested in them."""
    view = {"filters": {"conjunction": "and", "items": list(filters)}, "ordering": [ordering]}
    return Request(
        "GET",
        "/api/tasks",
        (
            ("project", str(int(project))),
            ("fields", "all"),
            ("include", include),
            ("page", "1"),
            ("page_size", str(page_size)),
            ("query", json.dumps(view, separators=(",", ":"))),
        ),
        timeout=PAGE_TIMEOUT,
        limit=PAGE_LIMIT if "data" in include.split(",") else TIMES_LIMIT,
    )


def number_filter(column: str, operator: str, value: int) -> Filter:
    """A condition on a column of numbers."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": "Number", "value": value}
