"""A model that only answers, for tests of whatever asks one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Schema
from labelloop.models.model import TextModel


class AnsweringModel(TextModel):
    """Never trained or stored; proposes from one half on. What it answers is left to the tests."""

    @classmethod
    def fit(cls, examples: Sequence[Example], schema: Schema, parameters: Mapping[str, object]) -> Self:
        raise NotImplementedError

    def save(self, directory: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, directory: Path) -> Self:
        raise NotImplementedError

    def thresholds(self, control: str) -> NDArray[np.float32]:
        return np.full(len(self.labels[control]), 0.5, np.float32)
