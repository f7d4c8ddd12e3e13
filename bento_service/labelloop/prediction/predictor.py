"""Tasks in, predictions in Label Studio's form out. Pure: no HTTP, no clock, no shared state but caches.

The rules are Label Studio's (it stores what it gets without checking): as many entries as tasks, in order; names as
stored (aliases), and only those that stand in the labelling configuration of this very request; finite scores; for
"nothing to say" an entry without `result`, since there `null` is a server error and `[]` an empty prediction that is
never asked for again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Required, TypedDict

from labelloop.datasets.rows import source_of
from labelloop.label_config.schema import Control, Schema, text_of
from labelloop.models.control_answers import ControlAnswers, Region
from labelloop.models.model import TextModel
from labelloop.models.text_classifier.cold_start import ColdStart
from labelloop.prediction.bounded_cache import BoundedCache
from labelloop.text.task_text import is_file_reference

ANSWERS_BYTES = 16 << 20
"""What may be kept of labelling configurations; one of a thousand choices takes 1 MB."""
_CONTROL_BYTES, _CHOICE_BYTES = 6_000, 600
"""About what ControlAnswers and cold start hold for a control, and for a choice, besides arrays."""
COLD_START_CHARACTERS = 400_000
"""Of all choices together that a cold start compares with texts, some 10 MB; further controls are silent until they are
trained. Each control counts for CONTROL_CHARACTERS more."""
CONTROL_CHARACTERS = 2_000


class Entry(TypedDict, total=False):
    """The answer to one task; without `result` when there is nothing to say."""

    model_version: Required[str]
    score: float
    result: list[Region]
    error: str
    """What a custom model did wrong; Label Studio takes such an entry for none."""


class Predictor:
    """Answers tasks with one model, or with a cold start for whatever labelling configuration comes."""

    def __init__(self, version: str, model: TextModel | None) -> None:
        self.version = version
        self.held_back: Callable[[str], bool] | None = None
        """Tells the texts to which nothing is said; None: there are none."""
        self.skips_references = True
        """Whether a text that is only a reference to a file gets no prediction; a custom model may fetch the file."""
        self._trained = model
        self._answers = BoundedCache(ANSWERS_BYTES, self._answers_by_source, _kept_bytes)

    @property
    def model(self) -> TextModel | None:
        """What was trained; None for a cold start."""
        return self._trained

    @property
    def model_class(self) -> str:
        """Name for people: what kind of model answers."""
        return ColdStart.__name__ if self._trained is None else type(self._trained).__name__

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """What a trained model can answer: control -> classes. Empty for a cold start, which answers anything."""
        return {} if self._trained is None else self._trained.labels

    def predict(
        self, tasks: Sequence[object], schema: Schema | None, indices: Sequence[int] | None = None
    ) -> list[Entry]:
        """One entry for each task, in order; `schema` None (an unsupported configuration) leaves all without result.

        An entry's score is that of its least sure region. `indices` are the positions of the tasks in their requests,
        of which region ids are made; by default these are all of one.
        """
        entries: list[Entry] = [{"model_version": self.version} for _ in tasks]
        if schema is None:
            return entries
        for answers in self._answers[schema].by_source:
            found = [
                (position, text)
                for position, task in enumerate(tasks)
                if (text := task_text(task, answers[0].control)) is not None
                and not (self.skips_references and is_file_reference(text))
                and (self.held_back is None or not self.held_back(text))
            ]
            if not found:
                continue
            texts = [text for _, text in found]
            numbers = [position if indices is None else indices[position] for position, _ in found]
            for answer in answers:
                for (position, _), region in zip(found, answer.regions(texts, numbers), strict=True):
                    if region is not None:
                        _add(entries[position], region)
        return entries

    def _answers_by_source(self, schema: Schema) -> "_Answers":
        """Controls about the same text together, so that it is read once."""
        answers, cold = self._all_answers(schema)
        by_source: dict[str, list[ControlAnswers]] = {}
        for answer in answers:
            by_source.setdefault(source_of(answer.control), []).append(answer)
        return _Answers(tuple(map(tuple, by_source.values())), cold)

    def _all_answers(self, schema: Schema) -> tuple[list[ControlAnswers], ColdStart | None]:
        """A control that the trained model knows nothing about stays at the cold start."""
        answers = {control.name: self._answer(self._trained, control) for control in schema.controls}
        unknown = _affordable(control for control in schema.controls if answers[control.name] is None)
        cold = ColdStart(replace(schema, controls=unknown), self.version) if unknown else None
        answers |= {control.name: self._answer(cold, control) for control in unknown}
        return [answer for answer in answers.values() if answer is not None], cold

    def _answer(self, model: TextModel | None, control: Control) -> ControlAnswers | None:
        return None if model is None else ControlAnswers.of(model, control, self.version)


class _Answers(NamedTuple):
    """What answers a labelling configuration."""

    by_source: tuple[tuple[ControlAnswers, ...], ...]
    cold: ColdStart | None


def _kept_bytes(schema: Schema, answers: _Answers) -> int:
    choices = sum(len(control.choices) for control in schema.controls)
    tables = len(schema.controls) * _CONTROL_BYTES + choices * _CHOICE_BYTES
    return tables + (0 if answers.cold is None else answers.cold.nbytes)


def _affordable(controls: Iterable[Control]) -> tuple[Control, ...]:
    """Those that a cold start can answer within COLD_START_CHARACTERS, the first ones first."""
    left = COLD_START_CHARACTERS
    chosen = []
    for control in controls:
        size = CONTROL_CHARACTERS + sum(len(choice.label) + len(choice.hint or "") for choice in control.choices)
        if size <= left and len(control.choices) > 0:
            left -= size
            chosen.append(control)
    return tuple(chosen)


def _add(entry: Entry, region: Region) -> None:
    entry.setdefault("result", []).append(region)
    entry["score"] = min(entry.get("score", 1.0), region["score"])


def task_text(task: object, control: Control) -> str | None:
    """The text to answer, or None when there is nothing to read."""
    data = task.get("data") if isinstance(task, Mapping) else None
    text = text_of(data, control) if isinstance(data, Mapping) else None
    return text if text and not text.isspace() else None
