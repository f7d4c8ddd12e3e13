"""Texts compared with many short descriptions, without a matrix of them: what a cold start needs.

Memory grows with the characters of the descriptions (some 40 bytes for each), not with their number times their
features. Nothing is remembered of texts: each is multiplied by all values that are not zero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelloop.models.text_classifier.vocabulary import Entries, Vectors, Vocabulary
from labelloop.text import features
from labelloop.text.features import WindowParameters

# Numbers that one pass may work on: 2 MB for each array of them.
_NUMBERS_AT_ONCE = 1 << 18
_CHARACTERS_AT_ONCE = 1 << 14
_DESCRIPTIONS_AT_ONCE = 256


class Similarity:
    """Cosine similarities of any text to fixed descriptions; may be used by several threads at once."""

    def __init__(self, descriptions: Sequence[str]) -> None:
        """At least one description."""
        learned, vectors = Vocabulary.learn(descriptions, WindowParameters(), minimum_texts=1, compact=True)
        parts = [
            _added_up(_part(vectors, first, min(first + _DESCRIPTIONS_AT_ONCE, len(descriptions))), learned)
            for first in range(0, len(descriptions), _DESCRIPTIONS_AT_ONCE)
        ]
        sizes = np.concatenate([size for size, _, _ in parts])
        self._vocabulary = learned
        self._number = len(descriptions)
        self._columns = np.concatenate([columns for _, columns, _ in parts])
        self._values = np.concatenate([values for _, _, values in parts])
        # Those with features, and where theirs begin: np.add.reduceat knows no empty sums.
        self._told = sizes.nonzero()[0]
        self._first = (sizes.cumsum() - sizes)[self._told]

    @property
    def nbytes(self) -> int:
        """Bytes that its arrays take."""
        kept = (self._columns, self._values, self._told, self._first, self._vocabulary.ids, self._vocabulary.idf)
        return sum(array.nbytes for array in kept)

    def to(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), number of descriptions); 0 where text or description has no features."""
        found = np.zeros((len(texts), self._number), np.float32)
        if len(self._told) == 0:
            return found
        at_once = max(1, _NUMBERS_AT_ONCE // len(self._values))
        for first, batch in features.grouped(texts, _CHARACTERS_AT_ONCE):
            for start in range(0, len(batch), at_once):
                some = batch[start : start + at_once]
                dense = self._dense(some)[:, self._columns]
                dense *= self._values
                place = slice(first + start, first + start + len(some))
                found[place, self._told] = np.add.reduceat(dense, self._first, axis=1)
        return found

    def _dense(self, texts: Sequence[str]) -> NDArray[np.float64]:
        entries = _expanded(self._vocabulary.vectors(texts), self._vocabulary.windows_known)
        width = len(self._vocabulary)
        keys = entries.rows * width + entries.columns
        dense = np.bincount(keys, entries.values, len(texts) * width)
        return dense.astype(np.float64, copy=False).reshape(-1, width)  # without any entry they are whole numbers


def _part(vectors: Vectors, first: int, end: int) -> Vectors:
    """Those of the texts from `first` to before `end`."""

    def cut(entries: Entries) -> Entries:
        start, stop = np.searchsorted(entries.rows, (first, end))
        return Entries(entries.rows[start:stop] - first, entries.columns[start:stop], entries.values[start:stop])

    return Vectors(cut(vectors.occurrences), vectors.words, cut(vectors.pairs), (end - first, vectors.shape[1]))


def _added_up(
    vectors: Vectors, vocabulary: Vocabulary
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """(non-zero values per text, their columns, the values), ordered by text, then column."""
    entries = _expanded(vectors, vocabulary.windows_known)
    width = len(vocabulary)
    keys, places = np.unique(entries.rows * width + entries.columns, return_inverse=True)
    values = np.bincount(places, entries.values, len(keys)).astype(np.float32)
    sizes = np.bincount(keys // max(1, width), minlength=vectors.shape[0])
    return sizes, (keys % max(1, width)).astype(np.int32), values


def _expanded(vectors: Vectors, windows_known: int) -> Entries:
    """Both factors multiplied, a feature once for each of a text's words; neither ordered nor added up."""
    occurrences, words, pairs, (_, distinct) = vectors
    first = np.searchsorted(words.rows, np.arange(distinct + 1))
    sizes = (first[1:] - first[:-1])[occurrences.columns]
    starts = first[occurrences.columns] - (sizes.cumsum() - sizes)
    places = np.arange(sizes.sum()) + starts.repeat(sizes)
    return Entries(
        np.concatenate([occurrences.rows.repeat(sizes), pairs.rows]),
        np.concatenate([words.columns[places], pairs.columns + windows_known]),
        np.concatenate([words.values[places] * occurrences.values.repeat(sizes), pairs.values]),
    )
