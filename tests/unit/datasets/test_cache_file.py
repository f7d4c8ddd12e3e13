from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.datasets.test_example_columns import COLUMNS, EXAMPLES

from labelloop.datasets.cache_file import CachedShard, CacheFileError, Content, decoded, encoded
from labelloop.datasets.example_columns import ExampleColumns
from labelloop.datasets.packed_texts import ChosenTexts, PackedTexts

SHARD = CachedShard("digest", 4, (5, 4, 1, 0, 0, 0, 0), ("gone",))
NOTHING = Content((), ExampleColumns.joined([]))


def written(content: Content) -> bytes:
    return b"".join(encoded("key", content))


def test_content_is_read_as_it_was_written() -> None:
    bytes_ = written(Content([SHARD], COLUMNS))
    read = decoded(bytes_, "key")
    assert read is not None
    assert (read.shards, read.examples) == ([SHARD], EXAMPLES)
    assert written(read) == bytes_
    empty = decoded(written(NOTHING), "key")
    assert empty is not None
    assert (list(empty.shards), empty.examples) == ([], [])


def test_a_file_of_another_key_or_format_is_not_read() -> None:
    assert decoded(written(NOTHING), "other") is None
    assert decoded(written(NOTHING).replace(b'"format":3', b'"format":2'), "key") is None


def with_field(name: str, value: float) -> ExampleColumns:
    records = COLUMNS.records.copy()
    records[name][1] = value
    return replace(COLUMNS, records=records)


def with_words(change: Callable[[NDArray[np.int32]], NDArray[np.int32]]) -> ExampleColumns:
    return replace(COLUMNS, words=replace(COLUMNS.words, ids=change(COLUMNS.words.ids)))


@pytest.mark.parametrize(
    "wrong",
    [
        Content([SHARD], with_field("place", 1.0)),
        Content([SHARD], with_field("place", -0.1)),
        Content([SHARD], with_field("place", float("nan"))),
        Content([SHARD], with_field("origin", 3)),
        Content([SHARD], with_words(lambda ids: ids[1:])),
        Content([SHARD], with_words(lambda ids: np.append(ids, 0))),
        Content([SHARD], replace(COLUMNS, labels=[{}, {}, {}])),
        Content([SHARD], replace(COLUMNS, labels=[{"label": ()}] * 3)),
        Content([replace(SHARD, examples=3)], COLUMNS),
        Content([replace(SHARD, counts=(4, 4))], COLUMNS),
        Content([replace(SHARD, removed=(1,))], COLUMNS),  # type: ignore[arg-type]
    ],
)
def test_content_that_makes_no_sense_is_refused(wrong: Content) -> None:
    with pytest.raises(CacheFileError):
        decoded(written(wrong), "key")


@pytest.mark.parametrize("cut", range(1, 100, 7))
def test_a_file_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(CacheFileError):
        decoded(written(Content([SHARD], COLUMNS))[:-cut], "key")


def test_texts_are_read_when_somebody_looks() -> None:
    looked: list[str] = []

    def again() -> list[str]:
        looked.append("again")
        return ["x", "y"]

    texts = ChosenTexts.all([PackedTexts.of(["a", "b", "c"]), PackedTexts(b"damaged", 2, again), PackedTexts.of([])])
    assert (len(texts), texts[1], texts[-5], list(texts[:3])) == (5, "b", "a", ["a", "b", "c"])
    assert not looked
    chosen = texts.those(np.array([True, False, True, False, True]))
    assert (list(chosen), chosen[-1], len(chosen), looked) == (["a", "c", "y"], "y", 3, ["again"])
    with pytest.raises(IndexError):
        chosen[3]


@pytest.mark.parametrize(
    "packed",
    [PackedTexts.of(["a"]).packed, PackedTexts.of(["a", "b"]).packed[:-1], b"", PackedTexts.of([1, 2]).packed],  # type: ignore[list-item]
)
def test_texts_that_make_no_sense_are_made_again(packed: bytes) -> None:
    assert list(PackedTexts(packed, 2, lambda: ["x", "y"]).texts) == ["x", "y"]


def test_texts_are_read_with_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelloop.datasets.packed_texts.MAX_PART", 100)
    packed = PackedTexts.of(["a" * 1000]).packed
    assert list(PackedTexts(packed, 1, lambda: ["again"]).texts) == ["again"]
