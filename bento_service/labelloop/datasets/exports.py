"""Tasks of Label Studio's exports: JSON (tasks with annotations) and JSON-MIN (one record an annotation), checked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from labelloop.datasets.rows import MAX_ID
from labelloop.datasets.text_file import DataFileError
from labelloop.json_values import as_list
from labelloop.label_config.controls import BY_RESULT_TYPE
from labelloop.label_config.schema import Schema
from labelloop.label_studio.responses import parse_time
from labelloop.label_studio.task_api import Task

FILE_TIME = "2000-01-01T00:00:00.000000Z"
"""Of annotations that have no time of their own: the same file must give the same version."""
_AFTER_CONTROLS = ("annotator", "annotation_id")
_ID_REMEDY = f"use a whole number from 1 to {MAX_ID}, or leave it out"


def annotation(number: int, result: list[Any]) -> dict[str, Any]:
    """An annotation as Label Studio exports it."""
    return {
        "id": number,
        "created_at": FILE_TIME,
        "updated_at": FILE_TIME,
        "was_cancelled": False,
        "ground_truth": False,
        "completed_by": None,
        "parent_prediction": None,
        "result": result,
    }


def choice(control: str, to_name: str, labels: Sequence[object]) -> dict[str, Any]:
    """A result of a choice."""
    return {"from_name": control, "to_name": to_name, "type": "choices", "value": {"choices": list(labels)}}


def is_short_form(items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the items are records of a JSON-MIN export."""
    return all({"id", "annotation_id"} <= item.keys() and "data" not in item for item in items)


def from_short_form(records: Sequence[Mapping[str, Any]], schema: Schema | None = None) -> list[dict[str, Any]]:
    """The tasks of JSON-MIN records, which hold data, `id`, the controls, then `annotator` and so on, in this order.

    `schema`: what is known of the controls.
    """
    tasks: dict[tuple[str, str], dict[str, Any]] = {}
    known = {control.name: control.nested for control in schema.controls} if schema else {}
    with_paths = {name for name in _short_controls(records) if known.get(name, _holds_paths(records, name))}
    for record in records:
        data = {name: record[name] for name in list(record)[: list(record).index("id")]}
        item = tasks.setdefault(
            (str(record["id"]), json.dumps(data, sort_keys=True)), {"id": record["id"], "data": data}
        )
        results = [
            result for name in _short_controls([record]) for result in _results(name, record[name], name in with_paths)
        ]
        made = {"id": record["annotation_id"], "completed_by": record.get("annotator"), "result": results}
        times = {"updated_at": record["updated_at"]} if record.get("updated_at") else {}
        item.setdefault("annotations", []).append(made | times)
    return list(tasks.values())


