"""Golden predictions: what a model answered to texts of our own making when it was trained, kept next to it.

A new base image may bring other libraries; the model's layer may stand on it without a new training only when the
answers are the same there. The file holds label names and texts of ours, never a text of a task.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labelloop.prediction.predictor import Predictor
from labelloop.prediction.self_check import GOLDEN_TEXTS, schema_of_labels

GOLDEN_FILE = "golden.json"
FORMAT = 1
TOLERANCE = 1e-5
"""Of scores. Machines of one architecture differ by some 1e-7; a changed library by far more when it matters."""
LABELS_USED = 20
MAX_BYTES = 2 * 2**20


class GoldenFileError(ValueError):
    """`golden.json` cannot be used; the message says why."""


def write_golden(directory: Path, predictor: Predictor) -> None:
    """Ask the model for its golden predictions and write them into its directory; deterministic bytes.

    Whatever a model raises on texts of ours is raised.
    """
    texts = golden_texts(predictor.labels)
    document = {
        "format": FORMAT,
        "labels": {name: list(labels) for name, labels in predictor.labels.items()},
        "texts": texts,
        "answers": _answers(predictor, texts, predictor.labels),
    }
    content = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    (directory / GOLDEN_FILE).write_bytes(content.encode("utf-8", "surrogatepass"))


def golden_texts(labels: Mapping[str, Sequence[str]]) -> list[str]:
    """Texts for a model with these labels: those every model gets, and some of its own labels' names."""
    names = dict.fromkeys(name for classes in labels.values() for name in classes)
    return [*GOLDEN_TEXTS, *list(names)[:LABELS_USED]]


def compare_golden(directory: Path, predictor: Predictor) -> tuple[int, str | None]:
    """How many golden predictions were compared (0: the model has none), and how the answers differ, if they do.

    Raises GoldenFileError, and whatever the model raises.
    """
    path = directory / GOLDEN_FILE
    if not path.exists():
        return 0, None
    labels, texts, expected = _read(path)
    found = _answers(predictor, texts, labels)
    for number, (before, now) in enumerate(zip(expected, found, strict=True), 1):
        if not _same(before, now):
            return (
                len(texts),
                (
                    f"golden prediction {number} of {len(texts)} was {_describe_answer(before)} and is "
                    f"{_describe_answer(now)}"
                ),
            )
    return len(texts), None


def _read(path: Path) -> tuple[dict[str, tuple[str, ...]], list[str], list[Any]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GoldenFileError(f"{path.name} is larger than {MAX_BYTES} bytes")
        document = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        if document["format"] != FORMAT:
            raise GoldenFileError(f"{path.name} has the format {document['format']!r:.50}, known is {FORMAT}")
        labels = {str(name): tuple(map(str, classes)) for name, classes in document["labels"].items()}
        texts, answers = list(map(str, document["texts"])), list(document["answers"])
    except GoldenFileError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise GoldenFileError(f"{path.name} cannot be read ({type(error).__name__})") from None
    if len(texts) != len(answers) or not texts:
        raise GoldenFileError(f"{path.name} holds {len(answers)} answers to {len(texts)} texts")
    return labels, texts, answers


def _answers(predictor: Predictor, texts: Sequence[str], labels: Mapping[str, tuple[str, ...]]) -> list[Any]:
    """What a prediction says, without what names it (ids, version)."""
    entries = predictor.predict([{"data": {"text": text}} for text in texts], schema_of_labels(labels))
    return [
        [{name: region.get(name) for name in ("from_name", "value", "score")} for region in entry.get("result", [])]
        for entry in entries
    ]


def _same(before: object, now: object) -> bool:
    if isinstance(before, int | float) and isinstance(now, int | float):
        return math.isclose(before, now, rel_tol=0.0, abs_tol=TOLERANCE)
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return before.keys() == now.keys() and all(_same(value, now[key]) for key, value in before.items())
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_same, before, now))
    return before == now


def _describe_answer(answer: object) -> str:
    """Label names and scores, for people."""
    return json.dumps(answer, ensure_ascii=False)[:200]
