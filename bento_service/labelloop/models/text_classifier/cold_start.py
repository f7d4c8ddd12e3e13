"""Answers before any training: the label whose name, alias or hint looks most like the text."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from labelloop.models.errors import ModelFileError
from labelloop.models.model import TextModel
from labelloop.models.text_classifier.similarity import Similarity
from labelloop.models.version import cold_version

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.label_config.schema import Choice, Schema

# How far an answer may rise above knowing nothing. With it the best score of k labels stays within
# 1/k .. 1/k + 0.25 * (1 - 1/k): at most 0.5 from three labels on, 0.625 for two.
CONFIDENCE = 0.25
# Similarities (0..1) of a matching and another label differ by about 0.2; this makes that a clear preference.
_SHARPNESS = 20.0
# A multiple-choice score is half the similarity, at most 0.5; from this on a label is proposed.
_MULTIPLE_SHARE, _MULTIPLE_THRESHOLD = 0.5, 0.15
_WORD_BORDER = re.compile(r"[_\-./:]+|(?<=[a-z])(?=[A-Z])")


class ColdStart(TextModel):
    """Cosine similarity of hashed n-grams between a text and each label's description.

    Scores are low on purpose. Single choice: between 0.75/k and 1/k + 0.25 * (1 - 1/k), all 1/k when nothing is
    similar; multiple choice: 0 to 0.5, proposed from 0.15 on.
    """

    def __init__(self, schema: "Schema", version: str = "") -> None:
        self.version = version or cold_version()
        controls = [control for control in schema.controls if control.labels]
        self.labels = {control.name: control.labels for control in controls}
        self._multiple = {control.name: control.multiple for control in controls}
        self._similarities = {
            control.name: Similarity([description(choice) for choice in control.choices]) for control in controls
        }

    @classmethod
    def fit(cls, examples: Sequence["Example"], schema: "Schema", parameters: Mapping[str, object]) -> Self:  # noqa: ARG003
        """Ignore examples and parameters: the labelling configuration is all it knows."""
        return cls(schema)

    def save(self, directory: Path) -> None:
        """Raise ModelFileError: it is made from the labelling configuration and has no file."""
        raise ModelFileError(f"{directory}: a model before training has no file: it is made from the label names")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Raise ModelFileError, as `save`."""
        raise ModelFileError(f"{directory}: a model before training has no file: it is made from the label names")

    @property
    def nbytes(self) -> int:
        """Bytes that its arrays take."""
        return sum(similarity.nbytes for similarity in self._similarities.values())

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Model.probabilities; the class documents the range."""
        similarity = np.clip(self._similarities[control].to(texts), 0, 1)
        if self._multiple[control]:
            return similarity * np.float32(_MULTIPLE_SHARE)
        share: NDArray[np.float32] = np.exp(similarity * np.float32(_SHARPNESS))
        share /= share.sum(axis=1, keepdims=True)
        return share * np.float32(CONFIDENCE) + np.float32((1 - CONFIDENCE) / share.shape[1])

    def thresholds(self, control: str) -> NDArray[np.float32]:
        """See Model.thresholds."""
        return np.full(len(self.labels[control]), _MULTIPLE_THRESHOLD, np.float32)


def description(choice: "Choice") -> str:
    """All a choice says about itself, with identifiers such as `card_arrival` or `cardArrival` taken apart."""
    parts = [*choice.path, choice.value, choice.alias or "", choice.hint or ""]
    return _WORD_BORDER.sub(" ", " ".join(dict.fromkeys(parts)))
