"""Tasks in, predictions in Label Studio's form out. Pure: no HTTP, no clock, no shared state but caches.

The rules are Label Studio's (it stores what it gets without checking): as many entries as tasks, in order; names as
stored (aliases), and only those that stand in the labelling configuration of this very request; finite scores; for
"nothing to say" an entry without `result`, since there `null` is a server error and `[]` an empty prediction that is
never asked for again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Required, TypedDict

import numpy as np
from numpy.typing import NDArray

from labelloop.label_config import Choice, Control, Schema, text_of
from labelloop.models.cold_start import ColdStart
from labelloop.models.model import Model

SCORE_DIGITS = 6
SCHEMAS_KEPT = 16


class Region(TypedDict):
    """One item of `result`."""

    id: str
    from_name: str
    to_name: str
    type: str
    score: float
    value: dict[str, list[object]]


class Entry(TypedDict, total=False):
    """The answer to one task; without `result` when there is nothing to say."""

    model_version: Required[str]
    score: float
    result: list[Region]


@dataclass(frozen=True)
class ControlAnswers:
    """How a model's classes answer one control of a labelling configuration."""

    control: Control
    columns: NDArray[np.intp]
    """Classes of the model that are choices of the configuration."""
    choices: tuple[Choice, ...]
    """One for each column."""
    thresholds: NDArray[np.float32]
    """Multiple choice: least probability to be chosen, one for each column."""


class Predictor:
    """Answers tasks with one model, or with a cold start for whatever labelling configuration comes."""

    def __init__(self, version: str, model: Model | None) -> None:
        self.version = version
        self._trained = model
        self._answers = lru_cache(SCHEMAS_KEPT)(self._answers_uncached)

    @property
    def model_class(self) -> str:
        """Name for people: what kind of model answers."""
        return ColdStart.__name__ if self._trained is None else type(self._trained).__name__

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """What a trained model can answer: control -> classes. Empty for a cold start, which answers anything."""
        return {} if self._trained is None else self._trained.labels

    def predict(self, tasks: Sequence[object], schema: Schema | None, first_index: int = 0) -> list[Entry]:
        """One entry for each task, in order; `schema` None (an unsupported configuration) leaves all without result.

        An entry's score is that of its least sure region. `first_index` is the position of the first task in the whole
        request: region ids are made of it.
        """
        entries: list[Entry] = [{"model_version": self.version} for _ in tasks]
        if schema is None:
            return entries
        model, answers = self._answers(schema)
        for answer in answers:
            for position, region in self._regions(model, answer, tasks, first_index):
                entry = entries[position]
                entry.setdefault("result", []).append(region)
                entry["score"] = min(entry.get("score", 1.0), region["score"])
        return entries

    def _answers_uncached(self, schema: Schema) -> tuple[Model, tuple[ControlAnswers, ...]]:
        model = ColdStart(schema, self.version) if self._trained is None else self._trained
        answers = (_control_answers(model, control) for control in schema.controls)
        return model, tuple(answer for answer in answers if answer is not None)

    def _regions(
        self, model: Model, answer: ControlAnswers, tasks: Sequence[object], first_index: int
    ) -> Iterator[tuple[int, Region]]:
        """Position of a task and what to say about it."""
        positions: list[int] = []
        texts: list[str] = []
        for position, task in enumerate(tasks):
            text = _task_text(task, answer.control)
            if text is not None:
                positions.append(position)
                texts.append(text)
        if not texts:
            return
        control = answer.control
        probabilities = model.probabilities(control.name, texts)[:, answer.columns]
        selections = _select_multiple(probabilities, answer) if control.multiple else _select_single(probabilities)
        for position, (columns, score) in zip(positions, selections, strict=True):
            if not columns or not np.isfinite(score):
                continue
            identity = _region_id(self.version, first_index + position, control.name)
            yield position, _region(identity, answer, columns, score)


def _control_answers(model: Model, control: Control) -> ControlAnswers | None:
    classes = model.labels.get(control.name, ())
    by_name = {choice.stored: choice for choice in control.choices}
    columns = [column for column, name in enumerate(classes) if name in by_name]
    if not columns:
        return None
    thresholds = model.thresholds(control.name)[columns]
    return ControlAnswers(control, np.array(columns, np.intp), tuple(by_name[classes[c]] for c in columns), thresholds)


def _task_text(task: object, control: Control) -> str | None:
    """The text to answer, or None when there is nothing to read."""
    data = task.get("data") if isinstance(task, Mapping) else None
    text = text_of(data, control) if isinstance(data, Mapping) else None
    return text if text and not text.isspace() else None


def _select_single(probabilities: NDArray[np.float32]) -> list[tuple[list[int], float]]:
    """The most probable column of each row; the shares of classes that are not asked for are spread over the others."""
    best = probabilities.argmax(axis=1)
    totals = probabilities.sum(axis=1)
    peaks = probabilities[np.arange(len(best)), best]
    shares = np.divide(peaks, totals, out=np.zeros_like(peaks), where=totals > 0)
    return [
        ([column], share) if share > 0 else ([], 0.0)
        for column, share in zip(best.tolist(), shares.tolist(), strict=True)
    ]


def _select_multiple(probabilities: NDArray[np.float32], answer: ControlAnswers) -> list[tuple[list[int], float]]:
    """All columns at or above their thresholds; the score is that of the least sure one."""
    selections: list[tuple[list[int], float]] = []
    chosen = probabilities >= answer.thresholds
    for row, selected in zip(probabilities, chosen, strict=True):
        columns = selected.nonzero()[0].tolist()
        selections.append((columns, float(row[columns].min(initial=1.0))))
    return selections


def _region(identity: str, answer: ControlAnswers, columns: list[int], score: float) -> Region:
    control = answer.control
    chosen = [answer.choices[column] for column in columns]
    names: list[object] = [list(choice.path) if control.nested else choice.stored for choice in chosen]
    return {
        "id": identity,
        "from_name": control.name,
        "to_name": control.object_name,
        "type": "choices",
        "score": min(round(score, SCORE_DIGITS), 1.0),
        "value": {"choices": names},
    }


def _region_id(version: str, index: int, control: str) -> str:
    """The same for the same request, different within a request and between versions."""
    return blake2b(f"{version}\0{index}\0{control}".encode(), digest_size=5).hexdigest()
