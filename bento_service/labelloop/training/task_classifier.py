"""A model of whole tasks as evaluation and gate see one: the choices it made, in the place of probabilities."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labelloop.datasets.stored_labels import LabelReader
from labelloop.label_config.controls import BY_RESULT_TYPE
from labelloop.label_config.schema import Schema
from labelloop.metrics import METRICS
from labelloop.models.model import Model, Task
from labelloop.prediction.answer_checks import checked

_LEAST = 1e-6
"""Stands for the score of a choice that has none above it."""
NOTHING = "(no answer)"
"""Stands for a task that the model says nothing about, which is wrong."""


class TaskClassifier:
    """A `Classifier` that answers with what the model predicts for the tasks' data; each task is asked once."""

    def __init__(self, model: Model, schema: Schema) -> None:
        choices = [control for control in schema.controls if control.result_type in BY_RESULT_TYPE]
        self.labels = {control.name: (*control.labels, NOTHING) for control in choices}
        self._model, self._schema = model, schema
        self._said: dict[str, Mapping[str, tuple[tuple[str, ...], float]]] = {}
        self.faults: dict[str, int] = {}
        """What is wrong with the answers, and how often."""

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """`texts`: the data of tasks as JSON. Raises what the model raises, and AnswerError."""
        self._ask([text for text in dict.fromkeys(texts) if text not in self._said])
        labels = self.labels[control]
        found = np.zeros((len(texts), len(labels)), np.float32)
        for row, text in enumerate(texts):
            chosen, score = self._said[text].get(control, ((NOTHING,), 1.0))
            found[row, [labels.index(label) for label in chosen]] = score
        return found

    def thresholds(self, control: str) -> NDArray[np.float32]:
        """Whatever was chosen counts."""
        return np.full(len(self.labels[control]), _LEAST / 2, np.float32)

    def _ask(self, texts: Sequence[str]) -> None:
        if not texts:
            return
        tasks: list[Task] = [{"id": number, "data": json.loads(text)} for number, text in enumerate(texts, 1)]
        answers = checked(self._model.predict(tasks, self._schema), len(tasks), self._schema)
        readers = {each.name: LabelReader(each) for each in self._schema.controls if each.name in self.labels}
        for text, answer in zip(texts, answers, strict=True):
            for fault in answer.faults:
                self.faults[fault] = self.faults.get(fault, 0) + 1
            said: dict[str, tuple[tuple[str, ...], float]] = {}
            for result in answer.prediction.get("result", ()):
                name, kind = str(result["from_name"]), str(result["type"])
                if name in readers and isinstance(value := result["value"], dict):
                    score = result.get("score", 1.0)
                    sure = float(score) if isinstance(score, int | float) else 1.0
                    labels = readers[name].read(BY_RESULT_TYPE[kind].read(value) or ())[0]
                    said[name] = (labels, max(sure, _LEAST)) if labels else ((NOTHING,), 1.0)
            self._said[text] = said


def without_probabilities(metrics: Mapping[str, object]) -> dict[str, object]:
    """Metrics of answers that are choices: what would need probabilities is not known."""
    kept: dict[str, object] = {
        name: None if name in METRICS and METRICS[name].needs_probabilities else value
        for name, value in metrics.items()
        if name != "calibration"
    }
    if isinstance(parts := metrics.get("controls"), Mapping):
        kept["controls"] = {control: without_probabilities(part) for control, part in parts.items()}
    return kept
