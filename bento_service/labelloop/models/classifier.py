"""The part of a text model that measuring, comparing and predicting need."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Classifier(Protocol):
    """As much of a `TextModel` as measuring and comparing models needs; its methods say what they promise."""

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Control -> its classes, in the column order of `probabilities`."""

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See TextModel.probabilities."""

    def thresholds(self, control: str) -> NDArray[np.float32]:
        """See TextModel.thresholds."""
