"""Texts times weights, for answers: numpy only, and every word's product is remembered.

People's texts repeat their words, so after a while an answer costs a look-up for each word instead of the hashing and
multiplying of its n-grams.
"""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelloop.models.text_classifier.vocabulary import Vocabulary
from labelloop.text import features

CACHE_BYTES = 4 << 20
"""What the words' products may take; then all are forgotten at once."""
_SMALLEST_CACHE = 256
# Bounds what one pass may add to the table.
_CHARACTERS_PER_BATCH = 1 << 16


class Scorer:
    """Scores of texts by one set of weights; may be used by several threads at once."""

    def __init__(self, vocabulary: Vocabulary, weights: NDArray[np.float32]) -> None:
        """`weights`: (len(vocabulary), k)."""
        self._vocabulary = vocabulary
        known = vocabulary.windows_known
        self._weights = weights[:known]
        pair_idf = vocabulary.idf[known:]
        self._empty = _Table(weights[known:] * pair_idf[:, None], pair_idf * pair_idf, len(pair_idf))
        self._table = self._empty
        self._capacity = max(_SMALLEST_CACHE, CACHE_BYTES // (4 * weights.shape[1]))
        self._lock = threading.Lock()

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Text vectors times the weights: shape (len(texts), k), zeros for a text without known features."""
        scores = np.zeros((len(texts), self._weights.shape[1]), np.float32)
        for first, batch in features.batches(texts, _CHARACTERS_PER_BATCH):
            self._score(batch, scores[first : first + len(batch)])
        return scores

    def _score(self, batch: Sequence[Sequence[str]], scores: NDArray[np.float32]) -> None:
        words = [word for text in batch for word in text]
        if not words:
            return
        table, rows = self._find(words)
        texts = np.arange(len(batch)).repeat([len(text) for text in batch])
        owners, ids = features.pairs(texts, table.checksums[rows])
        columns = self._vocabulary.pair_columns(ids)
        known = (columns < self._vocabulary.unknown).nonzero()[0]
        if len(known):
            # Pairs stand in the table before the words, so that one look-up serves both.
            texts = np.concatenate([texts, owners[known]])
            rows = np.concatenate([rows, columns[known].astype(np.int64) - self._vocabulary.windows_known])
        counts = features.count(texts, rows, len(table.products).bit_length())
        values = features.term_weights(counts.counts)
        squares = np.bincount(counts.texts, values * values * table.squares[counts.features], len(batch))
        _multiply(counts.texts, counts.features, values, table.products, scores)
        scores *= (1 / np.sqrt(np.where(squares > 0, squares, 1))).astype(np.float32)[:, None]

    def _find(self, words: Sequence[str]) -> "tuple[_Table, NDArray[np.int64]]":
        """The table with all of these words, and where they stand in it."""
        table = self._table
        try:
            return table, np.array([table.rows[word] for word in words], np.int64)
        except KeyError:
            table = self._filled(words)
            return table, np.array([table.rows[word] for word in words], np.int64)

    def _filled(self, words: Sequence[str]) -> "_Table":
        """A table with all of these words."""
        with self._lock:
            table = self._table
            missing = [word for word in dict.fromkeys(words) if word not in table.rows]
            if not missing:
                return table
            if not table.has_room(len(missing)):
                missing = list(dict.fromkeys(words))
                # Readers may still be at the old one, so it is left as it is.
                table = self._empty.with_room(max(self._capacity, len(missing)))
                if len(missing) <= self._capacity:
                    self._table = table
            entries = self._vocabulary.word_vectors(missing)
            products = np.zeros((len(missing), self._weights.shape[1]), np.float32)
            _multiply(entries.rows, entries.columns, entries.values, self._weights, products)
            squares = np.bincount(entries.rows, entries.values * entries.values, len(missing))
            table.add(missing, products, squares.astype(np.float32))
            return table


class _Table:
    """Rows: the pairs of words, then the words met so far; what is written stays, more is only added."""

    def __init__(self, products: NDArray[np.float32], squares: NDArray[np.float32], used: int) -> None:
        self.products = products
        self.squares = squares
        self.checksums = np.zeros(len(products), np.uint64)
        self.rows: dict[str, int] = {}
        self._used = used

    def has_room(self, number: int) -> bool:
        return self._used + number <= len(self.products)

    def with_room(self, number: int) -> "_Table":
        """A copy of the rows in use, with `number` free ones behind them."""
        products = np.empty((self._used + number, self.products.shape[1]), np.float32)
        squares = np.empty(len(products), np.float32)
        products[: self._used], squares[: self._used] = self.products, self.squares
        return _Table(products, squares, self._used)

    def add(self, words: Sequence[str], products: NDArray[np.float32], squares: NDArray[np.float32]) -> None:
        place = slice(self._used, self._used + len(words))
        self.products[place], self.squares[place] = products, squares
        self.checksums[place] = features.checksums(words)
        self.rows.update(zip(words, range(place.start, place.stop), strict=True))
        self._used = place.stop


def _multiply(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    values: NDArray[np.float32],
    dense: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Sparse (ordered by row) times dense. One small product per row: faster than np.add.reduceat over all of them."""
    if len(out) == 1:
        np.dot(values, dense[columns], out=out[0])
        return
    start = 0
    for row, end in enumerate(np.searchsorted(rows, np.arange(len(out)), side="right").tolist()):
        if end > start:
            np.dot(values[start:end], dense[columns[start:end]], out=out[row])
        start = end
