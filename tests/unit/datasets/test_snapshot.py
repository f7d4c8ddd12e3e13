import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelloop.counting.updates import Cut
from labelloop.datasets.examples import examples
from labelloop.datasets.rows import RowError
from labelloop.datasets.shards import merged, shards_of
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.label_config.schema import Schema, parse_label_config
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


@pytest.mark.parametrize("number", [0, -1, 2**63])
def test_a_task_with_an_id_that_is_none_of_label_studio_is_refused(number: int) -> None:
    with pytest.raises(RowError, match="id is not within"):
        snapshot([*TASKS, task(number)])


def test_the_format_is_the_documented_one(tmp_path: Path) -> None:
    snapshot().write(tmp_path / "snapshot.jsonl.gz")
    header, *lines = map(json.loads, gzip.decompress((tmp_path / "snapshot.jsonl.gz").read_bytes()).splitlines())
    assert (header["format"], header["project"]) == (2, 7)
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


def file_of(change: Callable[[dict[str, Any], list[dict[str, Any]]], object]) -> bytes:
    """A snapshot with its header and rows changed, and all digests right."""
    rows: list[dict[str, Any]] = [
        {"task": number, "text": "t", "annotations": [
            {"id": 1, "updated_at": "2026-11-22T06:00:01.000000Z", "was_cancelled": False, "ground_truth": False,
             "completed_by": None, "origin": "manual", "choices": {"label": ["a"]}}]} for number in (1, 2)
    ]  # fmt: skip
    header: dict[str, Any] = {
        "format": 2, "project": 7, "url_sha256": "u", "label_config_sha256": "c", "sources": ["Text:text"],
        "cut": {"updated_at": "2026-11-22T06:00:01.000000Z", "size": 2}, "shards": [{}],
    }  # fmt: skip
    change(header, rows)
    content = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
    member = gzip.compress(content)
    told = {
        "first": 1, "rows": 2, "annotations": 2, "skipped": 0, "updated_at": "2026-11-22T06:00:01.000000Z",
        "length": len(content), "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(member), "file_sha256": hashlib.sha256(member).hexdigest(),
    }  # fmt: skip
    if isinstance(header.get("shards"), list):
        header["shards"] = [{**told, **shard} if isinstance(shard, dict) else shard for shard in header["shards"]]
    return gzip.compress(json.dumps(header).encode() + b"\n") + member


def shard(**fields: Any) -> Callable[[dict[str, Any], list[dict[str, Any]]], object]:
    return lambda header, rows: header["shards"][0].update(fields)


def first(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = rows[0]["annotations"][0]
    return found


def test_the_unchanged_lines_are_readable(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(file_of(lambda header, rows: None))
    assert len(Snapshot.read(tmp_path / "s").rows) == Snapshot.read(tmp_path / "s").cut.size == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no snapshot"),
        (b"rubbish", "no gzip file"),
        (gzip.compress(b""), "is no snapshot"),
        (gzip.compress(b"text\n"), "line 1 is no JSON"),
        (gzip.compress(b"[" * 100_000 + b"\n"), "line 1 is no JSON"),
        (gzip.compress(b"[]\n"), "no header"),
        (gzip.compress(b'{"format": 2}\n'), "sources is not of type list"),
        (gzip.compress(b'{"format": 1}\n{}\n'), "has format '1', this version of Labelloop reads 2"),
        (gzip.compress(b'{"format": 2}')[:-4], "truncated"),
        (file_of(lambda header, rows: None) + b"x", "more than its header announces"),
        (file_of(lambda header, rows: header.update(sources=[])), "no sources"),
        (file_of(lambda header, rows: header.update(sources=[5])), "no sources"),
        (file_of(lambda header, rows: header.update(project="7")), "project is not of type int"),
        (file_of(lambda header, rows: header.update(cut=5)), "cut is not of type dict"),
        (file_of(lambda header, rows: header.update(cut={"updated_at": None, "size": 2})), "does not hold the rows"),
        (file_of(lambda header, rows: header.update(watermark=5)), "watermark"),
        (file_of(lambda header, rows: header.update(watermark={"recent": [1]})), "damaged header"),
        (file_of(lambda header, rows: header.update(shards=5)), "shards is not of type list"),
        (file_of(lambda header, rows: header.update(shards=[5])), "a shard is no object"),
        (file_of(lambda header, rows: header["shards"].append({})), "out of order"),
        (file_of(lambda header, rows: header["shards"].append({"first": 9})), "truncated"),
        (file_of(shard(length=2**40)), "rows of more than"),
        (file_of(shard(rows=0)), "rows of a shard is 0"),
        (file_of(shard(sha256="no")), "damaged header"),
        (file_of(shard(updated_at="soon")), "damaged header"),
        (file_of(shard(updated_at="0001-01-01T00:00:00+23:00")), "damaged header"),
        (file_of(shard(updated_at=None)), "does not hold the rows"),
        (file_of(shard(file_sha256="0" * 64)), "damaged in the rows from task 1 on"),
        (file_of(shard(length=1)), "damaged: the rows from task 1 on are not 1 bytes"),
        (file_of(shard(sha256="0" * 64)), "do not have the digest"),
        (file_of(shard(rows=3)), "are not 3"),
        (file_of(shard(first=2)), "are not 2"),
        (file_of(lambda header, rows: rows.reverse()), "of no later task"),
        (file_of(lambda header, rows: rows[0].update(task="1")), "of no later task"),
        (file_of(lambda header, rows: rows[1].update(task=2**63)), "of no later task"),
        (file_of(lambda header, rows: rows[0].update(text=5)), "row of task 1: text"),
        (file_of(lambda header, rows: rows[0].update(annotations=5)), "row of task 1: annotations"),
        (file_of(lambda header, rows: first(rows).update(updated_at="soon")), "updated_at is no time"),
        (file_of(lambda header, rows: first(rows).update(origin="unknown")), "origin"),
        (file_of(lambda header, rows: first(rows).update(was_cancelled=1)), "was_cancelled"),
        (file_of(lambda header, rows: first(rows).update(choices={"label": "a"})), "choices are no list"),
        (file_of(lambda header, rows: first(rows).update(choices={"label": [[]]})), "choices are no names"),
        (file_of(lambda header, rows: first(rows).update(choices={"label": [1]})), "choices are no names"),
        (file_of(lambda header, rows: first(rows).update(completed_by="x")), "completed_by"),
    ],
)
def test_damaged_and_foreign_files_are_refused_with_the_reason(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "s.gz").write_bytes(content)
    with pytest.raises(SnapshotError, match=told):
        _ = Snapshot.read(tmp_path / "s.gz").rows


