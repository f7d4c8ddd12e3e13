"""The interface between models and everything that trains, publishes or serves them (docs/user/custom-models.md)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from labelloop.label_config.schema import CONTROL_TYPES, OBJECT_TYPES, Scope, text_of
from labelloop.models.control_answers import ControlAnswers

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.label_config.schema import Control, Schema

Task = Mapping[str, object]
"""A task as Label Studio sends it; at least its `data`."""


class Prediction(TypedDict, total=False):
    """What a model says about one task; without `result` it says nothing."""

    result: Sequence[Mapping[str, object]]
    """Results as Label Studio stores them; `result_of` makes one."""
    score: float
    """Of the prediction as a whole, 0 to 1; without it the lowest score of its results."""


class Model(ABC):
    """A model of tasks of any kind. Subclasses write `fit`, `save`, `load` and `predict`; the rest has defaults.

    `version`, `created_at` (RFC 3339) and `metrics` describe a trained model. The training sets them after `fit` and
    keeps them in `model.json` next to what `save` writes; they are there again after `load`.
    """

    CONTROLS: ClassVar[tuple[str, ...]] = CONTROL_TYPES
    """Tags it answers, such as `RectangleLabels`."""
    OBJECTS: ClassVar[tuple[str, ...]] = OBJECT_TYPES
    """Tags it can look at, such as `Image`."""
    FIXED_VERSION: ClassVar[str | None] = None
    """Version of a model that never learns; None: it learns, and each training makes a version of its own."""

    labels: Mapping[str, tuple[str, ...]] = {}
    """Control -> labels it can give, for people; empty: not reported."""
    version: str = ""
    created_at: str | None = None
    metrics: Mapping[str, object] = {}

    @classmethod
    @abstractmethod
    def fit(cls, examples: Sequence["Example"], schema: "Schema", parameters: Mapping[str, object]) -> Self:
        """Train on `examples` (`Example.data`, `.labels`, `.results`), one for each labelled task.

        `parameters` are `spec.model.parameters`. Raises NotEnoughExamplesError, or ParameterError for an unusable
        parameter; anything else raised is the failure ModelFailed, and the old model continues to serve.
        """

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model as data into `directory`, which exists: JSON, arrays, text. Nothing that is executed when it
        is read (pickle, joblib, torch.save), which is refused; not the name `model.json`, which is taken."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote."""

    @abstractmethod
    def predict(
        self, tasks: Sequence[Task], schema: "Schema", context: Mapping[str, object] | None = None
    ) -> Sequence[Prediction]:
        """As many predictions as tasks, in order. `context`: what an annotator has just drawn, when Label Studio asks
        for interactive pre-annotation."""

    @classmethod
    def untrained(cls, schema: "Schema") -> Self | None:  # noqa: ARG003
        """What answers before the first training; None: nothing does."""
        return None

    @classmethod
    def scope(cls) -> Scope:
        """What of a labelling configuration it reads."""
        return Scope(cls.CONTROLS, cls.OBJECTS, whole_tasks=True)


class TextModel(Model):
    """A model that gives probabilities of classes for texts: writes `fit`, `save`, `load`, `probabilities`.

    Everything else follows from the probabilities: predictions in Label Studio's form, metrics, calibration, gate,
    thresholds. `labels` maps each control the model covers to its classes, in the column order of `probabilities`. It
    may hold fewer controls than the labelling configuration (a control without enough examples is left out).
    """

    labels: Mapping[str, tuple[str, ...]]

    @abstractmethod
    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities of shape (len(texts), len(labels[control])), always finite and within 0..1.

        Rows sum to 1 for a single-choice control; for a multiple-choice control each column stands alone.
        Any text works: empty, emoji, or megabytes long. Raises KeyError for a control that is not in `labels`.
        """

    def thresholds(self, control: str) -> NDArray[np.float32]:
        """Per class, shape (len(labels[control]),): a multiple-choice control chooses classes at or above it."""
        return np.full(len(self.labels[control]), 0.5, np.float32)

    def predict(
        self,
        tasks: Sequence[Task],
        schema: "Schema",
        context: Mapping[str, object] | None = None,  # noqa: ARG002
    ) -> Sequence[Prediction]:
        """See Model.predict: what the probabilities say about the tasks' texts."""
        predictions: list[Prediction] = [{} for _ in tasks]
        for control in schema.controls:
            answers = ControlAnswers.of(self, control, self.version)
            read = ((position, text_of(_data(task), control)) for position, task in enumerate(tasks))
            found = [(position, text) for position, text in read if text and not text.isspace()]
            if answers is None or not found:
                continue
            positions, texts = zip(*found, strict=True)
            for position, region in zip(positions, answers.regions(texts, positions), strict=True):
                if region is not None:
                    said = predictions[position]
                    said["result"] = [*said.get("result", ()), dict(region)]
                    said["score"] = min(said.get("score", 1.0), region["score"])
        return predictions

    @classmethod
    def scope(cls) -> Scope:
        """See Model.scope: one text for each control."""
        return Scope(cls.CONTROLS, cls.OBJECTS)


def _data(task: Task) -> Mapping[str, object]:
    data = task.get("data")
    return data if isinstance(data, Mapping) else {}


def result_of(control: "Control", labels: Sequence[str] = (), score: float | None = None, **value: object) -> Task:
    """A result in Label Studio's form, such as `result_of(control, ["car"], 0.9, x=10, y=20, width=5, height=5)`.

    `labels` as the labelling configuration has them; `value`: what else is in `value` (geometry, `text`, `rating`),
    of which `original_width`, `original_height` and `image_rotation` go to their place next to it.
    """
    beside: dict[str, object] = {
        name: value.pop(name) for name in ("original_width", "original_height", "image_rotation") if name in value
    }
    chosen = {control.result_type: list(labels)} if labels else {}
    told: dict[str, object] = {
        "from_name": control.name,
        "to_name": control.object_name,
        "type": control.result_type,
        "value": {**value, **chosen},
        **beside,
    }
    return told if score is None else {**told, "score": score}
