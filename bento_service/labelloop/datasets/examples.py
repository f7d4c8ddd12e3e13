"""Rows -> examples: which annotation of a task counts, and what of it the present labelling configuration knows.

1. Skipped annotations never count: they hold the model's own prediction.
2. Of the others, ground truth comes first, then the newest (`updated_at`, then id); the first that says something the
   configuration knows is used, alone.
3. Labels that are no longer in the configuration are dropped and reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from labelloop.datasets.rows import Annotation, Origin, Path, Row, rows_of, source_of
from labelloop.label_config import Control, Schema
from labelloop.label_studio.task_api import Task

Fate = Literal["used", "skipped", "empty", "foreign", "removed_labels", "unusable_text"]
Labels = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Example:
    """A text and what was said about it; `labels` maps a control's name to at least one stored label."""

    task: int
    text: str = field(repr=False)
    labels: Mapping[str, tuple[str, ...]]
    origin: Origin = "manual"


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

    examples: tuple[Example, ...]
    counts: Counts
    removed_labels: tuple[str, ...]
    """Labels found in annotations but not in the configuration, sorted."""


def examples(tasks: Sequence[Task], schema: Schema) -> ExampleSet:
    """Examples of tasks as Label Studio gave them. Raises rows.RowError."""
    return examples_of_rows(rows_of(tasks, schema.controls), schema)


def examples_of_rows(rows: Sequence[Row], schema: Schema) -> ExampleSet:
    """Examples of rows, read just now or kept in a snapshot."""
    readers = tuple(_Reader(control) for control in schema.controls)
    found: list[Example] = []
    fates: dict[Fate, int] = {}
    for row in rows:
        fate, annotation, labels = _chosen(row, readers)
        if annotation is not None:
            made = _examples(row, annotation, labels, schema.controls)
            fate = "used" if made else "unusable_text"
            found.extend(made)
        fates[fate] = fates.get(fate, 0) + 1
    removed = sorted(set().union(*(reader.removed for reader in readers)))
    return ExampleSet(tuple(found), Counts(tasks=len(rows), **fates), tuple(removed))


class _Reader:
    """Reads the results of one control; remembers the removed labels it met."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.removed: set[str] = set()
        self._stored = {choice.value: choice.stored for choice in control.choices}  # from before it had an alias
        self._stored.update((name, name) for name in control.labels)

    def labels(self, paths: Sequence[Path]) -> tuple[tuple[str, ...], Fate]:
        """Stored labels, in the order of the configuration; without any, why."""
        names = [path[-1] for path in paths if path[-1] not in self.control.groups]
        known = {self._stored[name] for name in names if name in self._stored}
        unknown = [name for name in names if name not in self._stored]
        self.removed.update(unknown)
        if len(known) > 1 and not self.control.multiple:
            return (), "foreign"
        if not known:
            return (), "removed_labels" if unknown else "empty"
        return tuple(label for label in self.control.labels if label in known), "used"


def _chosen(row: Row, readers: Sequence[_Reader]) -> tuple[Fate, Annotation | None, Labels]:
    """The annotation that counts and its labels; without one, the fate of the one that came first."""
    ranked = sorted(
        (annotation for annotation in row.annotations if not annotation.was_cancelled),
        key=lambda annotation: (annotation.ground_truth, annotation.updated_at, annotation.id),
        reverse=True,
    )
    first: Fate | None = None
    for annotation in ranked:
        labels, fate = _read(annotation, readers)
        if labels:
            return "used", annotation, labels
        first = first or fate
    return first or "skipped", None, {}


def _read(annotation: Annotation, readers: Sequence[_Reader]) -> tuple[Labels, Fate]:
    labels: Labels = {}
    fates: set[Fate] = set()
    for reader in readers:
        name = reader.control.name
        if name in annotation.choices:
            chosen, fate = reader.labels(annotation.choices[name])
            fates.add(fate)
            if chosen:
                labels[name] = chosen
    if "removed_labels" in fates:
        return labels, "removed_labels"
    strangers = annotation.others or annotation.choices.keys() - {reader.control.name for reader in readers}
    return labels, "foreign" if strangers or "foreign" in fates else "empty"


def _examples(row: Row, annotation: Annotation, labels: Labels, controls: Sequence[Control]) -> list[Example]:
    by_source: dict[str, Labels] = {}
    for control in controls:
        if control.name in labels:
            by_source.setdefault(source_of(control), {})[control.name] = labels[control.name]
    made = []
    for source, answered in by_source.items():
        text = row.texts.get(source)
        if text is not None and text.strip():
            made.append(Example(row.task, text, answered, annotation.origin))
    return made
