import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelloop.counting import Cut
from labelloop.datasets.examples import examples
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.label_config import Schema, parse_label_config
from labelloop.label_studio import Task

URL = "http://label-studio.example:8080"
CHOICES = '<Choices name="label" toName="text"><Choice value="a"/><Choice value="b"/></Choices>'


def schema_of(controls: str = CHOICES, text: str = '<Text name="text" value="$text"/>') -> Schema:
    return parse_label_config(f"<View>{text}{controls}</View>")


SCHEMA = schema_of()


def task(number: int, text: object = "hello", label: Any = "a", control: str = "label", **more: Any) -> Task:
    result = {"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": [label]}}
    item = {"id": number * 10, "updated_at": f"2026-11-22T06:00:{number % 60:02}.000123Z", "result": [result]}
    return Task(number, {"text": text}, [{**item, **more}])


TASKS = [task(3, "dritte 😀"), task(1, "first", was_cancelled=True), task(2, None, ground_truth=True, completed_by=4)]


def snapshot(tasks: list[Task] = TASKS, schema: Schema = SCHEMA) -> Snapshot:
    return Snapshot.from_tasks(tasks, schema, project=7, url=URL)


def test_the_format_is_the_documented_one(tmp_path: Path) -> None:
    snapshot().write(tmp_path / "snapshot.jsonl.gz")
    header, *lines = map(json.loads, gzip.decompress((tmp_path / "snapshot.jsonl.gz").read_bytes()).splitlines())
    assert (header["format"], header["project"]) == (1, 7)
    assert header["cut"] == {"updated_at": "2026-11-22T06:00:03.000123Z", "size": 3}
    assert header["label_config_sha256"] == SCHEMA.digest
    assert [line["task"] for line in lines] == [1, 2, 3]
    assert lines[1] == {
        "task": 2,
        "text": None,
        "annotations": [
            {
                "id": 20,
                "updated_at": "2026-11-22T06:00:02.000123Z",
                "was_cancelled": False,
                "ground_truth": True,
                "completed_by": 4,
                "origin": "manual",
                "choices": {"label": ["a"]},
            }
        ],
    }


def test_no_address_stands_in_it(tmp_path: Path) -> None:
    snapshot().write(tmp_path / "s")
    assert b"label-studio.example" not in gzip.decompress((tmp_path / "s").read_bytes())


def test_bytes_and_digest_do_not_depend_on_order_or_time_of_writing(tmp_path: Path) -> None:
    snapshot().write(tmp_path / "one")
    snapshot(TASKS[::-1]).write(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert snapshot().digest == snapshot(TASKS[::-1]).digest


def test_the_digest_is_of_the_rows_alone() -> None:
    other = Snapshot.from_tasks(TASKS, schema_of(CHOICES.replace("b", "c")), project=8, url="http://other")
    assert other.digest == snapshot().digest
    assert snapshot(TASKS[:2]).digest != snapshot().digest


def test_the_cut_counts_all_annotations() -> None:
    assert snapshot().cut == Cut(datetime(2026, 11, 22, 6, 0, 3, 123, tzinfo=UTC), 3)
    assert snapshot([]).cut == Cut(None, 0)


LABELS = st.text(min_size=1, max_size=4) | st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=3)
TASK_LISTS = st.lists(
    st.builds(
        task,
        number=st.integers(1, 2**40),
        text=st.none() | st.text() | st.integers(),
        label=LABELS,
        control=st.text(min_size=1, max_size=4),
        was_cancelled=st.booleans(),
        ground_truth=st.booleans(),
    ),
    unique_by=lambda made: made.id,
    max_size=8,
)


@settings(deadline=None)
@given(tasks=TASK_LISTS)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, tasks: list[Task]) -> None:
    path = tmp_path_factory.mktemp("snapshot") / "s.gz"
    written = snapshot(tasks)
    written.write(path)
    read = Snapshot.read(path)
    assert (read, read.digest, read.cut) == (written, written.digest, written.cut)
    assert read.examples(SCHEMA) == examples(tasks, SCHEMA)


def test_a_changed_label_configuration_needs_no_new_read(tmp_path: Path) -> None:
    snapshot([task(1, "one", "a"), task(2, "two", "later", "other")]).write(tmp_path / "s")
    read = Snapshot.read(tmp_path / "s")
    changed = schema_of(CHOICES.replace('"label"', '"other"').replace('"b"', '"later"'))
    read.verify(project=7, url=URL + "/", schema=changed)
    assert [example.labels for example in read.examples(changed).examples] == [{"other": ("later",)}]


def test_another_text_needs_a_new_read() -> None:
    with pytest.raises(SnapshotError, match="no text for Text:body"):
        snapshot().verify(project=7, url=URL, schema=schema_of(text='<Text name="text" value="$body"/>'))


