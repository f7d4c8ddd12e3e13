"""Reading tasks in keyset pages, against a server that filters, orders and pages as Label Studio does."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.play import answer, play, sample

from labelloop.label_studio import (
    AnswerTooLarge,
    NotLabelStudio,
    Request,
    Response,
    labelled_tasks,
    scan,
    unlabelled_tasks,
)

START = datetime(2026, 11, 22, 6, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


class Server:
    """Tasks of one project: id -> (seconds of updated_at, was_cancelled of each annotation)."""

    def __init__(
        self, tasks: dict[int, tuple[int, list[bool]]], meanwhile: list[Callable[[], None]] | None = None
    ) -> None:
        self.tasks = tasks
        self.meanwhile = meanwhile or []
        self.too_large_above = 10_000
        self.revision = 0

    def __call__(self, request: Request) -> Response:
        query = dict(request.query)
        view = json.loads(query["query"])
        assert query["page"] == "1"
        found = [id_ for id_ in self.tasks if all(self._holds(id_, item) for item in view["filters"]["items"])]
        descending = view["ordering"] == ["-tasks:updated_at"]
        found.sort(key=(lambda id_: -self.tasks[id_][0]) if descending else int)
        page = found[: int(query["page_size"])]
        if len(page) > self.too_large_above:
            return answer(b'{"tasks": [', complete=False)
        response = answer({"total": len(found), "tasks": [self._task(id_) for id_ in page]})
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return response

    def _holds(self, id_: int, item: dict[str, Any]) -> bool:
        changed, cancelled = self.tasks[id_]
        operator, value = item["operator"], item["value"]
        column = item["filter"].removeprefix("filter:tasks:")
        if column == "updated_at":
            assert (item["type"], operator, value[-8:-7], value[-1]) == ("Datetime", "greater", ".", "Z")
            return at(changed) > datetime.fromisoformat(value)
        numbers = {
            "id": id_,
            "total_annotations": cancelled.count(False),
            "cancelled_annotations": cancelled.count(True),
        }
        assert item["type"] == "Number"
        return numbers[column] > value if operator == "greater" else numbers[column] == value

    def _task(self, id_: int) -> dict[str, Any]:
        changed, cancelled = self.tasks[id_]
        annotations = [
            {
                "id": id_ * 10 + number,
                "was_cancelled": skipped,
                "created_at": "2026-11-22T05:00:00.000001Z",
                "updated_at": at(changed).isoformat(),
                "result": [],
            }
            for number, skipped in enumerate(cancelled)
        ]
        return {
            "id": id_,
            "updated_at": at(changed).isoformat(),
            "data": {"text": f"t{id_}"},
            "annotations": annotations,
        }


PROJECTS = st.dictionaries(
    st.integers(1, 500), st.tuples(st.integers(0, 60), st.lists(st.booleans(), max_size=3)), max_size=25
)


@given(PROJECTS, st.integers(1, 7), st.none() | st.integers(0, 60))
def test_scan_finds_every_changed_task_once(
    tasks: dict[int, tuple[int, list[bool]]], page_size: int, since: int | None
) -> None:
    found, _ = play(scan(1, None if since is None else at(since), page_size), Server(tasks))
    wanted = [
        id_ for id_, (changed, annotations) in tasks.items() if annotations and (since is None or changed > since)
    ]
    assert [task.id for task in found] == sorted(wanted)
    assert all([a.was_cancelled for a in task.annotations] == tasks[task.id][1] for task in found)
    assert all(task.updated_at == at(tasks[task.id][0]) for task in found)


@given(PROJECTS, st.integers(1, 7))
def test_labelled_and_unlabelled_tasks_share_out_the_project(
    tasks: dict[int, tuple[int, list[bool]]], page_size: int
) -> None:
    labelled, _ = play(labelled_tasks(1, page_size=page_size), Server(tasks))
    unlabelled, _ = play(unlabelled_tasks(1, page_size=page_size), Server(tasks))
    assert [task.id for task in labelled] == sorted(id_ for id_, (_, annotations) in tasks.items() if annotations)
    assert [task.id for task in unlabelled] == sorted(id_ for id_, (_, annotations) in tasks.items() if not annotations)
    assert all(task.data == {"text": f"t{task.id}"} for task in (*labelled, *unlabelled))


def test_scan_asks_for_ids_and_times_only() -> None:
    _, requests = play(scan(7, START), Server({1: (5, [False])}))
    assert len(requests) == 2
    for request in requests:
        query = dict(request.query)
        assert (query["project"], query["fields"]) == ("7", "all")
        assert {"data", "result"}.isdisjoint(query["include"].split(","))


def test_microseconds_are_kept() -> None:
    found, _ = play(scan(1, None), Server({1: (5, [False])}))
    assert found[0].annotations[0].created_at == datetime(2026, 11, 22, 5, 0, 0, 1, UTC)


def test_a_recorded_page_is_read() -> None:
    page = sample("api_tasks_fields_all_page1")
    found, _ = play(scan(3, None), lambda request: answer(page))
    assert [annotation.id for annotation in found[0].annotations] == [20, 111020]
    assert found[0].annotations[1].updated_at == datetime(2026, 11, 22, 6, 10, 48, 922541, UTC)


def test_what_changed_while_reading_is_read_again() -> None:
    tasks = {number: (number, [False]) for number in range(1, 9)}

    def change() -> None:
        tasks[1] = (100, [False, False])

    server = Server(tasks, [lambda: None] * 4 + [change])
    found, _ = play(labelled_tasks(1, page_size=2), server)
    assert len(found[0].annotations) == 2


def test_a_quiet_project_is_read_with_little_more_than_its_pages() -> None:
    tasks = {number: (number * 100, [False]) for number in range(1, 9)}
    _, requests = play(labelled_tasks(1), Server(tasks))
    assert len(requests) == 1 + 2 + 2  # newest change; all; what changed meanwhile


def test_reading_ends_though_annotators_never_rest() -> None:
    tasks = {number: (number, [False]) for number in range(1, 9)}

    def change() -> None:
        tasks[1] = (tasks[1][0] + 100, [False])

    found, requests = play(labelled_tasks(1), Server(tasks, [change] * 1000))
    assert len(found) == 8
    assert len(requests) < 20


def test_pages_that_are_too_large_are_asked_for_in_smaller_ones() -> None:
    server = Server({number: (0, [False]) for number in range(1, 30)})
    server.too_large_above = 3
    found, _ = play(labelled_tasks(1), server)
    assert [task.id for task in found] == [*range(1, 30)]


def test_a_single_task_that_is_too_large_is_named() -> None:
    server = Server({5: (0, [False]), 9: (0, [False])})
    server.too_large_above = 0
    with pytest.raises(AnswerTooLarge, match="task after task 0 of project 1"):
        play(scan(1, None), server)


def test_a_server_that_ignores_the_query_does_not_hold_us_forever() -> None:
    page = {"tasks": [{"id": 3, "updated_at": START.isoformat(), "annotations": []}] * 2}
    with pytest.raises(NotLabelStudio, match="out of order"):
        play(scan(1, None, page_size=2), lambda request: answer(page))


UNTIMED = {"id": 1, "updated_at": "x", "annotations": []}
PARTIAL = {"id": 1, "updated_at": START.isoformat(), "annotations": [{"id": 1}]}


@pytest.mark.parametrize("body", [[], {}, *({"tasks": tasks} for tasks in (5, [5], [{}], [UNTIMED], [PARTIAL]))])
def test_other_shapes_are_not_of_label_studio(body: object) -> None:
    with pytest.raises(NotLabelStudio):
        play(scan(1, None), lambda request: answer(body))


def test_texts_do_not_stand_in_representations() -> None:
    found, _ = play(labelled_tasks(1), Server({1: (0, [False])}))
    assert "t1" not in repr(found)
