"""What to write and what to remove. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from labelloop.label_studio import StoredVersion, Task
from labelloop.label_studio.prelabeling import is_own
from labelloop.prediction.predictor import Entry

Prediction = Mapping[str, object]


def predictions_of(tasks: Sequence[Task], entries: Sequence[Entry]) -> list[Prediction]:
    """As Label Studio imports them, for the tasks that have a result; `entries` are the answers in the same order."""
    return [{"task": task.id, **entry} for task, entry in zip(tasks, entries, strict=True) if entry.get("result")]


def still_there(predictions: Iterable[Prediction], present: Iterable[int]) -> list[Prediction]:
    """Those whose task is among the ids in `present`."""
    there = set(present)
    return [prediction for prediction in predictions if prediction["task"] in there]


def versions_to_remove(stored: Iterable[StoredVersion], new: str, keep: int, selected: str) -> list[str]:
    """Versions of Labelloop but the `keep` newest, oldest first.

    `new` counts as the newest. The previous version stays by default: a task that an annotator has open refers to its
    prediction, and Label Studio refuses a Submit whose prediction is gone. `selected`, which the project shows, stays.
    """
    others = [version for version in stored if version.name != new and is_own(version.name)]
    newest_first = sorted(others, key=lambda version: (version.latest, version.name), reverse=True)
    return [version.name for version in reversed(newest_first[keep - 1 :]) if version.name != selected]
