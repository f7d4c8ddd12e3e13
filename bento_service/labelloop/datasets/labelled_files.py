"""Labelled texts from files, read as tasks, so that all else is as with a project of Label Studio."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from labelloop.datasets.exports import annotation, choice, from_short_form, is_short_form, tasks_of
from labelloop.datasets.tables import Table, table_of_csv, table_of_records
from labelloop.datasets.text_file import JSON_LINES, TABLES, DataFileError, read_text
from labelloop.label_config.controls import BY_RESULT_TYPE
from labelloop.label_config.controls.base import Path as StoredPath
from labelloop.label_config.controls.choices import Choices
from labelloop.label_config.schema import TEXT_SCOPE, LabelConfigError, Schema, Scope, parse_label_config
from labelloop.label_studio.task_api import Task


@dataclass(frozen=True)
class Columns:
    """Where a table holds what."""

    text: str = "text"
    label: str = "label"


@dataclass(frozen=True)
class LabelledFile:
    """Tasks and the labelling configuration they belong to."""

    tasks: Sequence[Task] = field(repr=False)
    schema: Schema


def read_labelled(
    path: Path,
    *,
    columns: Columns | None = None,
    encoding: str | None = None,
    label_config: str | None = None,
    control: str = "label",
    scope: Scope = TEXT_SCOPE,
) -> LabelledFile:
    """Read labelled texts of a file. Without `label_config` one is made from the labels that occur.

    `columns` and `control` (name of the control that the labels of a table belong to) matter for tables only; `scope`
    is what the model reads. Raises DataFileError.
    """
    try:
        schema = parse_label_config(label_config, scope) if label_config else None
        found = _read(path, encoding, schema)
        if isinstance(found, Table):
            return _from_table(found, columns or Columns(), schema, control, scope)
        return LabelledFile(found, schema or parse_label_config(_config_of(path, found), scope))
    except LabelConfigError as error:
        raise DataFileError(f"{path}: {error}") from None


def read_texts(path: Path, columns: Columns | None = None, encoding: str | None = None) -> tuple[Table, list[str]]:
    """All columns of a file, and its texts; the columns of a task are its id and its data. Raises DataFileError."""
    found = _read(path, encoding)
    if isinstance(found, Table):
        return found, found.column((columns or Columns()).text, "--text-column")
    table = table_of_records(path, [{"id": task.id, **_written(task.data)} for task in found])
    wanted = (columns or Columns()).text
    key = wanted if wanted in table.columns else _text_key(found)
    if key is None:
        raise DataFileError(f"{path} does not show which data key holds the text: name it with --text-column")
    return table, table.column(key, "--text-column")


def _read(path: Path, encoding: str | None, schema: Schema | None = None) -> Table | list[Task]:
    text = read_text(path, encoding)
    if path.suffix.lower() in TABLES:
        return table_of_csv(path, text)
    items = _items(path, text)
    if all("data" in item for item in items):
        return tasks_of(path, items)
    return tasks_of(path, from_short_form(items, schema)) if is_short_form(items) else table_of_records(path, items)


def _items(path: Path, text: str) -> list[Mapping[str, Any]]:
    """The objects of a JSON list, or of JSON Lines. Raises DataFileError."""
    if path.suffix.lower() in JSON_LINES:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        items: object = [_parsed(path, line, f"line {number} ") for number, line in lines]
    else:
        items = _parsed(path, text, "")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise DataFileError(f"{path} is no list of tasks or records: export the project from Label Studio as JSON")
    return items


def _parsed(path: Path, text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        remedy = "write one JSON object a line" if where else "export the project from Label Studio as JSON"
        raise DataFileError(f"{path}: {where}is no JSON ({error}): {remedy}") from None


def _written(data: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in data.items()
    }


def _from_table(table: Table, columns: Columns, schema: Schema | None, control: str, scope: Scope) -> LabelledFile:
    texts = table.column(columns.text, "--text-column")
    labels = [label.strip() for label in table.column(columns.label, "--label-column")]
    if not any(labels):
        raise DataFileError(f"{table.path}: column {columns.label!r} is empty in all {len(labels)} rows: give labels")
    if schema is None:
        tag = Choices().to_xml(control, "text", [[(label,)] for label in labels if label])
        schema = parse_label_config(_config("text", "text", tag), scope)
    chosen = schema.controls[0]
    tasks = []
    for number, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
        task = Task(number, {chosen.data_key: text})
        if label:
            task.annotations.append(annotation(number, [choice(chosen.name, chosen.object_name, [label])]))
        tasks.append(task)
    return LabelledFile(tasks, schema)


def _config_of(path: Path, tasks: Sequence[Task]) -> str:
    """A labelling configuration with the first control that occurs, and the labels that occur."""
    found: dict[tuple[str, str, str], list[Sequence[StoredPath]]] = {}
    for task in tasks:
        for one in task.annotations:
            for result in one["result"]:
                if (kind := str(result.get("type"))) in BY_RESULT_TYPE:
                    place = (kind, str(result.get("from_name")), str(result.get("to_name")))
                    found.setdefault(place, []).append(BY_RESULT_TYPE[kind].read(result["value"]) or ())
    key = _text_key(tasks)
    if not found or key is None:
        what = "which data key holds the text" if found else "which control the labels belong to"
        raise DataFileError(f"{path} does not show {what}: give the labelling configuration with --label-config")
    (kind, control, to_name), selections = next(iter(found.items()))
    return _config(to_name, key, BY_RESULT_TYPE[kind].to_xml(control, to_name, selections))


def _text_key(tasks: Sequence[Task]) -> str | None:
    """`text`, else the only key of a task that holds text."""
    for task in tasks:
        texts = [name for name, value in task.data.items() if isinstance(value, str)]
        if "text" in texts or len(texts) == 1:
            return "text" if "text" in texts else texts[0]
    return None


def _config(to_name: str, key: str, control: str) -> str:
    return f"<View><Text name={quoteattr(to_name)} value={quoteattr('$' + key)}/>{control}</View>"
