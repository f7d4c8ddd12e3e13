"""Makes probabilities mean what they say, from logits of texts that the model behind them was not fitted on.

Single choice: temperature scaling, one slope for all logits (Guo et al., "On calibration of modern neural networks",
2017). Multiple choice: Platt scaling with one slope and offset for all classes, then per class the threshold with the
best F1, the nearer to the one that is best for all classes together the fewer examples the class has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

DEFAULT_THRESHOLD = 0.5
HALF_TRUSTED = 20
"""With so many examples a class's own threshold counts half."""
# Outside, the texts are so few or so alike that they say nothing.
_SLOPES = (0.2, 10.0)
_THRESHOLDS = (0.05, 0.95)
_STEPS = 30
# Like a few texts that say: leave it as it is.
_PRIOR = 2.0


@dataclass(frozen=True)
class Calibration:
    """probability = softmax or sigmoid of (slope * logits + offset); `thresholds` (k,) for multiple choice."""

    slope: float
    offset: float
    thresholds: NDArray[np.float32]

    @classmethod
    def none(cls, k: int) -> "Calibration":
        """Leaves everything as it is."""
        return cls(1.0, 0.0, np.full(k, DEFAULT_THRESHOLD, np.float32))


def calibrate(logits: NDArray[np.float32], truth: NDArray[np.bool_], *, multiple: bool) -> Calibration:
    """`logits` and `truth`: (texts, k), of texts the model was not fitted on."""
    k = truth.shape[1]
    if not len(logits):
        return Calibration.none(k)
    exact = logits.astype(np.float64)
    if not multiple:
        return Calibration(_temperature(exact, truth), 0.0, np.full(k, DEFAULT_THRESHOLD, np.float32))
    slope, offset = _platt(exact.ravel(), truth.ravel())
    probabilities = 1 / (1 + np.exp(-np.clip(slope * exact + offset, -80, 80)))
    return Calibration(slope, offset, _thresholds(probabilities, truth))


def _temperature(logits: Doubles, truth: NDArray[np.bool_]) -> float:
    """The slope with the least log loss, by Newton's method on its logarithm."""
    logits = logits - logits.max(axis=1, keepdims=True)
    right = logits[truth]
    log_slope = 0.0
    for _ in range(_STEPS):
        slope = np.exp(log_slope)
        shares = np.exp(slope * logits)
        shares /= shares.sum(axis=1, keepdims=True)
        mean = (shares * logits).sum(axis=1)
        variance = (shares * logits * logits).sum(axis=1) - mean**2
        gradient = slope * (mean - right).sum() + _PRIOR * log_slope
        bend = slope**2 * variance.sum() + max(0.0, slope * (mean - right).sum()) + _PRIOR
        step = float(np.clip(gradient / bend, -1, 1))
        log_slope -= step
        if abs(step) < 1e-6:
            break
    return float(np.clip(np.exp(log_slope), *_SLOPES))


def _platt(logits: Doubles, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset with the least log loss, by Newton's method."""
    found = np.array([1.0, 0.0])
    known = np.stack([logits, np.ones(len(logits))], axis=1)
    for _ in range(_STEPS):
        shares = 1 / (1 + np.exp(-np.clip(known @ found, -80, 80)))
        gradient = known.T @ (shares - truth) + _PRIOR * (found - [1.0, 0.0])
        bend = (known * (shares * (1 - shares))[:, None]).T @ known + _PRIOR * np.eye(2)
        step = np.clip(np.linalg.solve(bend, gradient), -1, 1)
        found = found - step
        if np.abs(step).max() < 1e-6:
            break
    return float(np.clip(found[0], *_SLOPES)), float(np.clip(found[1], -10, 10))


def _thresholds(probabilities: Doubles, truth: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each class's own, drawn towards the common one the fewer examples the class has."""
    common = _best_threshold(probabilities.ravel(), truth.ravel())
    own = np.array([_best_threshold(probabilities[:, column], truth[:, column]) for column in range(truth.shape[1])])
    share = truth.sum(axis=0) / (truth.sum(axis=0) + HALF_TRUSTED)
    return np.asarray(share * own + (1 - share) * common, np.float32)


def _best_threshold(probabilities: Doubles, truth: NDArray[np.bool_]) -> float:
    """The threshold with the best F1, halfway between the two probabilities it parts."""
    if not truth.any():
        return DEFAULT_THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    falling = probabilities[order]
    chosen = np.arange(1, len(order) + 1)
    f1 = 2 * truth[order].cumsum() / (chosen + truth.sum())
    # Equal probabilities are chosen together or not at all.
    f1[:-1][falling[:-1] == falling[1:]] = -1
    last = int(f1.argmax())
    following = falling[last + 1] if last + 1 < len(falling) else 0.0
    return float(np.clip((falling[last] + following) / 2, *_THRESHOLDS))
