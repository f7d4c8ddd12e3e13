"""Counting against a model of the project: what Label Studio does behind the operator's back, and while it looks."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaos.plans import trained
from tests.fakes.annotated_project import AnnotatedProject, choices_config
from tests.fakes.play import play
from tests.fakes.scene import POLL, Scene, scene
from tests.fakes.virtual_network import virtually

from labelloop.counting.pending_rows import Kept
from labelloop.counting.updates import Count, Cut, count
from labelloop.label_studio import Request, Response

CONFIG = choices_config(["billing", "login"])


async def pending_after(deed: Any, seconds: float = 70.0) -> tuple[int, float]:
    """Pending updates a trained resource shows after the deed, without any webhook; the seconds until they show."""
    async with scene() as made:
        made.apply(training={"updatesPerTraining": 3})
        await made.start_operator()
        await trained(made)
        made.apply(training={"updatesPerTraining": 1000})
        await made.settle()
        began = asyncio.get_running_loop().time()
        await deed(made)
        while asyncio.get_running_loop().time() - began < seconds and not made.world.training["pendingUpdates"]:
            await made.step()
        seen = asyncio.get_running_loop().time() - began
        await made.settle()
        return made.world.training["pendingUpdates"], seen


def annotations(made: Scene) -> list[Any]:
    tasks = made.label_studio.projects[7].tasks.values()
    return [(task, annotation) for task in tasks for annotation in task.annotations.values()]


async def edit(made: Scene) -> None:
    made.label_studio.edit(7, annotations(made)[0][1].id)


async def make_and_delete(made: Scene) -> None:
    made.label_studio.annotate(7, 2)
    for task, annotation in sorted(annotations(made), key=lambda found: found[1].id)[-2:]:
        del task.annotations[annotation.id]


async def delete_the_only_one(made: Scene) -> None:
    task, annotation = annotations(made)[0]
    assert len(task.annotations) == 1
    del task.annotations[annotation.id]
    task.updated_at = made.label_studio._tick()


async def skip(made: Scene) -> None:
    annotations(made)[0][1].was_cancelled = True
    made.label_studio.edit(7, annotations(made)[0][1].id)


async def skip_and_back(made: Scene) -> None:
    await skip(made)
    await made.pass_time(2 * POLL + 5.0)
    annotations(made)[0][1].was_cancelled = False
    made.label_studio.edit(7, annotations(made)[0][1].id)


async def commit_late(made: Scene) -> None:
    """A row with a time of half a minute before the cut."""
    made.label_studio.annotate(7, 4)
    cut = datetime.fromisoformat(made.world.training["trainedThrough"]["updatedAt"]).astimezone(UTC)
    for found, annotation in sorted(annotations(made), key=lambda found: found[1].id)[-4:]:
        annotation.created_at = annotation.updated_at = found.updated_at = cut - timedelta(seconds=30)


SCAN = 60.0
"""As the scene's operator is set."""


@pytest.mark.chaos_case("C1")
def test_an_edit_without_webhook_is_found_by_the_next_scan() -> None:
    pending, seconds = virtually(pending_after(edit))
    assert pending == 1
    assert seconds <= SCAN + 3.0


@pytest.mark.chaos_case("C2")
def test_what_is_made_and_deleted_between_two_polls_does_not_count() -> None:
    assert virtually(pending_after(make_and_delete))[0] == 0


@pytest.mark.chaos_case("C3")
def test_the_only_annotation_of_a_task_deleted_counts() -> None:
    pending, seconds = virtually(pending_after(delete_the_only_one))
    assert pending == 1
    assert seconds <= POLL + 3.0


@pytest.mark.chaos_case("C4")
def test_a_skip_counts_and_its_way_back_too() -> None:
    pending, seconds = virtually(pending_after(skip))
    assert pending == 1
    assert seconds <= POLL + 3.0
    assert virtually(pending_after(skip_and_back, 2 * SCAN))[0] == 2  # seen apart: a poll lies between


