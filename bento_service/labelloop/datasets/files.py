"""Labelled texts from files: CSV tables, and Label Studio's JSON export; read as tasks, so all else is the same."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from labelloop.datasets.rows import RowError
from labelloop.label_config import TEXT_SCOPE, LabelConfigError, Schema, Scope, parse_label_config
from labelloop.label_studio.task_api import Task

FILE_TIME = "2000-01-01T00:00:00.000000Z"
"""Of annotations that have no time of their own: the same file must give the same version."""


class DataFileError(ValueError):
    """A file cannot be used; the message names it, what is wrong and the remedy."""


@dataclass(frozen=True)
class LabelledFile:
    """Tasks and the labelling configuration they belong to."""

    tasks: Sequence[Task] = field(repr=False)
    schema: Schema


def read_labelled(
    path: Path,
    *,
    text_column: str = "text",
    label_column: str = "label",
    label_config: str | None = None,
    control: str = "label",
    scope: Scope = TEXT_SCOPE,
) -> LabelledFile:
    """Read `.csv`, `.tsv` or `.json`. Without `label_config` one is made from the labels that occur.

    The columns and `control` (name of the control that the labels of a table belong to) matter for tables only;
    `scope` is what the model reads.
    Raises DataFileError.
    """
    try:
        if path.suffix.lower() == ".json":
            return _read_export(path, label_config, scope)
        if path.suffix.lower() in (".csv", ".tsv"):
            return _read_table(path, text_column, label_column, label_config, control, scope)
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(f"{path} is no UTF-8 table ({error}): save it as CSV in UTF-8") from None
    except (LabelConfigError, RowError) as error:
        raise DataFileError(f"{path}: {error}") from None
    raise DataFileError(f"{path} is neither .csv, .tsv nor .json (Label Studio's JSON export)")


def read_texts(path: Path, text_column: str = "text") -> list[str]:
    """One column of a table. Raises DataFileError."""
    try:
        return [text for (text,) in _columns(path, text_column)]
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(f"{path} is no UTF-8 table ({error}): save it as CSV in UTF-8") from None


def _read_table(
    path: Path, text_column: str, label_column: str, label_config: str | None, control: str, scope: Scope
) -> LabelledFile:
    pairs = [(text, label.strip()) for text, label in _columns(path, text_column, label_column)]
    if label_config is None:
        label_config = _config(control, "text", "text", _distinct(label for _, label in pairs if label), multiple=False)
    schema = parse_label_config(label_config, scope)
    chosen = schema.controls[0]
    tasks = [
        _table_task(number, text, label, chosen.name, chosen.object_name, chosen.data_key)
        for number, (text, label) in enumerate(pairs, start=1)
    ]
    return LabelledFile(tasks, schema)


def _columns(path: Path, *wanted: str) -> list[list[str]]:
    """The wanted columns of each row; what is missing at the end of a row is empty."""
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        columns = reader.fieldnames or []
        for column in wanted:
            if column not in columns:
                told = ", ".join(columns) or "none"
                raise DataFileError(
                    f"{path} has no column {column!r} (columns: {told}): name it with --text-column or --label-column"
                )
        return [[row[column] or "" for column in wanted] for row in reader]


def _table_task(number: int, text: str, label: str, control: str, to_name: str, key: str) -> Task:
    result = {"from_name": control, "to_name": to_name, "type": "choices", "value": {"choices": [label]}}
    return Task(number, {key: text}, [_annotation(number, [result])] if label else [])


def _annotation(number: int, result: list[Any]) -> dict[str, Any]:
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


def _read_export(path: Path, label_config: str | None, scope: Scope) -> LabelledFile:
    try:
        items = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataFileError(f"{path} is no JSON ({error}): export the project from Label Studio as JSON") from None
    if not isinstance(items, list) or not all(isinstance(item, dict) and "data" in item for item in items):
        raise DataFileError(f"{path} is no list of tasks: export the project from Label Studio as JSON (not JSON-MIN)")
    tasks = [_export_task(number, item) for number, item in enumerate(items, start=1)]
    return LabelledFile(tasks, parse_label_config(label_config or _config_of(path, tasks), scope))


def _export_task(number: int, item: Mapping[str, Any]) -> Task:
    annotations: list[Mapping[str, Any]] = [
        {**_annotation(number, []), **annotation}
        for annotation in item.get("annotations") or []
        if isinstance(annotation, dict)
    ]
    data = item["data"] if isinstance(item["data"], dict) else {}
    return Task(item["id"] if isinstance(item.get("id"), int) else number, data, annotations)


def _config_of(path: Path, tasks: Iterable[Task]) -> str:
    """A labelling configuration with the first control that occurs, and the labels that occur."""
    found: dict[tuple[str, str], list[list[str]]] = {}
    key: str | None = None
    for task in tasks:
        texts = [name for name, value in task.data.items() if isinstance(value, str)]
        key = key or ("text" if "text" in texts else texts[0] if len(texts) == 1 else None)
        for annotation in task.annotations:
            for result in annotation.get("result") or []:
                if isinstance(result, dict) and result.get("type") == "choices":
                    names = result.get("value", {}).get("choices") or []
                    place = (str(result.get("from_name")), str(result.get("to_name")))
                    found.setdefault(place, []).append([name for name in names if isinstance(name, str)])
    if not found or key is None:
        what = "which data key holds the text" if found else "which control the labels belong to"
        raise DataFileError(f"{path} does not tell {what}: give the labelling configuration with --label-config")
    (control, to_name), chosen = next(iter(found.items()))
    multiple = any(len(names) > 1 for names in chosen)
    return _config(control, to_name, key, _distinct(name for names in chosen for name in names), multiple=multiple)


def _config(control: str, to_name: str, key: str, labels: Sequence[str], *, multiple: bool) -> str:
    kind = "multiple" if multiple else "single"
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        f"<View><Text name={quoteattr(to_name)} value={quoteattr('$' + key)}/>"
        f'<Choices name={quoteattr(control)} toName={quoteattr(to_name)} choice="{kind}">'
        f"{choices}</Choices></View>"
    )


def _distinct(labels: Iterable[str]) -> list[str]:
    return sorted(set(labels))
