from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from labelloop.datasets.cached_part import Part, PartError, unpacked
from labelloop.datasets.example_columns import ExampleColumns, labels_of, taken_apart
from labelloop.datasets.examples import Counts, Example
from labelloop.datasets.split import holdout

EXAMPLES = [
    Example(1, "first text", {"label": ("a",)}, "manual", 0.5),
    Example(1, "", {"other": ("x", "y")}, "prediction", 0.25),
    Example(7, "another 日本 text \udcff", {"label": ("a",), "other": ("y",)}, "prediction-changed", 0.0),
    Example(9, "first text", {"label": ("a",)}, "manual", 0.5),
]
COLUMNS = ExampleColumns.of(EXAMPLES)


def test_columns_are_a_sequence_of_the_examples() -> None:
    assert COLUMNS == EXAMPLES
    assert EXAMPLES == COLUMNS
    assert [COLUMNS[number] for number in range(-4, 4)] == EXAMPLES * 2
    assert COLUMNS[1:3] == EXAMPLES[1:3]
    assert [example.place for example in COLUMNS] == [0.5, 0.25, 0.0, 0.5]
    assert EXAMPLES[:3] != COLUMNS
    assert [*EXAMPLES[:3], replace(EXAMPLES[3], task=10)] != COLUMNS
    with pytest.raises(IndexError):
        COLUMNS[4]


def test_what_is_asked_of_columns_is_what_examples_say() -> None:
    assert labels_of(COLUMNS) == labels_of(EXAMPLES)
    (words, checksums), (expected, expected_checksums) = taken_apart(COLUMNS), taken_apart(EXAMPLES)
    assert (list(words.distinct), words.ids.tolist()) == (list(expected.distinct), expected.ids.tolist())
    assert checksums.tolist() == expected_checksums.tolist()


@pytest.mark.parametrize("fraction", [0, 0.25, 0.3, 0.9])
def test_columns_are_parted_as_examples_are(fraction: float) -> None:
    training, held_out = holdout(COLUMNS, "7", fraction)
    assert (training, held_out) == holdout(EXAMPLES, "7", fraction)
    assert taken_apart(training)[0].ids.tolist() == taken_apart(list(training))[0].ids.tolist()


@pytest.mark.parametrize("cut", range(5))
def test_joined_columns_hold_the_examples_of_all(cut: int) -> None:
    joined = ExampleColumns.joined([ExampleColumns.of(EXAMPLES[:cut]), ExampleColumns.of(EXAMPLES[cut:])])
    assert joined == EXAMPLES
    assert ExampleColumns.joined([]) == []


def part(examples: ExampleColumns) -> Part:
    return Part(examples, Counts(tasks=5, used=4, skipped=1).to_json(), ["gone"])


def test_a_part_is_read_as_it_was_written() -> None:
    packed = part(COLUMNS).packed()
    read = unpacked(packed, {})
    assert read.examples == EXAMPLES
    assert (read.counts, read.removed) == (part(COLUMNS).counts, ["gone"])
    assert read.packed() == packed
    assert unpacked(part(ExampleColumns.of([])).packed(), {}).examples == []


def with_field(name: str, value: float) -> ExampleColumns:
    records = COLUMNS.records.copy()
    records[name][1] = value
    return replace(COLUMNS, records=records)


def with_words(change: Callable[[NDArray[np.int32]], NDArray[np.int32]]) -> ExampleColumns:
    return replace(COLUMNS, words=replace(COLUMNS.words, ids=change(COLUMNS.words.ids)))


@pytest.mark.parametrize(
    "wrong",
    [
        with_field("place", 1.0),
        with_field("place", -0.1),
        with_field("place", float("nan")),
        with_field("labels", 3),
        with_field("origin", 3),
        with_words(lambda ids: ids + 1),
        with_words(lambda ids: ids[1:]),
        with_words(lambda ids: np.append(ids, 0)),
        replace(COLUMNS, labels=[{}, {}, {}]),
        replace(COLUMNS, labels=[{"label": ()}] * 3),
        replace(COLUMNS, texts=[1, 2, 3, 4]),
        replace(COLUMNS, texts=COLUMNS.texts[:3]),
        replace(COLUMNS, texts=[*COLUMNS.texts, "more"]),
    ],
)
def test_a_part_that_makes_no_sense_is_not_used(wrong: ExampleColumns) -> None:
    with pytest.raises(PartError):
        unpacked(part(wrong).packed(), {})


def test_a_part_is_read_with_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = part(COLUMNS).packed()
    monkeypatch.setattr("labelloop.datasets.cached_part.MAX_PART", 100)
    with pytest.raises(PartError):
        unpacked(packed, {})
    with pytest.raises(PartError):
        unpacked(packed[:-1], {})
