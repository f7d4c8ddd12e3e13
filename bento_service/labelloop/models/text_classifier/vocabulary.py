"""The features that count, their weights, and texts as sparse vectors of them.

A text's vector is the sum of its words' vectors (n-grams within a word: `features.windows`) and of its pairs of words.
So it is kept in two factors, texts x words and words x n-grams: a word's part is computed once, however often the word
occurs, both when a model is fitted and when it answers (fastText adds up its words in the same way: Bojanowski et al.,
"Enriching word vectors with subword information", 2017). For texts without spaces a "word" is a run of characters.

Weights are TF-IDF with 1 + ln(count), counted per word, per word of a text and per pair. A vector is scaled by the root
of the sum of its parts' squared lengths, as if the words had no n-gram in common: that needs no look at the n-grams.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelloop.text import features
from labelloop.text.features import PAIR_BITS, Counts, WindowParameters
from labelloop.text.words import Words

MAX_PAIRS = 1 << 15
"""The most frequent pairs of words are kept: more make models larger, not better."""
_WORDS_AT_ONCE = 1 << 16
"""Bounds the memory of one pass (about 60 bytes per word); so much stays in a processor's cache."""
_THREADS = 2


class Entries(NamedTuple):
    """Non-zero values of a sparse matrix, ordered by row: three arrays of one length."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]


class Vectors(NamedTuple):
    """Texts as factors: vectors = occurrences @ words + pairs, the columns of `pairs` behind those of `words`."""

    occurrences: Entries
    """(texts, distinct words)"""
    words: Entries
    """(distinct words, n-grams)"""
    pairs: Entries
    """(texts, known pairs)"""
    shape: tuple[int, int]
    """(texts, distinct words)"""


class Vocabulary:
    """`ids`: known feature ids, ascending: n-grams below 2**bits, then pairs; `idf`: their weights.

    A column is a position in `ids`; the first `windows_known` are n-grams.
    """

    def __init__(
        self, windows: WindowParameters, ids: NDArray[np.uint32], idf: NDArray[np.float32], *, compact: bool = False
    ) -> None:
        """`compact`: memory for what it knows alone, not for every id; looking up is slower."""
        self.windows = windows
        self.ids = ids
        self.idf = idf
        self.windows_known = int(np.searchsorted(ids, 1 << windows.bits))
        # Unknown features get the column after the last.
        self.unknown = len(ids)
        self._table: NDArray[np.int32] | None = None
        if not compact:
            self._table = np.full(id_limit(windows), self.unknown, np.int32)
            self._table[ids] = np.arange(len(ids), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def learn(
        cls,
        texts: Sequence[str] | Words,
        windows: WindowParameters,
        minimum_texts: int,
        maximum: int | None = None,
        *,
        compact: bool = False,
    ) -> tuple["Vocabulary", Vectors]:
        """The features seen in at least `minimum_texts` texts (all, when there is none), and the texts' vectors.

        Beyond `maximum` the most frequent are kept. An n-gram's texts are counted as if no two words of a text shared
        it; the count is bounded by the number of texts.
        """
        read = TextCounts(texts if isinstance(texts, Words) else Words.of(texts))
        windows_of_words = read.windows(windows)
        frequency = np.zeros(id_limit(windows), np.int64)
        by_windows = np.bincount(windows_of_words.features, read.frequency[windows_of_words.texts], 1 << windows.bits)
        frequency[: 1 << windows.bits] = np.minimum(by_windows, read.texts)
        frequency[1 << windows.bits :] = np.bincount(read.pairs.features, minlength=1 << PAIR_BITS)
        kept = _kept(frequency, 1 << windows.bits, minimum_texts, maximum)
        idf = features.inverse_document_frequency(frequency[kept], read.texts)
        vocabulary = cls(windows, kept.astype(np.uint32), idf, compact=compact)
        return vocabulary, vocabulary._vectors(read, windows_of_words)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Any texts, as `learn` gave those it learned from."""
        read = TextCounts(Words.of(texts))
        return self._vectors(read, read.windows(self.windows))

    def word_vectors(self, words: Sequence[str]) -> Entries:
        """Known n-grams of words; every word stands alone."""
        return self._word_entries(_windows(words, self.windows))

    def pair_columns(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Columns of pairs, `unknown` for those that do not count."""
        return self._columns(ids + (1 << self.windows.bits))

    def _columns(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Columns of feature ids, `unknown` for those that do not count."""
        if self._table is not None:
            return self._table.take(ids)
        found = np.searchsorted(self.ids, ids)
        found[self.ids.take(found, mode="clip") != ids] = self.unknown
        return found.astype(np.int32)

    def _vectors(self, read: "TextCounts", windows: Counts) -> Vectors:
        texts, distinct = read.texts, len(read.words)
        words = self._word_entries(windows)
        squares = np.bincount(words.rows, words.values * words.values, distinct)
        columns = self.pair_columns(read.pairs.features)
        known = (columns < self.unknown).nonzero()[0]
        columns = columns[known]
        pairs = features.term_weights(read.pairs.counts[known]) * self.idf[columns]
        occurrences = features.term_weights(read.occurrences.counts)
        lengths = np.bincount(read.occurrences.texts, occurrences**2 * squares[read.occurrences.features], texts)
        lengths += np.bincount(read.pairs.texts[known], pairs * pairs, texts)
        scale = (1 / np.sqrt(np.where(lengths > 0, lengths, 1))).astype(np.float32)
        occurrences *= scale[read.occurrences.texts]
        pairs *= scale[read.pairs.texts[known]]
        return Vectors(
            Entries(read.occurrences.texts, read.occurrences.features, occurrences),
            words,
            Entries(read.pairs.texts[known], (columns - self.windows_known).astype(np.int64), pairs),
            (texts, distinct),
        )

    def _word_entries(self, windows: Counts) -> Entries:
        columns = self._columns(windows.features)
        known = (columns < self.unknown).nonzero()[0]
        values = features.term_weights(windows.counts[known])
        values *= self.idf[columns[known]]
        return Entries(windows.texts[known], columns[known].astype(np.int64), values)


def id_limit(windows: WindowParameters) -> int:
    """Every feature id is below."""
    return (1 << windows.bits) + (1 << PAIR_BITS)


class TextCounts:
    """Of texts taken apart: distinct words, how often each occurs in which text, and pairs of words."""

    def __init__(self, words: Words) -> None:
        self.words = words.distinct
        self.texts = len(words.lengths)
        batches = _batches(words.lengths)
        if len(batches) > 1:
            with ThreadPoolExecutor(_THREADS) as pool:
                found = list(pool.map(lambda batch: _counted(words, *batch), batches))
        else:
            found = [_counted(words, *batch) for batch in batches]
        self.occurrences = _joined([occurrences for occurrences, _ in found])
        self.pairs = _joined([pairs for _, pairs in found])

    @property
    def frequency(self) -> NDArray[np.int64]:
        """In how many texts each distinct word occurs."""
        return np.bincount(self.occurrences.features, minlength=len(self.words))

    def windows(self, parameters: WindowParameters) -> Counts:
        """N-grams of the distinct words: `texts` are positions in `words`."""
        return _windows(self.words, parameters)


def _batches(lengths: NDArray[np.int64]) -> list[tuple[int, int, int, int]]:
    """Texts of about _WORDS_AT_ONCE words together: (first text, last, first word, last), the last not included."""
    ends = lengths.cumsum()
    found = []
    first = start = 0
    while first < len(lengths):
        last = max(first + 1, int(np.searchsorted(ends, start + _WORDS_AT_ONCE, side="right")))
        end = int(ends[last - 1])
        found.append((first, last, start, end))
        first, start = last, end
    return found


def _counted(words: Words, first: int, last: int, start: int, end: int) -> tuple[Counts, Counts]:
    """Words and pairs of words of some texts."""
    bits = max(len(words.distinct), 1).bit_length()
    owners = np.arange(first, last).repeat(words.lengths[first:last])
    ids = words.ids[start:end]
    pairs = features.pairs(owners, words.checksums[ids])
    return features.count_some(owners, ids, bits), features.count_some(*pairs, PAIR_BITS)


def _windows(words: Sequence[str], parameters: WindowParameters) -> Counts:
    parts = []
    for first, batch in features.grouped(map(features.padded, words)):
        rows, ids = features.windows(batch, parameters)
        parts.append(_moved(features.count(rows, ids.astype(np.int64), parameters.bits), first))
    return _joined(parts)


def _moved(counts: Counts, first: int) -> Counts:
    return counts._replace(texts=counts.texts + first)


def _joined(parts: list[Counts]) -> Counts:
    empty = Counts(*(np.zeros(0, np.int64) for _ in Counts._fields))
    return Counts(*map(np.concatenate, zip(empty, *parts, strict=True)))


def _kept(frequency: NDArray[np.int64], windows: int, minimum: int, maximum: int | None) -> NDArray[np.int64]:
    """Ids that stay, ascending; among equally frequent ones the smaller id is kept."""
    kept = (frequency >= minimum).nonzero()[0]
    if not (kept < windows).any():
        kept = frequency.nonzero()[0]
    pairs = kept[kept >= windows]
    kept = np.concatenate([kept[kept < windows], _most_frequent(pairs, frequency, MAX_PAIRS)])
    return kept if maximum is None else _most_frequent(kept, frequency, maximum)


def _most_frequent(ids: NDArray[np.int64], frequency: NDArray[np.int64], maximum: int) -> NDArray[np.int64]:
    if len(ids) <= maximum:
        return ids
    return np.sort(ids[np.argsort(-frequency[ids], kind="stable")[:maximum]])
