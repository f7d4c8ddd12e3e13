"""The hashed n-grams that count, their weights, and texts as sparse vectors of them (TF-IDF, length 1)."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelloop.models import features
from labelloop.models.features import Counts, WindowParameters

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Entries(NamedTuple):
    """The non-zero values of text vectors, ordered by text (`rows`): arrays of one length."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]


class Vocabulary:
    """`ids`: the known feature ids, ascending; `idf`: their weights. A column is a position in `ids`."""

    def __init__(self, windows: WindowParameters, ids: NDArray[np.uint32], idf: NDArray[np.float32]) -> None:
        self.windows = windows
        self.ids = ids
        self.idf = idf
        # Unknown features get the column after the last, which sorts them behind a text's known ones.
        self._unknown = len(ids)
        self._columns = np.full(1 << windows.bits, self._unknown, np.int64)
        self._columns[ids] = np.arange(len(ids))

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def learn(cls, texts: Sequence[str], windows: WindowParameters, minimum_texts: int) -> tuple["Vocabulary", Entries]:
        """The features seen in at least `minimum_texts` texts (all, when there is none), and the texts' vectors."""
        parts = [Counts(*(np.zeros(0, np.int64) for _ in Counts._fields))]
        for first, batch in features.batches(texts):
            rows, ids = features.windows(batch, windows)
            part = features.count(rows, ids.astype(np.int64), windows.bits)
            parts.append(part._replace(texts=part.texts + first))
        counts = Counts(*map(np.concatenate, zip(*parts, strict=True)))
        frequency = np.bincount(counts.features, minlength=1)
        kept = (frequency >= minimum_texts).nonzero()[0]
        if not len(kept):
            kept = frequency.nonzero()[0]
        idf = features.inverse_document_frequency(frequency[kept], len(texts))
        vocabulary = cls(windows, kept.astype(np.uint32), idf)
        known = counts._replace(features=vocabulary._columns[counts.features])
        return vocabulary, vocabulary._entries(known, len(texts))

    def scores(self, texts: Sequence[str], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Text vectors times `weights` (len(self), k): shape (len(texts), k), zeros for a text without features."""
        scores = np.zeros((len(texts), weights.shape[1]), np.float32)
        for first, batch in features.batches(texts):
            rows, ids = features.windows(batch, self.windows)
            counts = features.count(rows, self._columns.take(ids), self.windows.bits + 1)
            entries = self._entries(counts, len(batch))
            _multiply(entries, weights, scores[first : first + len(batch)])
        return scores

    def matrix(self, entries: Entries, texts: int) -> "csr_array":
        """The same vectors as CSR float32 of shape (texts, len(self)), for scikit-learn."""
        from scipy.sparse import csr_array

        ends = np.searchsorted(entries.rows, np.arange(texts + 1))
        # scikit-learn's solvers take 32-bit indices only.
        indices = (entries.values, entries.columns.astype(np.int32), ends.astype(np.int32))
        return csr_array(indices, shape=(texts, len(self)))

    def _entries(self, counts: Counts, texts: int) -> Entries:
        """Counts per column -> unit vectors, unknown features left out."""
        known = (counts.features < self._unknown).nonzero()[0]
        rows, columns = counts.texts[known], counts.features[known]
        values = features.term_weights(counts.counts[known])
        values *= self.idf[columns]
        if texts == 1:
            values *= np.float32(1 / math.sqrt(float(values @ values) or 1))
        else:
            norms = np.sqrt(np.bincount(rows, values * values, texts)).astype(np.float32)
            values /= norms[rows]
        return Entries(rows, columns, values)


def _multiply(entries: Entries, weights: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    """CSR times dense into `scores`. One small product per text: faster than np.add.reduceat over gathered rows."""
    if len(scores) == 1:
        np.dot(entries.values, weights[entries.columns], out=scores[0])
        return
    start = 0
    for row, end in enumerate(np.searchsorted(entries.rows, np.arange(len(scores)), side="right").tolist()):
        if end > start:
            np.dot(entries.values[start:end], weights[entries.columns[start:end]], out=scores[row])
        start = end
