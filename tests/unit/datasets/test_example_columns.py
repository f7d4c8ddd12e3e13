from dataclasses import replace

import pytest

from labelloop.datasets.example_columns import ExampleColumns, labels_of, taken_apart
from labelloop.datasets.examples import Example
from labelloop.datasets.packed_texts import PackedTexts
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


def test_columns_in_order_hold_no_words_and_labels_of_others() -> None:
    joined = ExampleColumns.joined([ExampleColumns.of(EXAMPLES[2:]), ExampleColumns.of(EXAMPLES[:2])])
    chosen = joined.between(2, 4, [PackedTexts.of([example.text for example in EXAMPLES[:2]])])
    assert chosen == EXAMPLES[:2]
    ordered, expected = chosen.in_order(), ExampleColumns.of(EXAMPLES[:2])
    assert ordered == EXAMPLES[:2]
    assert (list(ordered.words.distinct), list(ordered.labels)) == (list(expected.words.distinct), expected.labels)
    assert ordered.words.ids.tolist() == expected.words.ids.tolist()
    assert ordered.records.tobytes() == expected.records.tobytes()