@pytest.mark.parametrize(("project", "url"), [(8, URL), (7, "http://elsewhere")])
def test_a_snapshot_of_another_project_is_refused(project: int, url: str) -> None:
    with pytest.raises(SnapshotError, match="of another address or id"):
        snapshot().verify(project=project, url=url, schema=SCHEMA)


def test_controls_about_different_texts_keep_both(tmp_path: Path) -> None:
    schema = schema_of(
        CHOICES + '<Choices name="second" toName="body"><Choice value="x"/></Choices>',
        '<Text name="text" value="$text"/><Text name="body" value="$body"/>',
    )
    made = snapshot([Task(1, {"text": "T", "body": "B"}, task(1, label="x", control="second").annotations)], schema)
    made.write(tmp_path / "s")
    assert [example.text for example in Snapshot.read(tmp_path / "s").examples(schema).examples] == ["B"]


def lines_of(change: Callable[[list[dict[str, Any]]], object]) -> bytes:
    """A snapshot with its JSON lines changed."""
    path_lines: list[dict[str, Any]] = [
        {"format": 1, "project": 7, "url_sha256": "u", "label_config_sha256": "c", "sources": ["Text:text"],
         "cut": {"updated_at": "2026-11-22T06:00:01.000000Z", "size": 1}},
        {"task": 1, "text": "t", "annotations": [
            {"id": 1, "updated_at": "2026-11-22T06:00:01.000000Z", "was_cancelled": False, "ground_truth": False,
             "completed_by": None, "origin": "manual", "choices": {"label": ["a"]}}]},
    ]  # fmt: skip
    change(path_lines)
    return gzip.compress("".join(json.dumps(line) + "\n" for line in path_lines).encode())


def first(lines: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = lines[1]["annotations"][0]
    return found


def test_the_unchanged_lines_are_readable(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(lines_of(lambda lines: None))
    assert Snapshot.read(tmp_path / "s").cut.size == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no snapshot"),
        (b"rubbish", "no gzip file"),
        (gzip.compress(b""), "is no snapshot"),
        (gzip.compress(b"text\n"), "line 1 is no JSON"),
        (gzip.compress(b"[" * 100_000 + b"\n"), "line 1 is no JSON"),
        (gzip.compress(b"[]\n"), "no header"),
        (gzip.compress(b'{"format": 1}\n'), "without sources"),
        (gzip.compress(b'{"format": 1, "sources": ["Text:text"]}\n'), "without project"),
        (gzip.compress(b'{"format": 1}'), "truncated"),
        (lines_of(lambda lines: lines[0].update(format=2)), "format '2'"),
        (lines_of(lambda lines: lines[0].update(sources=[])), "without sources"),
        (lines_of(lambda lines: lines.pop()), "does not hold the rows"),
        (lines_of(lambda lines: lines.append(lines[1])), "out of order"),
        (lines_of(lambda lines: lines[1].update(task="1")), "line 2: task is not of type int"),
        (lines_of(lambda lines: lines[1].update(text=5)), "line 2: text"),
        (lines_of(lambda lines: lines[1].update(annotations=5)), "line 2: annotations"),
        (lines_of(lambda lines: first(lines).update(updated_at="soon")), "updated_at is no time"),
        (lines_of(lambda lines: first(lines).update(origin="unknown")), "origin"),
        (lines_of(lambda lines: first(lines).update(was_cancelled=1)), "was_cancelled"),
        (lines_of(lambda lines: first(lines).update(choices={"label": "a"})), "choices are no list"),
        (lines_of(lambda lines: first(lines).update(choices={"label": [[]]})), "choices are no names"),
        (lines_of(lambda lines: first(lines).update(choices={"label": [1]})), "choices are no names"),
        (lines_of(lambda lines: first(lines).update(completed_by="x")), "completed_by"),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_the_reason(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "s.gz").write_bytes(content)
    with pytest.raises(SnapshotError, match=told):
        Snapshot.read(tmp_path / "s.gz")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"s\.gz cannot be read \(No such file"):
        Snapshot.read(tmp_path / "s.gz")


@given(st.data())
def test_every_truncation_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "s.gz"
    snapshot().write(path)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(SnapshotError):
        Snapshot.read(path)


def test_oversized_files_are_refused_while_reading(tmp_path: Path) -> None:
    snapshot([task(1, "x" * 1_000_000)]).write(tmp_path / "s.gz")
    assert (tmp_path / "s.gz").stat().st_size < 10_000
    with pytest.raises(SnapshotError, match="larger than 100,000 bytes"):
        Snapshot.read(tmp_path / "s.gz", max_bytes=100_000)


def test_texts_do_not_stand_in_representations() -> None:
    assert "dritte" not in repr(snapshot())
    assert "dritte" not in repr(replace(snapshot(), project=9).rows)
