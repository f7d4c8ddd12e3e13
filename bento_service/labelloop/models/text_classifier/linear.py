"""Linear heads over sparse text features, stored as small integers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelloop.models.text_classifier.calibration import Calibration

_INT8_LIMIT = 127


@dataclass(frozen=True)
class HeadTask:
    """What one control's head is to learn: of each text its labels (none: nothing is known), and the classes."""

    name: str
    chosen: Sequence[Sequence[str]]
    descriptions: Mapping[str, str]
    """Class -> what it says about itself, in the order of the classes."""
    multiple: bool


@dataclass(frozen=True)
class LinearHead:
    """What maps features to the probabilities of one control's k classes.

    logits = slope * (features @ (weights * scale) + bias) + offset, all per class. `slope` and `offset` calibrate: a
    temperature is the same slope for every class, Platt scaling one slope and offset each.
    """

    weights: NDArray[np.int8]
    """(features, k)"""
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    slope: NDArray[np.float32]
    offset: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    multiple: bool

    @classmethod
    def from_floats(
        cls, weights: NDArray[Any], bias: NDArray[Any], calibration: Calibration, *, multiple: bool
    ) -> "LinearHead":
        """Round float weights of shape (features, k) to 8 bits, one scale per class."""
        scale = np.abs(weights).max(axis=0, initial=0.0) / _INT8_LIMIT
        scale[scale == 0] = 1
        k = weights.shape[1]
        return cls(
            weights=np.rint(weights / scale).astype(np.int8),
            scale=scale.astype(np.float32),
            bias=bias.astype(np.float32),
            slope=np.full(k, calibration.slope, np.float32),
            offset=np.full(k, calibration.offset, np.float32),
            thresholds=calibration.thresholds.astype(np.float32),
            multiple=multiple,
        )

    def folded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(weights, bias) as float32 with scale and calibration folded in: logits = features @ weights + bias."""
        weights = self.weights.astype(np.float32)
        weights *= self.scale * self.slope
        return weights, self.bias * self.slope + self.offset


def probabilities(logits: NDArray[np.float32], *, multiple: bool) -> NDArray[np.float32]:
    """Softmax over each row for a single choice, a sigmoid of each entry for a multiple choice; works in place."""
    if multiple:
        # Beyond +-80 the sigmoid is 0 or 1 in float32, and exp would overflow.
        np.clip(logits, -80, 80, out=logits)
        np.exp(-logits, out=logits)
        logits += 1
        return np.reciprocal(logits, out=logits)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