@pytest.mark.chaos_case("C5")
def test_rows_committed_late_count() -> None:
    pending, seconds = virtually(pending_after(commit_late))
    assert pending == 4
    assert seconds <= POLL + 3.0


# A scan that pages through 2,500 annotations of one time, while people go on.

DEEDS = st.lists(
    st.tuples(st.sampled_from(["annotate", "edit", "skip", "delete", "delete_task"]), st.integers(0, 2499)), max_size=6
)


def drive(
    project: AnnotatedProject, cut: Cut, meanwhile: list[list[tuple[str, int]]], kept: Kept | None = None
) -> Count:
    """Count, with some deeds done before each answer."""
    waiting = list(meanwhile)

    def respond(request: Request) -> Response:
        if waiting:
            do(project, waiting.pop(0))
        return project.answer(request)

    found, _ = play(count(project.number, cut, kept, visible=project.now), respond)
    return found


def do(project: AnnotatedProject, deeds: list[tuple[str, int]]) -> None:
    for deed, number in deeds:
        tasks = sorted(project.tasks)
        task = tasks[number % len(tasks)]
        if deed == "delete_task":
            project.delete_task(task)
        elif deed == "annotate":
            project.annotate(task, "login")
        elif not project.tasks[task]["annotations"]:
            continue
        elif deed == "edit":
            project.edit(task, 0, "login")
        elif deed == "skip":
            project.skip(task, 0, True)
        else:
            project.delete_annotation(task, 0)


def at_one_time(tasks: int = 2500) -> tuple[AnnotatedProject, Cut]:
    """So many tasks, each with one annotation, all of the same moment; and a training that read them all."""
    project = AnnotatedProject(CONFIG)
    project.step = timedelta()
    for number in range(tasks):
        project.add_task({"text": f"text {number}"}, "billing")
    project.step = timedelta(seconds=1)
    return project, Cut(project.now, tasks)


def truth(project: AnnotatedProject, known: dict[int, datetime]) -> int:
    """Created, changed and vanished annotations, each once."""
    left = {a["id"]: a["updated_at"] for task in project.tasks.values() for a in task["annotations"]}
    return len(left.keys() ^ known.keys()) + sum(left[id_] != known[id_] for id_ in left.keys() & known.keys())


@pytest.mark.chaos_case("C6")
@settings(max_examples=6)
@given(DEEDS, st.lists(DEEDS, max_size=8), DEEDS)
def test_2500_rows_of_one_time_changed_while_a_scan_pages(
    before: list[tuple[str, int]], meanwhile: list[list[tuple[str, int]]], after: list[tuple[str, int]]
) -> None:
    project, cut = at_one_time()
    known = {a["id"]: a["updated_at"] for task in project.tasks.values() for a in task["annotations"]}
    do(project, before)
    seen = drive(project, cut, meanwhile)
    assert seen.pending.total <= truth(project, known)  # rather too few than a training too early
    settled = drive(project, cut, [])
    assert settled.settled
    assert settled.pending.total == truth(project, known)
    do(project, after)
    went_on = drive(project, cut, [], settled.kept)
    assert went_on.settled
    assert went_on.pending.total == truth(project, known)


@pytest.mark.chaos_case("C6")
def test_all_2500_rows_changed_at_one_time_are_counted() -> None:
    project, cut = at_one_time()
    known = {a["id"]: a["updated_at"] for task in project.tasks.values() for a in task["annotations"]}
    project.now += timedelta(seconds=1)
    project.step = timedelta()
    for task in list(project.tasks):
        project.edit(task, 0, "login")
    for task in list(project.tasks)[:100]:
        project.annotate(task, None)
    seen = drive(project, cut, [])
    assert seen.pending.total == truth(project, known) == 2600
    assert project.requests["listed"] > 3  # in pages
    listed = project.tasks_given["listed"]
    project.step = timedelta(seconds=1)
    project.annotate(max(project.tasks), "login")
    assert drive(project, cut, [], seen.kept).pending.total == truth(project, known) == 2601
    assert project.tasks_given["listed"] - listed == 1
