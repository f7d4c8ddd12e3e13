"""Examples as columns: arrays instead of an object for each, which are made only for those that somebody looks at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from labelloop.datasets.examples import Example
from labelloop.datasets.packed_texts import ChosenTexts, PackedTexts
from labelloop.datasets.rows import ORIGINS
from labelloop.models import features
from labelloop.models.words import Words

Labels = Mapping[str, tuple[str, ...]]

RECORD = np.dtype(
    [
        ("task", "<i8"),
        ("place", "<f8"),  # split.position
        ("labels", "<u4"),  # position in the table of labels
        ("origin", "u1"),  # position in ORIGIN_NAMES
        ("checksum", "<u4"),  # CRC-32 of the text: features.checksums
    ]
)
ORIGIN_NAMES = tuple(ORIGINS.values())


@dataclass(frozen=True, eq=False)
class ExampleColumns(Sequence[Example]):
    """Examples whose texts are taken apart already; equal to any sequence of the same examples."""

    records: NDArray[np.void] = field(repr=False)
    """Of type RECORD, shape (examples,)."""
    labels: Sequence[Labels] = field(repr=False)
    """Labels that examples have, each once."""
    texts: ChosenTexts = field(repr=False)
    words: Words = field(repr=False)

    @classmethod
    def of(cls, examples: Sequence[Example]) -> "ExampleColumns":
        """Of examples whose `place` is known."""
        table: dict[tuple[tuple[str, tuple[str, ...]], ...], int] = {}
        texts = [example.text for example in examples]
        records = np.zeros(len(examples), RECORD)
        records["task"] = [example.task for example in examples]
        records["place"] = [example.place for example in examples]
        records["labels"] = [table.setdefault(tuple(each.labels.items()), len(table)) for each in examples]
        records["origin"] = [ORIGIN_NAMES.index(example.origin) for example in examples]
        records["checksum"] = features.checksums(texts)
        packed = ChosenTexts.all([PackedTexts.of(texts)])
        return cls(records, [dict(items) for items in table], packed, Words.of(texts))

    @classmethod
    def joined(cls, parts: Sequence["ExampleColumns"]) -> "ExampleColumns":
        """The examples of all parts, which have all their texts, in their order."""
        table: dict[tuple[tuple[str, tuple[str, ...]], ...], int] = {}
        different: list[Labels] = []
        numbers = []
        for part in parts:
            for labels in part.labels:
                number = table.setdefault(tuple(labels.items()), len(different))
                if number == len(different):
                    different.append(labels)
                numbers.append(number)
        before = np.cumsum([0, *(len(part.labels) for part in parts)])[:-1]
        records = np.concatenate([np.zeros(0, RECORD), *(part.records for part in parts)])
        positions = records["labels"] + before.repeat([len(part) for part in parts])
        records["labels"] = np.array(numbers, np.uint32)[positions]
        texts = ChosenTexts.all([packed for part in parts for packed in part.texts.parts])
        return cls(records, different, texts, Words.joined([part.words for part in parts]))

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return list(self._made(self.records[index], self.texts[index]))
        return next(self._made(self.records[index : index + 1 or None], [self.texts[index]]))

    def __iter__(self) -> Iterator[Example]:
        return self._made(self.records, self.texts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _made(self, records: NDArray[np.void], texts: Sequence[str]) -> Iterator[Example]:
        for text, (task, place, labels, origin, _) in zip(texts, records.tolist(), strict=True):
            yield Example(task, text, self.labels[labels], ORIGIN_NAMES[origin], place)

    def parted(self, fraction: float) -> tuple["ExampleColumns", list[Example]]:
        """(examples with a place from `fraction` on, those below)."""
        below = self.records["place"] < fraction
        rest = ~below
        training = ExampleColumns(self.records[rest], self.labels, self.texts.those(rest), self.words.selected(rest))
        return training, list(self._made(self.records[below], self.texts.those(below)))

    def between(self, first: int, last: int, texts: Sequence[PackedTexts]) -> "ExampleColumns":
        """The examples `first` to `last` (not included), whose texts these are."""
        return ExampleColumns(
            self.records[first:last], self.labels, ChosenTexts.all(texts), self.words.between(first, last)
        )

    def in_order(self) -> "ExampleColumns":
        """The same examples with labels and words in order of first appearance, and no others."""
        used, first, numbers = np.unique(self.records["labels"], return_index=True, return_inverse=True)
        order = first.argsort()
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        records = self.records.copy()
        records["labels"] = places[numbers]
        words = self.words.selected(np.ones(len(self), np.bool_))
        return ExampleColumns(records, [self.labels[number] for number in used[order].tolist()], self.texts, words)


def labels_of(examples: Sequence[Example]) -> list[Labels]:
    """Of each example, without making it."""
    if isinstance(examples, ExampleColumns):
        return [examples.labels[number] for number in examples.records["labels"].tolist()]
    return [example.labels for example in examples]


def taken_apart(examples: Sequence[Example]) -> tuple[Words, NDArray[np.uint64]]:
    """The texts' words and CRC-32s: kept ones, as far as there are any."""
    if isinstance(examples, ExampleColumns):
        return examples.words, examples.records["checksum"].astype(np.uint64)
    texts = [example.text for example in examples]
    return Words.of(texts), features.checksums(texts)
