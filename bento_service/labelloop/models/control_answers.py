"""Probabilities of one control's classes -> what the editor would store, with all that can be worked out beforehand.

One ControlAnswers is made for each control of a labelling configuration and kept: a request only picks columns.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labelloop.label_config.controls import type_of
from labelloop.label_config.controls.base import Value
from labelloop.label_config.schema import Control
from labelloop.models.classifier import Classifier

SCORE_DIGITS = 6

Selection = tuple[Sequence[int], float]
"""Columns that are selected (none: nothing to say) and the probability of the least sure one."""


class Region(TypedDict):
    """One item of `result`."""

    id: str
    from_name: str
    to_name: str
    type: str
    score: float
    value: Value


class ControlAnswers:
    """How a model's classes answer one control of a labelling configuration."""

    @classmethod
    def of(cls, model: Classifier, control: Control, version: str) -> "ControlAnswers | None":
        """None when the model knows none of the choices, or when there is nothing to choose from."""
        known = set(control.labels).intersection(model.labels.get(control.name, ()))
        return cls(model, control, version) if known and (control.multiple or len(control.labels) > 1) else None

    def __init__(self, model: Classifier, control: Control, version: str) -> None:
        """`model` knows at least one of the choices. `version` goes into the ids of regions."""
        classes = model.labels[control.name]
        by_label = {choice.label: choice for choice in control.choices}
        columns = [column for column, label in enumerate(classes) if label in by_label]
        self.control = control
        self._model = model
        self._columns = np.array(columns, np.intp) if len(columns) < len(classes) else None
        # What the model gives to labels that have left the configuration belongs to the others, unless new ones came.
        self._is_share = self._columns is not None and len(by_label) == len(columns)
        self._thresholds = model.thresholds(control.name)[columns]
        choices = [by_label[classes[column]] for column in columns]
        self._value = type_of(control).writer(control, choices)
        self._identity = blake2b(f"{version}\0{control.name}".encode("utf-8", "replace"), digest_size=4).hexdigest()

    def regions(self, texts: Sequence[str], indices: Sequence[int]) -> Iterator[Region | None]:
        """What to say about each text, None for nothing. `indices`: positions in the request, which make the ids."""
        control = self.control
        probabilities = self._model.probabilities(control.name, texts)
        if self._columns is not None:
            probabilities = probabilities[:, self._columns]
        selections = self._several(probabilities) if control.multiple else self._one(probabilities)
        for index, (columns, score) in zip(indices, selections, strict=True):
            if not columns or not 0 < score <= 2:  # neither NaN nor infinite, whatever a model gives
                yield None
                continue
            yield {
                "id": f"{self._identity}-{index}",
                "from_name": control.name,
                "to_name": control.object_name,
                "type": control.result_type,
                "score": min(round(score, SCORE_DIGITS), 1.0),
                "value": self._value(columns),
            }

    def _one(self, probabilities: NDArray[np.float32]) -> Iterator[Selection]:
        """The most probable column of each row."""
        best = probabilities.argmax(axis=1)
        peaks = probabilities[np.arange(len(best)), best]
        if self._is_share:
            totals = probabilities.sum(axis=1)
            peaks = np.divide(peaks, totals, out=np.zeros_like(peaks), where=totals > 0)
        return (((column,), share) for column, share in zip(best.tolist(), peaks.tolist(), strict=True))

    def _several(self, probabilities: NDArray[np.float32]) -> Iterator[Selection]:
        """All columns at or above their thresholds, the most probable ones when the control has a limit."""
        limit = self.control.limit
        for row, selected in zip(probabilities, probabilities >= self._thresholds, strict=True):
            columns = selected.nonzero()[0].tolist()
            if limit is not None and len(columns) > limit:
                columns = sorted(columns, key=row.__getitem__, reverse=True)[:limit]
            yield columns, float(row[columns].min(initial=1.0))
