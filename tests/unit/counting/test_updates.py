"""Counting against a model of a project: annotations come, change, flip and go, tasks go with all they hold."""

from datetime import timedelta

import pytest
from hypothesis import given
from tests.unit.counting.project_model import EVENTS, START, STEPS, TASKS, Event, Project, Server, apply

from labelloop.counting.pending_rows import Rows, rows_after
from labelloop.counting.updates import Cut, Pending, Recount, pending_updates, recounted, repeat_edits, scan_start
from labelloop.label_studio import AnnotationTimes, NotFound
from labelloop.label_studio.task_api import OVERLAP


def rows(project: Project, cut: Cut) -> Rows:
    return rows_after(cut.updated_at, project.scan(scan_start(cut)))


def all_rows(project: Project, cut: Cut) -> Rows:
    return rows_after(cut.updated_at, project.scan())


def counted(project: Project, cut: Cut) -> Pending:
    pending = pending_updates(cut, rows(project, cut), project.size)
    assert isinstance(pending, Pending)
    return pending


@given(EVENTS, EVENTS, STEPS)
def test_counts_what_came_changed_and_went_since_the_cut(
    before: list[Event], after: list[Event], step: timedelta
) -> None:
    project = Project(step=step)
    apply(project, before)
    cut = project.train()
    known = {a.id: a for task in project.scan() for a in task.annotations}
    apply(project, after)
    left = {a.id: a for task in project.scan() for a in task.annotations}
    pending = counted(project, cut)
    assert pending.created == len(left.keys() - known.keys())
    assert pending.changed == sum(1 for id_ in left.keys() & known.keys() if left[id_] != known[id_])
    assert pending.vanished == len(known.keys() - left.keys())
    assert pending.newest == {id_: a.updated_at for id_, a in left.items() if known.get(id_) != a}


@given(EVENTS, EVENTS)
def test_equals_the_number_of_updates_but_for_the_documented_under_counts(
    before: list[Event], after: list[Event]
) -> None:
    project = Project()
    apply(project, before)
    cut = project.train()
    known = project.made
    apply(project, after)
    left = {a.id for task in project.scan() for a in task.annotations}
    several = len(project.touched) - len(set(project.touched))
    came_and_went = sum(1 for id_ in set(project.touched) if id_ > known and id_ not in left)
    assert counted(project, cut).total == project.updates - several - came_and_went


@given(EVENTS, EVENTS)
def test_looking_after_every_update_sees_repeated_edits_apart(before: list[Event], after: list[Event]) -> None:
    project = Project()
    apply(project, before)
    cut = project.train()
    repeats, newest = 0, counted(project, cut).newest
    for event in after:
        if event[0] in ("create", "edit", "flip"):
            apply(project, [event])
            pending = counted(project, cut)
            repeats += repeat_edits(newest, pending.newest)
            newest = pending.newest
    assert counted(project, cut).total + repeats == project.updates


@given(EVENTS)
def test_before_any_training_every_annotation_counts(events: list[Event]) -> None:
    project = Project()
    apply(project, events)
    pending = counted(project, Cut())
    assert (pending.total, pending.created) == (project.size, project.size)


@given(EVENTS)
def test_nothing_is_pending_right_after_a_training(events: list[Event]) -> None:
    project = Project()
    apply(project, events)
    assert counted(project, project.train()).total == 0


@given(EVENTS, EVENTS)
def test_counting_twice_gives_the_same(before: list[Event], after: list[Event]) -> None:
    project = Project()
    apply(project, before)
    cut = project.train()
    apply(project, after)
    assert counted(project, cut) == counted(project, cut)
    assert recounted(cut, all_rows(project, cut), project.size) == counted(project, cut)


def project_with(annotations: int) -> Project:
    project = Project(step=timedelta(minutes=5))
    for number in range(annotations):
        project.create(number % TASKS)
    return project


def test_a_row_committed_late_asks_for_a_recount_which_counts_it() -> None:
    project = project_with(6)
    cut = project.train()
    late = AnnotationTimes(99, START, START, was_cancelled=False)
    project.annotations[0][99] = late
    assert pending_updates(cut, rows(project, cut), project.size) == Recount(1)
    pending = recounted(cut, all_rows(project, cut), project.size)
    assert (pending.created, pending.vanished, pending.total) == (1, 0, 1)


def test_a_deletion_hides_a_row_committed_late() -> None:
    project = project_with(6)
    cut = project.train()
    project.annotations[0][99] = AnnotationTimes(99, START, START, was_cancelled=False)
    project.delete(3)
    assert counted(project, cut).total == 0  # documented under-count; both are in the next training


def test_a_restored_backup_counts_what_came_back() -> None:
    project = project_with(6)
    old = {task: dict(annotations) for task, annotations in project.annotations.items()}
    for _ in range(4):
        project.delete(0)
    cut = project.train()
    project.annotations = old
    assert isinstance(pending_updates(cut, rows(project, cut), project.size), Recount)
    assert recounted(cut, all_rows(project, cut), project.size).total == 4


def test_the_scan_starts_before_the_cut() -> None:
    assert scan_start(Cut(START, 3)) == START - OVERLAP
    assert scan_start(Cut()) is None


def test_repeat_edits_need_a_newer_time_of_an_annotation_that_was_pending() -> None:
    later = START + timedelta(microseconds=1)
    assert repeat_edits({1: START, 2: START, 3: later}, {1: later, 2: START, 3: START, 4: later}) == 1


def test_count_of_a_quiet_project() -> None:
    project = project_with(6)
    cut = project.train()
    project.create(1)
    project.delete(0)
    found = Server(project).run(cut)
    assert (found.pending.total, found.size, found.settled) == (2, 6, True)


def test_count_scans_again_when_the_counters_moved() -> None:
    project = project_with(6)
    cut = project.train()
    found = Server(project, [lambda: None, lambda: None, lambda: project.create(0)]).run(cut)
    assert (found.pending.total, found.size, found.settled) == (1, 7, True)


def test_count_while_annotators_never_rest_is_not_too_high() -> None:
    project = project_with(6)
    cut = project.train()
    found = Server(project, [lambda: project.create(0)] * 100).run(cut)
    assert not found.settled
    assert 0 < found.pending.total <= project.updates
    assert found.pending.vanished == 0


def test_count_looks_at_everything_when_annotations_appeared() -> None:
    project = project_with(6)
    cut = project.train()
    project.annotations[0][99] = AnnotationTimes(
        99, project.tick(), project.tick(), was_cancelled=False
    )  # task unmoved
    server = Server(project)
    found = server.run(cut)
    assert (found.pending.created, found.pending.total, found.settled) == (1, 1, True)
    assert server.full_scans == 2  # tasks with usual and tasks with skipped annotations


def test_a_project_that_is_gone_is_no_empty_project() -> None:
    with pytest.raises(NotFound, match="no project 8"):
        Server(project_with(2)).run(Cut(START, 2), project_id=8)
