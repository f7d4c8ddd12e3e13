"""Counts that start from what the last one kept, next to counts that start from nothing."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.counting.project_model import START, TASKS, Event, Project, Server, apply

from labelloop.counting import pending_rows
from labelloop.counting.pending_rows import Kept
from labelloop.counting.updates import Count, Cut
from labelloop.label_studio import AnnotationTimes
from labelloop.label_studio.task_api import OVERLAP
from labelloop_operator.label_studio.visibility_watermark import VisibilityWatermark

STEPS = st.sampled_from([timedelta(microseconds=1), timedelta(seconds=1), timedelta(seconds=7), timedelta(hours=1)])
DEEDS = ("create", "edit", "flip", "delete", "delete_task", "begin_create", "begin_edit", "commit", "wait")
EVENTS = st.lists(st.tuples(st.sampled_from([*DEEDS, "create", "count", "count"]), st.integers(0, 30)), max_size=30)


class Counter:
    """Counts as the operator does: each time from what the last one kept."""

    def __init__(self, project: Project, cut: Cut) -> None:
        self.project = project
        self.cut = cut
        self.visible = VisibilityWatermark()
        self.kept: Kept | None = None
        self.server = Server(project)

    def count(self) -> Count:
        self.server = Server(self.project)
        self.visible.observe(self.project.newest, (self.project.now - START).total_seconds())
        found = self.server.run(self.cut, kept=self.kept, visible=self.visible.safe_until)
        self.kept = found.kept
        return found

    def fresh(self) -> Count:
        return Server(self.project).run(self.cut)


def imported(annotations: int) -> tuple[Project, Counter]:
    """So many annotations, all but a few made within the seconds before the cut; counted once, a minute later."""
    project = Project()
    for number in range(annotations):
        project.create(number % TASKS)
    counter = Counter(project, project.train())
    counter.count()
    project.wait(60)
    counter.count()
    project.step = timedelta(seconds=1)
    return project, counter


def trained(before: list[Event], step: timedelta) -> tuple[Project, Counter]:
    project = Project(step=step)
    apply(project, [event for event in before if event[0] != "count"])
    while project.written:
        project.commit()
    return project, Counter(project, project.train())


@given(EVENTS, EVENTS, STEPS)
def test_kept_rows_give_what_a_count_from_nothing_gives(
    before: list[Event], after: list[Event], step: timedelta
) -> None:
    project, counter = trained(before, step)
    for event in [*after, ("count", 0)]:
        project.commit_in_time()
        if event[0] != "count":
            apply(project, [event])
            continue
        found, fresh = counter.count(), counter.fresh()
        assert (found.pending, found.size, found.settled) == (fresh.pending, fresh.size, fresh.settled)


@given(EVENTS, EVENTS, STEPS)
def test_what_is_committed_too_late_never_makes_the_count_too_high(
    before: list[Event], after: list[Event], step: timedelta
) -> None:
    project, counter = trained(before, step)
    known = project.times
    for event in [*after, ("count", 0)]:
        if event[0] != "count":
            apply(project, [event])
            continue
        now = project.times
        changed = sum(now[id_] != known[id_] for id_ in now.keys() & known.keys())
        assert counter.count().pending.total <= len(now.keys() ^ known.keys()) + changed


def test_after_an_import_only_what_changed_since_is_listed() -> None:
    project, counter = imported(40)
    assert counter.count().pending.total == 0
    assert counter.server.tasks_given == 0
    project.create(1)
    assert counter.count().pending.total == 1
    assert counter.server.tasks_given == 1


def test_a_pending_annotation_is_listed_again_only_when_it_changed() -> None:
    project, counter = imported(8)
    for task in range(TASKS):
        project.create(task)
        project.wait(60)
    assert counter.count().pending.created == TASKS
    project.edit(0)
    found = counter.count()
    assert (found.pending.created, found.pending.changed) == (TASKS, 1)
    assert counter.server.tasks_given == 2  # with the last one made, the newest change when it was counted


def test_what_became_visible_in_time_is_listed_though_a_later_change_was_seen_before() -> None:
    project, counter = imported(8)
    project.begin_create(0)
    project.create(1)
    assert counter.count().pending.created == 1
    project.commit()
    assert counter.count().pending.created == 2
    assert len(counter.server.starts) == 1


def test_a_new_annotation_deleted_with_its_task_does_not_count_any_more() -> None:
    project, counter = imported(8)
    project.create(1)
    assert counter.count().pending.total == 1
    (annotation,) = [a for a in project.annotations[1].values() if a.created_at > project.now - timedelta(minutes=1)]
    project.annotations[1] = {annotation.id: annotation}  # the others of this task never were
    counter = Counter(project, Cut(counter.cut.updated_at, project.size - 1))
    assert counter.count().pending.total == 1
    project.delete_task(1)
    assert counter.count().pending.total == 0


def test_an_edit_committed_too_late_is_found_by_a_count_from_nothing() -> None:
    project, counter = imported(8)
    project.begin_edit(0)
    project.wait(60)
    project.create(3)
    counter.count()
    project.wait(60)
    project.create(2)
    assert counter.count().pending.total == 2
    project.commit()
    assert counter.count().pending.total == 2
    assert counter.fresh().pending.total == 3


def test_a_row_committed_too_late_moves_a_counter_and_is_found() -> None:
    project, counter = imported(8)
    late = AnnotationTimes(99, project.tick(), project.tick(), was_cancelled=False)
    project.wait(60)
    project.create(3)
    counter.count()
    project.wait(60)
    counter.count()
    project.annotations[0][99] = late
    assert counter.count().pending.created == 2
    assert len(counter.server.starts) > 1


def test_while_annotators_go_on_the_second_scan_lists_only_what_changed() -> None:
    project, counter = imported(40)
    server = Server(project, [lambda: None, lambda: None, lambda: project.create(0)])
    found = server.run(counter.cut, visible=counter.visible.safe_until)
    assert (found.pending.total, found.settled) == (1, True)
    assert server.tasks_given == TASKS + 1


def test_nothing_is_kept_without_knowing_what_can_be_seen() -> None:
    project, counter = imported(8)
    assert counter.fresh().kept is None
    assert counter.fresh().repeated == 1.0
    server = Server(project)
    server.run(counter.cut, kept=counter.kept)
    assert server.starts[0] is not None
    assert counter.cut.updated_at is not None
    assert server.starts[0] == counter.cut.updated_at - OVERLAP


def test_a_clock_set_back_makes_what_was_kept_void() -> None:
    project, counter = imported(8)
    assert counter.kept is not None
    server = Server(project)
    server.run(counter.cut, kept=counter.kept, visible=counter.kept.until - timedelta(seconds=1))
    assert counter.cut.updated_at is not None
    assert server.starts == [counter.cut.updated_at - OVERLAP]


def test_more_rows_than_are_kept_are_listed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_rows, "MOST_KEPT", 3)
    project, counter = imported(8)
    for _ in range(3):
        project.create(0)
    assert counter.count().kept is not None
    project.create(0)
    found = counter.count()
    assert found.pending.total == 4
    assert found.kept is None
