"""Rows -> examples: which annotation of a task counts, and what of it the present labelling configuration knows.

1. Skipped annotations never count: they hold the model's own prediction.
2. Labels that are no longer in the configuration are dropped and reported.
3. Of the annotations that say something about a control, ground truth outvotes the others, then the majority of the
   annotators wins, then the newest (voting.py). Each control is settled for itself.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from labelloop.datasets.rows import WHOLE_TASK, Annotation, Origin, Row, rows_of, source_of
from labelloop.datasets.stored_labels import LabelReader
from labelloop.datasets.voting import Vote, by_rank, settle
from labelloop.label_config.controls import BY_RESULT_TYPE
from labelloop.label_config.schema import Control, Schema
from labelloop.label_studio.task_api import Task

Fate = Literal["used", "skipped", "empty", "foreign", "removed_labels", "unusable_text"]


@dataclass(frozen=True)
class Example:
    """A text and what was said about it; `labels` maps a control's name to at least one stored label.

    Of a whole task (a `Model` that is no `TextModel`) the text is its data as JSON, which `data` reads.
    """

    task: int
    text: str = field(repr=False)
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin = "manual"
    results: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Of a whole task: all results of the annotation that counts, as Label Studio stores them."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The task's data as Label Studio has it, of a whole task."""
        found: Mapping[str, Any] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Counts:
    """What became of the tasks: all but `tasks` add up to it."""

    tasks: int = 0
    used: int = 0
    skipped: int = 0
    """All annotations were skipped (or none is left)."""
    empty: int = 0
    """Nothing was selected."""
    foreign: int = 0
    """Only results of controls that are not used, or that do not fit them (two labels of a single choice)."""
    removed_labels: int = 0
    """Only labels that are no longer in the configuration."""
    unusable_text: int = 0
    """Labelled, but the task has no text: missing, null, not text, or blank."""

    def to_json(self) -> dict[str, int]:
        """As in `result.json`."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(frozen=True)
class ExampleSet:
    """Examples ordered by task id. A task gives one, or one per text when controls are about different texts."""

    examples: Sequence[Example]
    counts: Counts
    removed_labels: tuple[str, ...]
    """Labels found in annotations but not in the configuration, sorted."""


def examples(tasks: Sequence[Task], schema: Schema) -> ExampleSet:
    """Examples of tasks as Label Studio gave them. Raises rows.RowError."""
    return examples_of_rows(rows_of(tasks, schema), schema)


def examples_of_rows(rows: Sequence[Row], schema: Schema) -> ExampleSet:
    """Examples of rows, read just now or kept in a snapshot."""
    readers = tuple(LabelReader(control) for control in schema.controls)
    found: list[Example] = []
    fates: dict[Fate, int] = {}
    for row in rows:
        standing = by_rank([annotation for annotation in row.annotations if not annotation.was_cancelled])
        settled = _settled(standing, readers)
        made = (
            _whole(row, standing, settled, schema) if schema.whole_tasks else _examples(row, settled, schema.controls)
        )
        found.extend(made)
        fate: Fate = "used" if made else "unusable_text" if settled else _why_not(standing, readers)
        fates[fate] = fates.get(fate, 0) + 1
    removed = sorted(set().union(*(reader.removed for reader in readers)))
    return ExampleSet(tuple(found), Counts(tasks=len(rows), **fates), tuple(removed))


def _settled(standing: Sequence[Annotation], readers: Sequence[LabelReader]) -> dict[str, Vote]:
    """What counts for each control that an annotation says something about."""
    settled: dict[str, Vote] = {}
    for reader in readers:
        name = reader.control.name
        said = ((annotation, annotation.choices.get(name)) for annotation in standing)
        ballots = [Vote(annotation, reader.read(paths)[0]) for annotation, paths in said if paths]
        ballots = [ballot for ballot in ballots if ballot.labels]
        if ballots:
            settled[name] = settle(ballots, reader.control)
    return settled


def _why_not(standing: Sequence[Annotation], readers: Sequence[LabelReader]) -> Fate:
    """Why nothing can be learnt: of the annotation that would come first."""
    if not standing:
        return "skipped"
    annotation = standing[0]
    fates = {reader.read(annotation.choices.get(reader.control.name, ()))[1] for reader in readers}
    if "removed_labels" in fates:
        return "removed_labels"
    strangers = annotation.others or annotation.choices.keys() - {reader.control.name for reader in readers}
    return "foreign" if strangers or "foreign" in fates else "empty"


def _examples(row: Row, settled: Mapping[str, Vote], controls: Sequence[Control]) -> list[Example]:
    by_source: dict[str, dict[str, Vote]] = {}
    for control in controls:
        if control.name in settled:
            by_source.setdefault(source_of(control), {})[control.name] = settled[control.name]
    made = []
    for source, ballots in by_source.items():
        text = row.texts.get(source)
        if text is not None and text.strip():
            labels = {name: ballot.labels for name, ballot in ballots.items()}
            made.append(Example(row.task, text, labels, _origin(ballots.values())))
    return made


def _whole(row: Row, standing: Sequence[Annotation], settled: Mapping[str, Vote], schema: Schema) -> list[Example]:
    """The task with the results of the annotation that comes first; an empty one says that there is nothing to mark."""
    text = row.texts.get(WHOLE_TASK)
    names = {control.name for control in schema.controls}
    known = [one for one in standing if any(result.get("from_name") in names for result in one.results)]
    marks = any(control.result_type not in BY_RESULT_TYPE for control in schema.controls)
    chosen = known[0] if known else standing[0] if standing and marks and not standing[0].results else None
    if chosen is None or text is None:
        return []
    results = tuple(result for result in chosen.results if result.get("from_name") in names)
    labels = {name: ballot.labels for name, ballot in settled.items()}
    return [Example(row.task, text, labels, chosen.origin, results=results)]


def _origin(ballots: Iterable[Vote]) -> Origin:
    """Of what counts about one text; parts of different origin are a prediction that was changed."""
    origins = {ballot.annotation.origin for ballot in ballots}
    return origins.pop() if len(origins) == 1 else "prediction-changed"
