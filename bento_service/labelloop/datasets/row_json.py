"""Rows as lines of a snapshot (docs/internals/interfaces.md 2.2), and back with every field checked."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from labelloop.datasets.rows import ORIGINS, Annotation, Row
from labelloop.label_config.controls.base import Path
from labelloop.label_studio.responses import format_time, parse_time

T = TypeVar("T")


class RowFormatError(ValueError):
    """A line is not a row; the message names the field."""


def row_to_json(row: Row, sources: Sequence[str]) -> dict[str, object]:
    """The row as JSON; the first source is `text`, others stand under `texts`."""
    line: dict[str, object] = {
        "task": row.task,
        "text": row.texts.get(sources[0]),
        "annotations": [_annotation_to_json(annotation) for annotation in row.annotations],
    }
    if len(sources) > 1:
        line["texts"] = {source: row.texts.get(source) for source in sources[1:]}
    return line


def row_from_json(line: object, sources: Sequence[str]) -> Row:
    """Raises RowFormatError."""
    if not isinstance(line, dict):
        raise RowFormatError("no object")
    others = line.get("texts", {})
    texts = {sources[0]: line.get("text")}
    texts.update((source, others.get(source) if isinstance(others, dict) else None) for source in sources[1:])
    if not all(text is None or isinstance(text, str) for text in texts.values()):
        raise RowFormatError("text is neither text nor null")
    annotations = _field(line, "annotations", list)
    return Row(_field(line, "task", int), texts, tuple(map(_annotation_from_json, annotations)))


def _annotation_to_json(annotation: Annotation) -> dict[str, object]:
    item: dict[str, object] = {
        "id": annotation.id,
        "updated_at": format_time(annotation.updated_at),
        "was_cancelled": annotation.was_cancelled,
        "ground_truth": annotation.ground_truth,
        "completed_by": annotation.completed_by,
        "origin": annotation.origin,
        "choices": {
            name: [path[0] if len(path) == 1 else list(path) for path in paths]
            for name, paths in annotation.choices.items()
        },
    }
    if annotation.others:
        item["others"] = annotation.others
    if annotation.results:
        item["results"] = list(annotation.results)
    return item


def _annotation_from_json(item: object) -> Annotation:
    if not isinstance(item, dict):
        raise RowFormatError("an annotation is no object")
    completed_by, origin = item.get("completed_by"), ORIGINS.get(str(item.get("origin")))
    if completed_by is not None and not isinstance(completed_by, int):
        raise RowFormatError("completed_by is no number")
    if origin is None:
        raise RowFormatError("origin is unknown")
    try:
        updated_at = parse_time(_field(item, "updated_at", str))
    except ValueError:
        raise RowFormatError("updated_at is no time") from None
    return Annotation(
        id=_field(item, "id", int),
        updated_at=updated_at,
        was_cancelled=_field(item, "was_cancelled", bool),
        ground_truth=_field(item, "ground_truth", bool),
        completed_by=completed_by,
        origin=origin,
        choices={name: _paths(selected) for name, selected in _field(item, "choices", dict).items()},
        others=_field(item, "others", int) if "others" in item else 0,
        results=_results(item["results"]) if "results" in item else (),
    )


def _results(kept: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(kept, list) or not all(isinstance(result, dict) for result in kept):
        raise RowFormatError("results are no list of objects")
    return tuple(kept)


def _paths(selected: object) -> tuple[Path, ...]:
    if not isinstance(selected, list):
        raise RowFormatError("choices are no list")
    paths = tuple(tuple(choice) if isinstance(choice, list) else (choice,) for choice in selected)
    if not all(path and all(isinstance(name, str) for name in path) for path in paths):
        raise RowFormatError("choices are no names")
    return paths


def _field(item: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = item.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RowFormatError(f"{name} is not of type {kind.__name__}")
    return value
