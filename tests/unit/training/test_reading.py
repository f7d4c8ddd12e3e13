"""Reading what changed gives what a full read gives, whatever happened to the project in between."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.fakes.annotated_project import URL, AnnotatedProject, choices_config
from tests.fakes.play import answer as respond
from tests.fakes.play import play

from labelloop.datasets.snapshot import Snapshot
from labelloop.label_studio import Request, Response
from labelloop.training.reading import LATE, NO_SNAPSHOT, Reading, read_project

CONFIGS = [
    choices_config(["a", "b"]),
    choices_config(["a", "b", "c"]),
    choices_config(["b"]),
    choices_config(["a", "b"], ["text", "body"]),
    choices_config(["a", "b"], ["body", "text"]),
    choices_config(["a", "b"], ["body"]),
]


def read(project: AnnotatedProject, earlier: Snapshot | None = None, **more: Any) -> Reading:
    reading, _ = play(read_project(project.number, URL, earlier, **more), project.answer)
    return reading


def project_of(tasks: int) -> AnnotatedProject:
    project = AnnotatedProject(CONFIGS[0])
    for number in range(tasks):
        project.add_task({"text": f"text {number}", "body": f"body {number}"}, "ab"[number % 2])
    return project


class ReadingTells(RuleBasedStateMachine):
    """Rules change the project; whenever it is trained, the incremental read must equal a full one."""

    def __init__(self) -> None:
        super().__init__()
        self.project = AnnotatedProject(CONFIGS[0])
        self.snapshot: Snapshot | None = None

    @initialize(tasks=st.integers(0, 12))
    def imported(self, tasks: int) -> None:
        self.project = project_of(tasks)

    @rule(seconds=st.sampled_from([0, 1, 30, 600]))
    def time_passes(self, seconds: int) -> None:
        self.project.now += timedelta(seconds=seconds)
        self.project.step = timedelta(microseconds=1 if seconds == 0 else 1_000_000)

    @rule(labels=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=2), text=st.text(max_size=4))
    def add_task(self, labels: list[str | None], text: str) -> None:
        self.project.add_task({"text": text, "body": f"{text}!"}, *labels)

    @rule(data=st.data(), label=st.sampled_from(["a", "b", None]), text=st.sampled_from(["text", "body"]))
    def annotate(self, data: st.DataObject, label: str | None, text: str) -> None:
        if self.project.tasks:
            self.project.annotate(self.some(data), label, f"label_{text}")

    @rule(data=st.data(), what=st.sampled_from(["edit", "skip", "unskip", "delete"]), position=st.integers(0, 3))
    def change_annotation(self, data: st.DataObject, what: str, position: int) -> None:
        labelled = [task for task, entry in self.project.tasks.items() if entry["annotations"]]
        if labelled:
            task = data.draw(st.sampled_from(labelled))
            {
                "edit": lambda: self.project.edit(task, position, "b"),
                "skip": lambda: self.project.skip(task, position, skipped=True),
                "unskip": lambda: self.project.skip(task, position, skipped=False),
                "delete": lambda: self.project.delete_annotation(task, position),
            }[what]()

    @rule(data=st.data(), what=st.sampled_from(["delete", "text", "prediction"]))
    def change_task(self, data: st.DataObject, what: str) -> None:
        if self.project.tasks:
            task = self.some(data)
            {
                "delete": lambda: self.project.delete_task(task),
                "text": lambda: self.project.edit_data(task, text="edited"),
                "prediction": lambda: self.project.predict(task),
            }[what]()

    @rule(config=st.sampled_from(CONFIGS))
    def change_configuration(self, config: str) -> None:
        self.project.label_config = config

    @rule()
    def train(self) -> None:
        self.snapshot = self.both_ways()

    @rule(data=st.data(), after=st.integers(0, 8))
    def train_while_annotators_go_on(self, data: st.DataObject, after: int) -> None:
        """What such a read misses, the next one must find."""
        asked = 0

        def answer(request: Request) -> Response:
            nonlocal asked
            asked += 1
            if asked == after and self.project.tasks:
                task = self.some(data)
                data.draw(st.sampled_from([self.project.delete_task, self.project.predict, self.annotate_a]))(task)
            return self.project.answer(request)

        reading, _ = play(read_project(self.project.number, URL, self.snapshot), answer)
        self.snapshot = reading.snapshot

    def annotate_a(self, task: int) -> None:
        self.project.annotate(task, "a")

    def both_ways(self) -> Snapshot:
        full, incremental = read(self.project), read(self.project, self.snapshot)
        assert incremental.snapshot.rows == full.snapshot.rows
        assert incremental.snapshot.shards == full.snapshot.shards
        assert incremental.snapshot.digest == full.snapshot.digest
        assert incremental.snapshot.cut == full.snapshot.cut
        assert incremental.snapshot.examples(full.schema) == full.snapshot.examples(full.schema)
        return incremental.snapshot

    def some(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.project.tasks)))

    def teardown(self) -> None:
        self.both_ways()


ReadingTells.TestCase.settings = settings(deadline=None, max_examples=40, stateful_step_count=25)
TestReadingTells = ReadingTells.TestCase


def test_without_a_snapshot_everything_is_read() -> None:
    reading = read(project_of(5))
    assert reading.to_json() == {"mode": "full", "why": NO_SNAPSHOT, "tasks": 5}
    assert read(project_of(0)).tasks == 0


def test_ten_changes_in_a_large_project_are_read_alone() -> None:
    project = project_of(3000)
    earlier = read(project).snapshot
    tasks = sorted(project.tasks)
    project.now += timedelta(hours=1)
    for task in tasks[::500]:
        project.edit(task, 0, "b")
    project.delete_annotation(tasks[7], 0)
    project.annotate(tasks[2000], None)
    project.edit_data(tasks[9], text="edited")
    project.predict(tasks[10])
    project.tasks_given.clear()
    project.requests.clear()
    reading = read(project, earlier)
    assert (reading.mode, reading.tasks) == ("incremental", 8)
    assert project.tasks_given["full"] == 9  # the one with a usual and a skipped annotation is in two answers
    assert project.requests.total() <= 11
    assert reading.snapshot.shards == read(project).snapshot.shards


def test_nothing_changed() -> None:
    project = project_of(50)
    earlier = read(project).snapshot
    project.requests.clear()
    reading = read(project, earlier)
    assert (reading.mode, reading.tasks) == ("incremental", 0)
    assert project.requests["full"] == 0
    assert reading.snapshot == earlier


def test_deleted_tasks_are_found_by_counting_and_their_texts_leave(tmp_path: Any) -> None:
    project = project_of(3000)
    project.annotate(3, None)
    earlier = read(project).snapshot
    for task in (3, 2001, 2003, 2900):
        project.delete_task(task)
    project.requests.clear()
    project.tasks_given.clear()
    reading = read(project, earlier)
    assert reading.mode == "incremental"
    assert project.requests.total() < 80
    assert project.tasks_given["full"] == 0
    assert reading.snapshot.shards == read(project).snapshot.shards
    reading.snapshot.write(tmp_path / "s")
    assert Snapshot.read(tmp_path / "s").rows == reading.snapshot.rows
    assert not any(row.texts["Text:text"] == "text 2000" for row in reading.snapshot.rows)


def test_half_of_the_project_deleted() -> None:
    project = project_of(2000)
    earlier = read(project).snapshot
    for task in sorted(project.tasks)[:1000]:
        project.delete_task(task)
    reading = read(project, earlier)
    assert (reading.mode, reading.snapshot.tasks) == ("incremental", 1000)


def test_a_change_committed_late_is_read() -> None:
    project = project_of(10)
    task = project.add_task({"text": "late"}, "a")
    late = project.tasks.pop(task)
    project.annotate(1, "b")
    project.now += timedelta(seconds=30)
    project.annotate(2, "b")
    earlier = read(project).snapshot
    project.tasks[task] = late
    project._tick()
    reading = read(project, earlier)
    assert (reading.mode, reading.tasks) == ("incremental", 1 + 2)
    assert reading.snapshot.shards == read(project).snapshot.shards


def test_an_annotation_committed_far_too_late_is_noticed_by_the_counters() -> None:
    project = project_of(10)
    task = project.add_task({"text": "late"}, "a")
    late = project.tasks.pop(task)
    project.now += 3 * LATE
    project.annotate(2, "b")
    earlier = read(project).snapshot
    project.tasks[task] = late
    project._tick()
    reading = read(project, earlier)
    assert reading.mode == "full"
    assert "annotated tasks that did not tell of a change" in reading.why


def test_a_restored_backup_is_noticed() -> None:
    project = project_of(10)
    project.now += timedelta(hours=1)
    before = {task: {**entry} for task, entry in project.tasks.items()}
    for task in sorted(project.tasks):
        project.edit(task, 0, "b")
    earlier = read(project).snapshot
    for task, entry in before.items():
        project.tasks[task]["updated_at"] = entry["updated_at"]
    project._tick()
    reading = read(project, earlier)
    assert (reading.mode, "backup" in reading.why) == ("full", True)
    project.now += timedelta(hours=1)
    project.annotate(3, "a")
    reading = read(project, earlier)
    assert reading.mode == "full"


def test_a_new_text_in_the_configuration_needs_a_full_read_and_one_less_does_not() -> None:
    project = project_of(10)
    one_text = read(project).snapshot
    project.label_config = CONFIGS[3]
    both = read(project, one_text)
    assert (both.mode, "no text for Text:body" in both.why) == ("full", True)
    project.label_config = CONFIGS[5]
    body = read(project, both.snapshot)
    assert (body.mode, body.tasks) == ("incremental", 0)
    assert body.snapshot.shards == read(project).snapshot.shards


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        (lambda made: replace(made, project=8), "project 8"),
        (lambda made: replace(made, url_sha256="0" * 64), "another address"),
        (lambda made: replace(made, watermark=None), "how far it reaches"),
        (lambda made: replace(made, watermark=replace(made.watermark, reader="0.0.0")), "made by Labelloop 0.0.0"),
        (
            lambda made: replace(
                made, watermark=replace(made.watermark, project_created_at=made.watermark.newest - timedelta(days=1))
            ),
            "created at another time",
        ),
        (
            lambda made: replace(made, shards=(replace(made.shards[0], digest="0" * 64),)),
            "damaged",
        ),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_told(foreign: Callable[[Snapshot], Snapshot], told: str) -> None:
    project = project_of(10)
    earlier = read(project).snapshot
    project.edit(1, 0, "b")
    reading = read(project, foreign(earlier))
    assert (reading.mode, reading.tasks) == ("full", 10)
    assert told in reading.why


def test_annotators_who_never_rest_get_a_full_read() -> None:
    project = project_of(10)
    earlier = read(project).snapshot

    def answer(request: Request) -> Response:
        project.annotate(1, "b")
        return project.answer(request)

    reading, _ = play(read_project(7, URL, earlier), answer)
    assert (reading.mode, "faster" in reading.why) == ("full", True)


def test_a_label_studio_that_does_not_know_a_filter_gets_a_full_read() -> None:
    project = project_of(10)
    earlier = read(project).snapshot
    project.delete_task(3)

    def refuse(request: Request) -> Response:
        if "less_or_equal" in str(request.query):
            return respond({"detail": "no such operator"}, status=500)
        return project.answer(request)

    reading, _ = play(read_project(7, URL, earlier), refuse)
    assert (reading.mode, reading.snapshot.tasks) == ("full", 9)
    assert "does not take a question about changes" in reading.why
