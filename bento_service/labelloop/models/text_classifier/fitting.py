"""Learns a vocabulary and, for each control, a calibrated head (training only)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from labelloop.models.text_classifier.calibration import calibrate
from labelloop.models.text_classifier.linear import HeadTask, LinearHead
from labelloop.models.text_classifier.solver import Preconditioner, Problem, solve
from labelloop.models.text_classifier.text_matrix import BLOCKS, TextMatrix
from labelloop.models.text_classifier.vocabulary import Vocabulary
from labelloop.text.features import WindowParameters
from labelloop.text.words import Words

MAX_CELLS = 1 << 26
"""Texts times classes in one fit (256 MB per array, about five of them); of more texts a sample is learned from."""
MAX_WEIGHTS = 1 << 24
"""Features times classes; beyond, the rarest features are dropped."""

# Cross-fitting: a text's logits come from a fit without it. For the one figure of a single choice some texts are
# enough; a tenth at a time is left out, so that the fits are nearly as good as the final one.
_SHARE = 0.1
_FOLDS = 5
_MANY = 2_000
_LEFT_OUT = 1_000
# The thresholds of a multiple choice need all of them.
_FOLDS_MULTIPLE, _FOLDS_MULTIPLE_OF_MANY = 5, 3

# What a label says about itself (name, alias, hint) counts as so many texts with that label alone. It stands twice, so
# that its features count as seen in two texts.
_DESCRIPTIONS, _DESCRIPTION_WEIGHT = 2, 1.5


def fit_text_heads(
    words: Words, checksums: NDArray[np.uint64], tasks: Sequence[HeadTask], c: float
) -> tuple[Vocabulary, dict[str, LinearHead]]:
    """`words`, `checksums`: of the texts; `tasks`: at least one, each about these texts.

    The same input gives the same weights, on any number of cores.
    """
    from threadpoolctl import threadpool_limits

    classes = max(len(task.descriptions) for task in tasks)
    rows, weights = _sample(len(checksums), tasks, MAX_CELLS // classes)
    kept = np.zeros(len(checksums), np.bool_)
    kept[rows] = True
    described = [text for task in tasks for text in task.descriptions.values()]
    vocabulary, vectors = Vocabulary.learn(
        Words.joined([words.selected(kept), Words.of(described * _DESCRIPTIONS)]),
        WindowParameters(),
        minimum_texts=2,
        maximum=MAX_WEIGHTS // classes,
    )
    # BLAS would sum in another order for another number of threads; the work is in the two threads of the matrix.
    with threadpool_limits(1), ThreadPoolExecutor(BLOCKS) as pool:
        matrix = TextMatrix(vocabulary, vectors, pool)
        preconditioner = Preconditioner(matrix)
        heads = {}
        first = len(rows)
        for task in tasks:
            problem = _problem(matrix, task, rows, weights, first, len(described))
            heads[task.name] = fit_head(problem, preconditioner, c, checksums[rows])
            first += len(task.descriptions)
    return vocabulary, heads


def _problem(
    matrix: TextMatrix,
    task: HeadTask,
    rows: NDArray[np.int64],
    weights: NDArray[np.float32],
    first: int,
    described: int,
) -> Problem:
    """Of the matrix's rows the texts with labels count, and the task's own descriptions, `first` and `described` on."""
    column = {label: index for index, label in enumerate(task.descriptions)}
    truth = np.zeros((matrix.shape[0], len(column)), np.bool_)
    counted = np.zeros(matrix.shape[0], np.float32)
    for position, row in enumerate(rows.tolist()):
        if task.chosen[row]:
            truth[position, [column[label] for label in task.chosen[row]]] = True
            counted[position] = weights[position]
    for copy in range(_DESCRIPTIONS):
        place = slice(first + copy * described, first + copy * described + len(column))
        truth[place] = np.eye(len(column), dtype=np.bool_)
        counted[place] = _DESCRIPTION_WEIGHT
    return Problem(matrix, truth, counted, task.multiple)


def fit_head(problem: Problem, preconditioner: Preconditioner, c: float, checksums: NDArray[np.uint64]) -> LinearHead:
    """`checksums`: of the texts that may be left out for calibration, the first rows of the problem's matrix.

    Equal texts are left out together.
    """
    usable = problem.weights[: len(checksums)] > 0
    left_out, start = [], None
    for fold in _folds(checksums, int(usable.sum()), multiple=problem.multiple):
        rows = (fold & usable).nonzero()[0]
        start = solve(problem.without(rows), preconditioner, c)
        left_out.append((problem.matrix.forward(start)[rows], problem.truth[rows]))
    logits, truth = (np.concatenate(parts) for parts in zip(*left_out, strict=True))
    calibration = calibrate(logits, truth, multiple=problem.multiple)
    weights = solve(problem, preconditioner, c, start)
    return LinearHead.from_floats(weights[:-1], weights[-1], calibration, multiple=problem.multiple)


def _folds(checksums: NDArray[np.uint64], usable: int, *, multiple: bool) -> list[NDArray[np.bool_]]:
    # Multiplied first: the lowest bits of a CRC are those of simple texts' last characters.
    spread = (checksums * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    if multiple:
        folds = _FOLDS_MULTIPLE if usable <= _MANY else _FOLDS_MULTIPLE_OF_MANY
        return [spread % np.uint64(folds) == fold for fold in range(folds)]
    share = int(2**24 * min(_SHARE, _LEFT_OUT / max(usable, 1)))
    folds = _FOLDS if usable <= _MANY else 1
    return [(spread >= fold * share) & (spread < (fold + 1) * share) for fold in range(folds)]


def _sample(texts: int, tasks: Sequence[HeadTask], maximum: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """At most about `maximum` rows, ascending, and how many texts each stands for.

    By the first label of the control with the most classes: rare ones are kept whole, what is too much is taken from
    the frequent ones, evenly.
    """
    if texts <= maximum:
        return np.arange(texts), np.ones(texts, np.float32)
    largest = max(tasks, key=lambda task: len(task.descriptions))
    column = {label: index for index, label in enumerate(largest.descriptions)}
    groups = np.array([column[labels[0]] if labels else len(column) for labels in largest.chosen])
    sizes = np.bincount(groups)
    limit = int(sizes.max())
    while np.minimum(sizes, limit).sum() > maximum and limit > 1:
        limit = limit * 19 // 20
    by_group = np.split(np.argsort(groups, kind="stable"), sizes.cumsum()[:-1])
    kept = [members[_evenly(len(members), limit)] for members in by_group]
    rows = np.sort(np.concatenate(kept))
    return rows, (sizes / np.minimum(np.maximum(sizes, 1), limit))[groups[rows]].astype(np.float32)


def _evenly(size: int, limit: int) -> NDArray[np.int64]:
    """Positions of all of `size`, or of `limit` of them."""
    return np.arange(size) if size <= limit else np.arange(limit) * size // limit
