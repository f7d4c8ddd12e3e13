"""Texts split into words and encoded as integers: what a fit needs of a text besides its labels.

Words are numbered in the order in which they first appear. Joining and selecting keep that order, so the result equals
a split of the same texts at once, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labelloop.text import features


@dataclass(frozen=True)
class Words:
    """The words of some texts, in their order."""

    distinct: Sequence[str] = field(repr=False)
    """Each word once, in the order of first appearance."""
    ids: NDArray[np.int32] = field(repr=False)
    """Of every word of every text the position in `distinct`; shape (sum of lengths,)."""
    lengths: NDArray[np.int64] = field(repr=False)
    """Words per text; shape (texts,)."""
    checksums: NDArray[np.uint64] = field(repr=False)
    """`features.checksums` of `distinct`."""

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
        """Return the texts of all parts (at least one), in their order."""
        index: dict[str, int] = {}
        for part in parts:
            for word in part.distinct:
                index.setdefault(word, len(index))
        ids = [np.array([index[word] for word in part.distinct], np.int32)[part.ids] for part in parts]
        lengths = np.concatenate([part.lengths for part in parts])
        distinct = list(index)
        return cls(distinct, np.concatenate(ids), lengths, features.checksums(distinct))

    def selected(self, chosen: NDArray[np.bool_]) -> "Words":
        """Those of the chosen texts, in order of first appearance; `chosen`: shape (texts,)."""
        if chosen.all():
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
