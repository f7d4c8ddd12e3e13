"""Logistic regression of many classes by preconditioned conjugate gradients, all classes at once (training only).

Few text features are frequent and most are rare, so the Hessian has a few large eigenvalues and many near that of the
regularisation: a low-rank approximation of it as preconditioner (Nystroem; Frangella, Tropp and Udell, "Randomized
Nystroem preconditioning", 2023) leaves a problem that a dozen steps of nonlinear conjugate gradients solve. Each step
is one Newton step along a line, for which the logits along that line are known.

The loss is the sum over texts of weight * -ln(probability of the truth), plus |weights|^2 / (2 C), as in scikit-learn;
only the bias counts as a weight, too.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labelloop.models.text_classifier.linear import probabilities
from labelloop.models.text_classifier.text_matrix import TextMatrix

Floats = NDArray[np.float32]

RANK = 64
STEPS = 16
# A step that gains less than this share of the loss is the last.
TOLERANCE = 1e-3
_HALVINGS = 8
_CELLS_AT_ONCE = 1 << 17
_SMALLEST = np.float32(1e-30)


class Preconditioner:
    """Approximates (curvature * X.T X + 1/C)^-1 by the leading eigenvectors of X.T X."""

    def __init__(self, matrix: TextMatrix) -> None:
        texts, size = matrix.shape
        rank = min(RANK, texts, size)
        probe = np.random.default_rng(0).standard_normal((size, rank), dtype=np.float32) / np.float32(np.sqrt(size))
        sketch = matrix.backward(matrix.forward(probe))
        shift = np.float32(1e-5 * np.linalg.norm(sketch))  # keeps the small matrix positive definite
        sketch += shift * probe
        factor = np.linalg.cholesky((probe.T @ sketch).astype(np.float64))
        half = np.linalg.inv(factor).astype(np.float32) @ sketch.T
        values, vectors = np.linalg.eigh((half @ half.T).astype(np.float64))
        kept = values > values[-1] * 1e-6
        self._vectors: Floats = half.T @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
        self._values: Floats = np.maximum(values[kept] - shift, 0).astype(np.float32)

    def __call__(self, gradient: Floats, curvature: float, ridge: float) -> Floats:
        """The step of steepest descent in the metric of the approximate Hessian."""
        inverse = (1 / (curvature * self._values + ridge)).astype(np.float32)
        rest = inverse.max()
        step: Floats = gradient * rest
        step += self._vectors @ ((self._vectors.T @ gradient) * (inverse - rest)[:, None])
        return step


@dataclass(frozen=True)
class Problem:
    """What is to be learned: `truth` (texts, k) is 0 or 1; `multiple`: each class is asked about on its own."""

    matrix: TextMatrix
    truth: NDArray[np.bool_]
    weights: Floats
    """(texts,): how much each text counts; 0 leaves it out."""
    multiple: bool

    def without(self, rows: NDArray[np.int64]) -> "Problem":
        """The same with some texts left out."""
        weights = self.weights.copy()
        weights[rows] = 0
        return replace(self, weights=weights)

    def probabilities(self, logits: Floats) -> Floats:
        """Softmax, or for multiple choice sigmoid, as a new array."""
        return probabilities(logits.copy(), multiple=self.multiple)

    def loss(self, found: Floats) -> float:
        """Of these probabilities, without regularisation."""
        likelihoods = [self._log_likelihood(found[part], part) for part in self._parts()]
        return -math.fsum(likelihoods)

    def curvature(self, found: Floats) -> float:
        """About how strongly the loss bends along one logit of an undecided text."""
        spread = math.fsum(float((found[part] * (1 - found[part])).sum(dtype=np.float64)) for part in self._parts())
        texts, k = self.truth.shape
        return float(4 * spread / (texts * k) if self.multiple else spread / texts / 2)

    def curvature_along(self, found: Floats, direction: Floats) -> float:
        """Second derivative of the loss when the logits move along `direction`."""
        return math.fsum(self._bend(found[part], direction[part], part) for part in self._parts())

    def _log_likelihood(self, found: Floats, part: slice) -> float:
        truth = self.truth[part]
        if self.multiple:
            right = np.log(np.maximum(np.where(truth, found, 1 - found), _SMALLEST)).sum(axis=1)
        else:
            right = np.log(np.maximum((found * truth).sum(axis=1), _SMALLEST))
        return float((right * self.weights[part]).sum(dtype=np.float64))

    def _bend(self, found: Floats, direction: Floats, part: slice) -> float:
        weighted = found * direction
        if self.multiple:
            bend = (weighted * (1 - found) * direction).sum(axis=1)
        else:
            bend = (weighted * direction).sum(axis=1) - weighted.sum(axis=1) ** 2
        return float((bend * self.weights[part]).sum(dtype=np.float64))

    def _parts(self) -> list[slice]:
        """Rows by and by: what lies in between stays in the processor's cache."""
        texts, k = self.truth.shape
        size = max(1, _CELLS_AT_ONCE // k)
        return [slice(first, first + size) for first in range(0, texts, size)]


def solve(problem: Problem, preconditioner: Preconditioner, c: float, start: Floats | None = None) -> Floats:
    """Weights (features + 1, k), the last row the bias; `start` is a guess of the same shape."""
    matrix, ridge = problem.matrix, 1 / c
    solution = np.zeros((matrix.shape[1], problem.truth.shape[1]), np.float32) if start is None else start.copy()
    logits = matrix.forward(solution)
    found = problem.probabilities(logits)
    loss = problem.loss(found) + ridge / 2 * _dot(solution, solution)
    direction = previous = None
    size = 1.0
    for _ in range(STEPS):
        residuals = found - problem.truth
        residuals *= problem.weights[:, None]
        gradient = matrix.backward(residuals)
        gradient += np.float32(ridge) * solution
        step = preconditioner(gradient, problem.curvature(found), ridge)
        before, size = size, _dot(gradient, step)
        if size <= 0:
            break
        # Polak and Ribiere: where the last direction was no help it is forgotten.
        kept = 0.0 if previous is None else max(0.0, (size - _dot(gradient, previous)) / before)
        direction = -step if direction is None else np.float32(kept) * direction - step
        slope = _dot(gradient, direction)
        if slope >= 0:
            direction, slope = -step, -size
        previous = step
        along = matrix.forward(direction)
        length = -slope / (problem.curvature_along(found, along) + ridge * _dot(direction, direction))
        gained = _move(problem, ridge, (solution, logits), (direction, along), length, loss)
        if gained is None:
            break
        found, new_loss = gained
        if loss - new_loss < TOLERANCE * loss:
            break
        loss = new_loss
    return solution


def _move(
    problem: Problem,
    ridge: float,
    place: tuple[Floats, Floats],
    way: tuple[Floats, Floats],
    length: float,
    loss: float,
) -> tuple[Floats, float] | None:
    """Go along `way`, in place, half as far whenever the loss would rise.

    Gives the probabilities and the loss there, or None, back at the start, when nothing helps.
    """
    moved = 0.0
    for _ in range(_HALVINGS):
        _add(place, length - moved, way)
        moved = length
        found = problem.probabilities(place[1])
        now = problem.loss(found) + ridge / 2 * _dot(place[0], place[0])
        if now <= loss:
            return found, now
        length /= 2
    _add(place, -moved, way)
    return None


def _add(place: tuple[Floats, Floats], length: float, way: tuple[Floats, Floats]) -> None:
    np.add(place[0], np.float32(length) * way[0], out=place[0])
    np.add(place[1], np.float32(length) * way[1], out=place[1])


def _dot(left: Floats, right: Floats) -> float:
    return float(np.vdot(left, right))