@pytest.mark.parametrize("time", ["soon", "0001-01-01T00:00:00+23:00"])
def test_a_change_beside_a_damaged_row_is_told(tmp_path: Path, time: str) -> None:
    (tmp_path / "s").write_bytes(file_of(lambda header, rows: first(rows).update(updated_at=time)))
    damaged = Snapshot.read(tmp_path / "s")
    with pytest.raises(SnapshotError, match="damaged"):
        damaged.with_changes((), {2})
    with pytest.raises(SnapshotError, match="damaged"):
        _ = damaged.rows


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"s\.gz cannot be read \(No such file"):
        Snapshot.read(tmp_path / "s.gz")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("written") / "s.gz"
    snapshot([task(number, f"text {number}") for number in range(1, 1500)]).write(path)
    return path, path.read_bytes()


@given(st.data())
def test_every_truncation_is_noticed(written: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = written
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(SnapshotError):
        Snapshot.read(path)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_bit_is_noticed_or_harmless(written: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = written
    position = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(
        content[:position] + bytes([content[position] ^ 1 << data.draw(st.integers(0, 7))]) + content[position + 1 :]
    )
    try:
        read = Snapshot.read(path)
    except SnapshotError:
        return
    path.write_bytes(content)
    assert position < 10  # gzip's own header: its time and operating system say nothing
    assert read == Snapshot.read(path)


def test_oversized_files_are_refused_while_reading(tmp_path: Path) -> None:
    snapshot([task(1, "x" * 1_000_000)]).write(tmp_path / "s.gz")
    assert (tmp_path / "s.gz").stat().st_size < 10_000
    with pytest.raises(SnapshotError, match="rows of more than 100,000 bytes"):
        Snapshot.read(tmp_path / "s.gz", max_bytes=100_000)
    with pytest.raises(SnapshotError, match="is larger than 100 bytes"):
        Snapshot.read(tmp_path / "s.gz", max_bytes=100)


def test_a_shard_that_decompresses_to_more_than_it_tells_is_not_decompressed(tmp_path: Path) -> None:
    bomb = gzip.compress(b"x" * 10_000_000)
    shard = replace(snapshot().shards[0], member=bomb)
    with pytest.raises(SnapshotError, match="damaged"):
        _ = replace(snapshot(), shards=(shard,)).rows


def lines_of(tasks: set[int]) -> list[tuple[int, bytes]]:
    return [(number, b'{"task":%d,"n":"updated_at"}\n' % number) for number in sorted(tasks)]


IDS = st.builds(
    lambda start, step, n: set(range(start, start + step * n, step)),
    st.integers(1, 99),
    st.integers(1, 5),
    st.integers(0, 3000),
)


@settings(deadline=None, max_examples=50)
@given(before=IDS, gone=st.sets(st.integers(1, 3000), max_size=30), range_gone=IDS, new=IDS)
def test_shards_do_not_depend_on_how_they_came_together(
    before: set[int], gone: set[int], range_gone: set[int], new: set[int]
) -> None:
    """The same shards, and those around no change are the very same objects."""
    shards = shards_of(lines_of(before))
    taken = (gone | range_gone) & before - new
    after = before - taken | new
    made = merged(shards, dict(lines_of(new)), taken)
    assert made == shards_of(lines_of(after))
    few = merged(shards, {}, {min(before)} if before else set())
    assert few == shards_of(lines_of(before - {min(before)} if before else set()))


def test_a_change_in_a_large_snapshot_leaves_most_shards_alone() -> None:
    shards = shards_of(lines_of(set(range(1, 20_001))))
    assert 120 <= len(shards) <= 200
    made = merged(shards, {777: b'{"task":777,"n":"x"}\n'}, {15_000})
    assert sum(shard not in shards for shard in made) <= 2


def test_texts_do_not_stand_in_representations() -> None:
    assert "dritte" not in repr(snapshot())
    assert "dritte" not in repr(replace(snapshot(), project=9).rows)
