"""Rows: labelled tasks reduced to what training can need, before any rule is applied.

A row keeps the choices of every choice-like control as Label Studio stored them, so that a changed labelling
configuration (a label removed, a control renamed) needs no new read of the tasks.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from labelloop.label_config.controls import BY_RESULT_TYPE
from labelloop.label_config.controls.base import Path
from labelloop.label_config.schema import Control, Schema, text_of
from labelloop.label_studio.responses import parse_time
from labelloop.label_studio.task_api import Task

Origin = Literal["manual", "prediction", "prediction-changed"]
ORIGINS: Mapping[str, Origin] = {origin: origin for origin in get_args(Origin)}
OF_A_PART = ("start", "end", "startOffset", "endOffset", "globalOffsets", "x", "y")
"""Keys of a value that make it a label of a region, not of the whole text."""
MAX_ID = 2**63 - 1


WHOLE_TASK = "Task:data"
"""Source of tasks that a model takes as they are."""
RESULT_KEYS = frozenset(
    {"id", "from_name", "to_name", "type", "value", "original_width", "original_height", "image_rotation", "item_index"}
)
"""What is kept of a result."""


class RowError(ValueError):
    """A task or an annotation lacks what Label Studio always gives (id, times)."""


@dataclass(frozen=True)
class Annotation:
    """One annotation of a task; `choices` maps the name of a control to the selected paths."""

    id: int
    updated_at: datetime
    was_cancelled: bool
    ground_truth: bool
    completed_by: int | None
    origin: Origin
    choices: Mapping[str, tuple[Path, ...]] = field(repr=False)
    others: int = 0
    """Results that do not label a whole text: regions, other controls, damaged ones."""
    results: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """All results as stored, of whole tasks only."""


@dataclass(frozen=True)
class Row:
    """One labelled task. `texts` maps a source (see `source_of`) to its text, None when the task has none.

    Of whole tasks there is one source, WHOLE_TASK, whose text is the task's data as canonical JSON.
    """

    task: int
    texts: Mapping[str, str | None] = field(repr=False)
    annotations: tuple[Annotation, ...]


def source_of(control: Control) -> str:
    """Where a control's text comes from; controls about the same text have the same source."""
    key = f"{control.object_type}:{control.data_key}"
    return f"{key}:{control.text_key}" if control.object_type == "Paragraphs" else key


def rows_of(tasks: Iterable[Task], schema: Schema) -> tuple[Row, ...]:
    """Rows ordered by task id, annotations by id. Raises RowError."""
    sources = {source_of(control): control for control in schema.controls}
    tasks = list(tasks)
    if any(not 0 < task.id <= MAX_ID for task in tasks):
        raise RowError(f"a task whose id is not within 1 to {MAX_ID}: that is no id of Label Studio's")
    rows = (
        Row(
            task=task.id,
            texts={WHOLE_TASK: canonical_data(task.data)}
            if schema.whole_tasks
            else {source: text_of(task.data, control) for source, control in sources.items()},
            annotations=tuple(
                sorted((_annotation(item, schema.whole_tasks) for item in task.annotations), key=lambda made: made.id)
            ),
        )
        for task in tasks
    )
    return tuple(sorted(rows, key=lambda row: row.task))


def canonical_data(value: object) -> str:
    """The data of a task as the text of WHOLE_TASK."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _annotation(item: Mapping[str, Any], keep_results: bool) -> Annotation:
    id_, updated_at = item.get("id"), item.get("updated_at")
    if not isinstance(id_, int) or not isinstance(updated_at, str):
        raise RowError("an annotation without id or updated_at: read tasks with these fields included")
    try:
        changed = parse_time(updated_at)
    except ValueError:
        raise RowError(f"annotation {id_} has no time in updated_at") from None
    results = item.get("result")
    choices: dict[str, list[Path]] = {}
    origins: list[Origin | None] = []
    others = 0
    for result in results if isinstance(results, list) else []:
        paths = _paths(result)
        if paths is None:
            others += 1
            continue
        choices.setdefault(result["from_name"], []).extend(paths)
        origins.append(ORIGINS.get(str(result.get("origin"))))
    return Annotation(
        id=id_,
        updated_at=changed,
        was_cancelled=item.get("was_cancelled") is True,
        ground_truth=item.get("ground_truth") is True,
        completed_by=_person(item.get("completed_by")),
        origin=_origin(origins, from_prediction=item.get("parent_prediction") is not None),
        choices={name: tuple(dict.fromkeys(paths)) for name, paths in choices.items()},
        others=others,
        results=_kept(results) if keep_results else (),
    )


def _kept(results: object) -> tuple[Mapping[str, Any], ...]:
    found = [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []
    return tuple({key: value for key, value in result.items() if key in RESULT_KEYS} for result in found)


def _paths(result: object) -> list[Path] | None:
    """Selected paths of a label of the whole text; None for any other result."""
    if not isinstance(result, dict) or "item_index" in result:
        return None
    control_type, value = BY_RESULT_TYPE.get(str(result.get("type"))), result.get("value")
    if control_type is None or not isinstance(result.get("from_name"), str) or not isinstance(value, dict):
        return None
    return None if any(key in value for key in OF_A_PART) else control_type.read(value)


def _origin(origins: list[Origin | None], *, from_prediction: bool) -> Origin:
    """`prediction`: all of it accepted unchanged, or made from predictions in bulk (no origin, but a parent)."""
    known = {"prediction" if origin is None and from_prediction else origin for origin in origins}
    if known == {"prediction"}:
        return "prediction"
    return "prediction-changed" if known & {"prediction", "prediction-changed"} else "manual"


def _person(value: object) -> int | None:
    identifier = value.get("id") if isinstance(value, dict) else value
    return identifier if isinstance(identifier, int) else None
