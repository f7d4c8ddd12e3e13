from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.datasets.test_snapshot import CHOICES, SCHEMA, schema_of, snapshot, task

from labelloop.datasets.example_cache import ExampleCache, cache_key, cached_examples
from labelloop.datasets.examples import Example
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.datasets.split import holdout, position

LARGE = snapshot([task(number, f"text {number}", "ab"[number % 2]) for number in range(1, 2000)])
KEY = cache_key(SCHEMA, 7)


def without_places(examples: list[Example]) -> list[Example]:
    return [replace(example, place=None) for example in examples]


def test_examples_are_those_of_the_snapshot_and_know_their_place_in_the_holdout() -> None:
    found, _ = cached_examples(LARGE, SCHEMA)
    assert found == LARGE.examples(SCHEMA)
    assert all(example.place == position(example.text, "7") for example in found.examples)
    assert holdout(found.examples, "7", 0.2) == holdout(without_places(list(found.examples)), "7", 0.2)


def test_what_was_written_is_taken_and_only_changed_shards_are_derived(tmp_path: Path) -> None:
    _, first = cached_examples(LARGE, SCHEMA)
    first.write(tmp_path / "c")
    changed = LARGE.with_changes(snapshot([task(5, "another")]).rows, {9})
    # Shards that are not derived again are not even read: these could not be.
    unreadable = replace(
        changed,
        shards=tuple(replace(shard, member=b"") if shard in LARGE.shards else shard for shard in changed.shards),
    )
    found, second = cached_examples(unreadable, SCHEMA, ExampleCache.read(tmp_path / "c", KEY))
    assert found == changed.examples(SCHEMA)
    assert second == cached_examples(changed, SCHEMA)[1]
    assert len({*first.parts} - {*second.parts}) == 1
    for name, cache in (("incremental", second), ("full", cached_examples(changed, SCHEMA)[1])):
        cache.write(tmp_path / name)
    assert (tmp_path / "incremental").read_bytes() == (tmp_path / "full").read_bytes()


def test_deleted_texts_leave_the_cache(tmp_path: Path) -> None:
    _, first = cached_examples(LARGE, SCHEMA)
    left = LARGE.with_changes((), range(1, 1000))
    _, second = cached_examples(left, SCHEMA, first)
    assert [part.digest for part in second.parts] == [shard.digest for shard in left.shards]
    second.write(tmp_path / "c")
    content = (tmp_path / "c").read_bytes()
    assert b" 1234 " in content  # words of texts, such as "text 1234"
    assert b" 123 " not in content


@pytest.mark.parametrize("other", [cache_key(schema_of(CHOICES.replace("b", "c")), 7), cache_key(SCHEMA, 8)])
def test_a_cache_of_something_else_is_not_used(tmp_path: Path, other: str) -> None:
    cached_examples(LARGE, SCHEMA)[1].write(tmp_path / "c")
    assert not ExampleCache.read(tmp_path / "c", other).parts
    found, _ = cached_examples(LARGE, SCHEMA, replace(cached_examples(LARGE, SCHEMA)[1], key=other))
    assert found == LARGE.examples(SCHEMA)


def test_a_missing_cache_is_an_empty_one(tmp_path: Path) -> None:
    assert not ExampleCache.read(tmp_path / "none", KEY).parts


def test_a_damaged_shard_is_told_by_the_snapshot() -> None:
    damaged = replace(LARGE, shards=(replace(LARGE.shards[0], member=b""),))
    with pytest.raises(SnapshotError, match="damaged"):
        cached_examples(damaged, SCHEMA)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Snapshot]:
    path = tmp_path_factory.mktemp("cache") / "c"
    small = snapshot([task(number, f"text {number}") for number in range(1, 700)])
    cached_examples(small, SCHEMA)[1].write(path)
    return path, path.read_bytes(), small


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_happens_to_the_file_the_examples_are_right(
    written: tuple[Path, bytes, Snapshot], data: st.DataObject
) -> None:
    path, content, small = written
    changed = bytearray(content[: data.draw(st.integers(0, len(content)))])
    if changed:
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    found, _ = cached_examples(small, SCHEMA, ExampleCache.read(path, KEY))
    assert found == small.examples(SCHEMA)
