"""Texts taken apart into words, as numbers: what a fit needs of a text besides its labels, and what can be kept of it.

Words are numbered in the order in which they first appear, in a part of the texts as in all of them. So texts that are
taken apart, kept in parts, joined and chosen from are the same to the bit as those that were taken apart at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labelloop.models import features


@dataclass(frozen=True)
class Words:
    """The words of some texts, in their order."""

    distinct: Sequence[str] = field(repr=False)
    """Each word once, in the order of first appearance."""
    ids: NDArray[np.int32] = field(repr=False)
    """Of every word of every text the position in `distinct`; shape (sum of lengths,)."""
    lengths: NDArray[np.int64] = field(repr=False)
    """Words per text; shape (texts,)."""

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
        return cls(list(index), np.concatenate(ids), np.array(lengths, np.int64))

    @classmethod
    def joined(cls, parts: Sequence["Words"]) -> "Words":
        """The texts of all parts, in their order."""
        # No loop of our own over the words: parts have many in common, and all of them are looked up.
        found = [word for part in parts for word in part.distinct]
        distinct = list(dict.fromkeys(found))
        index = dict(zip(distinct, range(len(distinct)), strict=True))
        numbers = np.fromiter(map(index.__getitem__, found), np.int32, len(found))
        before = np.cumsum([0, *(len(part.distinct) for part in parts)], dtype=np.int32)[:-1]
        ids = np.concatenate([np.zeros(0, np.int32), *(part.ids for part in parts)])
        ids += before.repeat([len(part.ids) for part in parts])
        lengths = np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])
        return cls(distinct, numbers[ids], lengths)

    def selected(self, chosen: NDArray[np.bool_]) -> "Words":
        """Those of the chosen texts; `chosen`: shape (texts,)."""
        ids = self.ids[chosen.repeat(self.lengths)]
        first = np.full(len(self.distinct), len(ids))
        # Of values assigned to one position the last stays: from behind, that is the first appearance.
        first[ids[::-1]] = np.arange(len(ids))[::-1]
        order = np.argsort(first)
        order = order[first[order] < len(ids)]
        numbers = np.zeros(len(self.distinct), np.int32)
        numbers[order] = np.arange(len(order))
        distinct = [self.distinct[position] for position in order.tolist()]
        return Words(distinct, numbers[ids], self.lengths[chosen])