def _short_controls(records: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    """Names of the controls with results, each once."""
    found: dict[str, None] = {}
    for record in records:
        names = list(record)
        after = min(names.index(name) for name in _AFTER_CONTROLS if name in names)
        found |= dict.fromkeys(name for name in names[names.index("id") + 1 : after] if record[name])
    return found


def _holds_paths(records: Sequence[Mapping[str, Any]], control: str) -> bool:
    """Whether lists stand for paths of nested choices: without nesting a single label is plain text."""
    values = [record.get(control) for record in records]
    listed = [as_list(value.get("choices")) for value in values if isinstance(value, dict)]
    return not any(isinstance(item, str) for items in (values, *listed) for item in items)


def _results(control: str, written: object, has_paths: bool) -> Iterator[dict[str, Any]]:
    """Results of one control: a list of their values, or without that what is selected in a single `<Choices>`."""
    items = written if isinstance(written, list) and any(isinstance(item, dict) for item in written) else [written]
    for item in items:
        if isinstance(item, dict):
            kind = next((name for name in item if name in BY_RESULT_TYPE), "")
            yield {"from_name": control, "to_name": "text", "type": kind, "value": item}
        else:
            yield choice(control, "text", item if isinstance(item, list) and not has_paths else [item])


def tasks_of(path: Path, items: Sequence[Mapping[str, Any]]) -> list[Task]:
    """The tasks of a JSON export, also of several put together: no id is there twice. Raises DataFileError."""
    checked = [_Item(path, number, item).task() for number, item in enumerate(items, start=1)]
    return _merged([(task, has_id) for task, has_id in checked])


class _Item:
    """One task of an export, read field by field."""

    def __init__(self, path: Path, number: int, item: Mapping[str, Any]) -> None:
        self._path = path
        self._number = number
        self._item = item

    def task(self) -> tuple[Task, bool]:
        """The task, and whether it has an id of its own."""
        item = self._item
        has_id = item.get("id") is not None
        task_id = self._id("id", item["id"]) if has_id else self._number
        if not isinstance(item["data"], dict):
            self._refuse("data", item["data"], "give an object with the text of the task")
        found = self._list("annotations", item.get("annotations"), "give a list of annotations")
        made = [self._annotation(f"annotations[{place}]", one) for place, one in enumerate(found, start=1)]
        known = {one["id"] for one in made}
        free = (number for number in count(self._number) if number not in known)
        return Task(task_id, item["data"], [one if one["id"] else {**one, "id": next(free)} for one in made]), has_id

    def _annotation(self, where: str, found: object) -> dict[str, Any]:
        """With the id None when it has none."""
        if not isinstance(found, dict):
            self._refuse(where, found, "give an object with id and result")
        made = {**annotation(0, []), **{name: value for name, value in found.items() if value is not None}}
        made["id"] = self._id(f"{where}.id", found["id"]) if found.get("id") is not None else None
        try:
            parse_time(made["updated_at"])
        except (ValueError, TypeError, AttributeError):
            self._refuse(
                f"{where}.updated_at", made["updated_at"], "give a time such as 2026-11-22T06:00:00Z, or leave it out"
            )
        results = self._list(f"{where}.result", made["result"], "give a list of results")
        for number, result in enumerate(results, start=1):
            self._check_result(f"{where}.result[{number}]", result)
        return made

    def _check_result(self, where: str, result: object) -> None:
        if not isinstance(result, dict):
            self._refuse(where, result, "give an object with from_name, to_name, type and value")
        control_type, value = BY_RESULT_TYPE.get(str(result.get("type"))), result.get("value")
        if control_type is None:
            return
        if not isinstance(value, dict):
            self._refuse(f"{where}.value", value, f"give an object such as {control_type.example}")
        key = control_type.result_type
        if key in value and control_type.read(value) is None:
            self._refuse(f"{where}.value.{key}", value[key], control_type.remedy)

    def _id(self, where: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_ID:
            self._refuse(where, value, _ID_REMEDY)
        return value

    def _list(self, where: str, value: object, remedy: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._refuse(where, value, remedy)
        return value

    def _refuse(self, where: str, value: object, remedy: str) -> NoReturn:
        raise DataFileError(f"{self._path}: task {self._number}: {where} is {value!r:.60}: {remedy}")


def _merged(tasks: Sequence[tuple[Task, bool]]) -> list[Task]:
    """Each id once: the same task exported twice is one task, another task of the same id gets a free id."""
    taken = {task.id for task, has_id in tasks if has_id}
    free = (number for number in count(1) if number not in taken)
    found: dict[int, Task] = {}
    others: list[Task] = []
    for task, has_id in tasks:
        before = found.get(task.id) if has_id else None
        if not has_id or (before is not None and before.data != task.data):
            others.append(task)
        elif before is None:
            found[task.id] = task
        else:
            found[task.id] = Task(task.id, task.data, [*before.annotations, *task.annotations])
    renumbered = [Task(next(free), task.data, task.annotations) for task in others]
    return [Task(task.id, task.data, _distinct(task.annotations)) for task in (*found.values(), *renumbered)]


def _distinct(annotations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The newest of each annotation, which may come twice; those of different people are different ones."""
    newest: dict[str, Mapping[str, Any]] = {}
    for one in annotations:
        key = f"{one['id']} {one['completed_by']}"
        before = newest.get(key)
        if before is None or parse_time(one["updated_at"]) >= parse_time(before["updated_at"]):
            newest[key] = one
    return list(newest.values())
