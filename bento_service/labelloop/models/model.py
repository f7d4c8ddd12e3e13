"""The interface between models and everything that trains, publishes or serves them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.label_config import Schema


class ModelFileError(ValueError):
    """A model directory cannot be used: missing, truncated, damaged, too large or of an unknown format."""


class NotEnoughExamplesError(ValueError):
    """The examples cannot train any model; the message says what is missing. A user's problem, not a fault."""


class ParameterError(ValueError):
    """A value in `spec.model.parameters` is not usable; the message names it, its value and the remedy."""


class Model(ABC):
    """What answers predictions: class probabilities for texts, one set of classes per control.

    `labels` maps each control the model covers to its classes, in the column order of `probabilities`. It may hold
    fewer controls than the labelling configuration (a control without enough examples is left out). `version`,
    `created_at` (RFC 3339) and `metrics` describe the model; the training sets them before `save`, `load` reads them.
    """

    labels: Mapping[str, tuple[str, ...]]
    version: str = ""
    created_at: str | None = None
    metrics: Mapping[str, object] = {}

    @classmethod
    @abstractmethod
    def fit(cls, examples: Sequence["Example"], schema: "Schema", parameters: Mapping[str, object]) -> Self:
        """Train on `examples`; the same input gives the same bytes in `save` on the same machine.

        Raises NotEnoughExamplesError, or ParameterError for an unusable parameter.
        """

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model as data (no code) into `directory`, made when missing; deterministic bytes."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote. Executes nothing and bounds sizes; raises ModelFileError otherwise."""

    @abstractmethod
    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (len(texts), len(labels[control])), always finite and within 0..1.

        Rows sum to 1 for a single-choice control; for a multiple-choice control each column stands alone.
        Any text works: empty, emoji, or megabytes long. Raises KeyError for a control that is not in `labels`.
        """

    @abstractmethod
    def thresholds(self, control: str) -> NDArray[np.float32]:
        """Per class, shape (len(labels[control]),): a multiple-choice control chooses classes at or above it."""


def load_model(directory: Path) -> Model:
    """Load whatever kind of model stands in `directory`; raises ModelFileError (also when it is missing or empty)."""
    from labelloop.models import files
    from labelloop.models.text_classifier import TextClassifier

    kind = files.read_document(directory).get("kind")
    if kind == TextClassifier.KIND:
        return TextClassifier.load(directory)
    raise ModelFileError(
        f"{directory / files.DOCUMENT}: kind is {kind!r:.100}, known is {TextClassifier.KIND!r}: "
        "serve this model with the version of labelloop that made it"
    )
