"""Texts taken apart into words, as numbers: what a fit needs of a text besides its labels, and what can be kept of it.

A fit sees words numbered in the order in which they first appear in its texts. So texts that are taken apart, kept in
parts or with others, joined and chosen from are the same to the bit as those that were taken apart at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from labelloop.models import features


@dataclass(frozen=True)
class Words:
    """The words of some texts, in their order."""

    distinct: Sequence[str] = field(repr=False)
    """Each word once, in the order of first appearance unless `mixed`."""
    ids: NDArray[np.int32] = field(repr=False)
    """Of every word of every text the position in `distinct`; shape (sum of lengths,)."""
    lengths: NDArray[np.int64] = field(repr=False)
    """Words per text; shape (texts,)."""
    checksums: NDArray[np.uint64] = field(repr=False)
    """`features.checksums` of `distinct`."""
    mixed: bool = False
    """Whether `distinct` may be in any order and hold words of other texts."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Words":
        """Texts taken apart as `features.words` does."""
        index: dict[str, int] = {}
        lengths: list[int] = []
        ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
        for _, split in features.batches(texts):
            lengths.extend(map(len, split))
            # setdefault with the dictionary's length numbers the words in the order in which they appear.
            ids.append(np.array([index.setdefault(word, len(index)) for words in split for word in words], np.int32))
        distinct = list(index)
        return cls(distinct, np.concatenate(ids), np.array(lengths, np.int64), features.checksums(distinct))

    @classmethod
    def joined(cls, parts: Sequence["Words"]) -> "Words":
        """The texts of all parts, in their order; `mixed` when a part is, or when parts share their words."""
        tables = list({id(part.distinct): part for part in parts}.values())
        mixed = len(tables) < len(parts) or any(part.mixed for part in parts)
        if mixed:
            tables.sort(key=lambda part: len(part.distinct), reverse=True)
        distinct, checksums, numbers = _one_table(tables)
        by_table = {id(part.distinct): found for part, found in zip(tables, numbers, strict=True)}
        ids = [np.zeros(0, np.int32)]
        for part in parts:
            found = by_table[id(part.distinct)]
            ids.append(part.ids if found is None else found[part.ids])
        lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
        return cls(distinct, np.concatenate(ids), lengths, checksums, mixed)

    def selected(self, chosen: NDArray[np.bool_]) -> "Words":
        """Those of the chosen texts, in order of first appearance; `chosen`: shape (texts,)."""
        if chosen.all() and not self.mixed:
            return self
        ids = self.ids[chosen.repeat(self.lengths)]
        first = np.full(len(self.distinct), len(ids), np.int32)
        # Of values assigned to one position the last stays: from behind, that is the first appearance.
        first[ids[::-1]] = np.arange(len(ids) - 1, -1, -1, dtype=np.int32)
        begins = np.zeros(len(ids) + 1, np.bool_)
        begins[first] = True
        order = ids[begins[:-1].nonzero()[0]]
        numbers = np.zeros(len(self.distinct), np.int32)
        numbers[order] = np.arange(len(order), dtype=np.int32)
        distinct = list(map(self.distinct.__getitem__, order.tolist()))
        return Words(distinct, numbers[ids], self.lengths[chosen], self.checksums[order])

    def between(self, first: int, last: int) -> "Words":
        """Those of the texts `first` to `last` (not included), with the words of all."""
        start, end = (int(self.lengths[:border].sum()) for border in (first, last))
        return Words(self.distinct, self.ids[start:end], self.lengths[first:last], self.checksums, mixed=True)


def _one_table(
    tables: Sequence[Words],
) -> tuple[list[str], NDArray[np.uint64], list[NDArray[np.int32] | None]]:
    """(all words, each once, in order of first appearance; their checksums; where each table's stand, None: as there).

    No loop of our own over the words: tables have many in common, and all of them are looked up.
    """
    if not tables:
        return [], np.zeros(0, np.uint64), []
    if len(tables) == 1:
        return list(tables[0].distinct), tables[0].checksums, [None]
    others = list(chain.from_iterable(table.distinct for table in tables[1:]))
    index = dict.fromkeys(tables[0].distinct)
    index.update(dict.fromkeys(others))
    distinct = list(index)
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    found = np.fromiter(map(places.__getitem__, others), np.int32, len(others))
    own = len(tables[0].distinct)
    checksums = np.zeros(len(distinct), np.uint64)
    checksums[:own] = tables[0].checksums
    checksums[found] = np.concatenate([table.checksums for table in tables[1:]])
    cuts = np.cumsum([len(table.distinct) for table in tables[1:]])[:-1]
    return distinct, checksums, [None, *np.split(found, cuts)]
