"""Texts as a sparse matrix in two factors, multiplied by two threads: what the solver needs (training only)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from labelloop.models.text_classifier.vocabulary import Entries, Vectors, Vocabulary

# Fixed, not the number of cores: the order of summation, and so the model's bytes, must not depend on the machine.
BLOCKS = 2


class TextMatrix:
    """X of shape (texts, features + 1): the text vectors, and a column of ones for the bias.

    X = L @ [W 0; 0 I], L = [occurrences, pairs, ones], W = words x n-grams.
    """

    def __init__(self, vocabulary: Vocabulary, vectors: Vectors, pool: ThreadPoolExecutor) -> None:
        texts, self._words = vectors.shape
        self._windows = vocabulary.windows_known
        pairs = len(vocabulary) - self._windows
        left = hstack(
            [
                _csr(vectors.occurrences, vectors.shape),
                _csr(vectors.pairs, (texts, pairs)),
                csr_array(np.ones((texts, 1), np.float32)),
            ],
            format="csr",
        )
        words = _csr(vectors.words, (self._words, self._windows))
        self.shape = (texts, len(vocabulary) + 1)
        self._left, self._left_t = _product(left, pool), _product(left.T.tocsr(), pool)
        self._right, self._right_t = _product(words, pool), _product(words.T.tocsr(), pool)

    def forward(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """X @ weights: (features + 1, k) -> (texts, k)."""
        return self._left(np.concatenate([self._right(weights[: self._windows]), weights[self._windows :]]))

    def backward(self, residuals: NDArray[np.float32]) -> NDArray[np.float32]:
        """X.T @ residuals: (texts, k) -> (features + 1, k)."""
        gathered = self._left_t(residuals)
        return np.concatenate([self._right_t(gathered[: self._words]), gathered[self._words :]])


def _csr(entries: Entries, shape: tuple[int, int]) -> csr_array:
    ends = np.searchsorted(entries.rows, np.arange(shape[0] + 1))
    return csr_array((entries.values, entries.columns.astype(np.int32), ends.astype(np.int32)), shape=shape)


def _product(matrix: csr_array, pool: ThreadPoolExecutor) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Multiplies blocks of rows at once: scipy lets go of the interpreter meanwhile."""
    cuts = np.searchsorted(matrix.indptr, [matrix.nnz * block // BLOCKS for block in range(1, BLOCKS)])
    borders = [0, *cuts.tolist(), matrix.shape[0]]
    blocks = [matrix[first:last] for first, last in pairwise(borders)]

    def multiply(dense: NDArray[np.float32]) -> NDArray[np.float32]:
        out = np.empty((matrix.shape[0], dense.shape[1]), np.float32)

        def fill(block: int) -> None:
            out[borders[block] : borders[block + 1]] = blocks[block] @ dense

        list(pool.map(fill, range(BLOCKS)))
        return out

    return multiply
