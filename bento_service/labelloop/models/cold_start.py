"""Answers before any training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from labelloop.models.model import Model

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.label_config import Schema


class ColdStart(Model):
    """Nearest label name."""

    def __init__(self, schema: "Schema", version: str = "") -> None:
        self.version = version
        self.labels = {control.name: control.labels for control in schema.controls if control.labels}

    @classmethod
    def fit(cls, examples: Sequence["Example"], schema: "Schema", parameters: Mapping[str, object]) -> Self:
        """Ignore the examples: the label names are all it knows."""
        return cls(schema)

    def save(self, directory: Path) -> None:
        """Refuse: it is made from the labelling configuration."""
        raise NotImplementedError

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Refuse: it is made from the labelling configuration."""
        raise NotImplementedError

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Model.probabilities."""
        return np.full((len(texts), len(self.labels[control])), 1 / len(self.labels[control]), np.float32)

    def thresholds(self, control: str) -> NDArray[np.float32]:
        """See Model.thresholds."""
        return np.full(len(self.labels[control]), 0.5, np.float32)
