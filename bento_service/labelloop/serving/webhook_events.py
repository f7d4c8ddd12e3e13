"""What a webhook of Label Studio tells us: an action, and ids and times of annotations. Texts are left behind here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from labelloop.label_studio.responses import parse_time

START_TRAINING = "START_TRAINING"
ACTIONS = frozenset(
    {
        START_TRAINING,
        "ANNOTATION_CREATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATION_DELETED",
        "ANNOTATIONS_DELETED",
        "TASKS_CREATED",
        "TASKS_DELETED",
        "PROJECT_UPDATED",
    }
)
MAX_ANNOTATIONS = 1000
MAX_TIME_CHARACTERS = 40


@dataclass(frozen=True)
class AnnotationTime:
    """An annotation and when it was last changed (RFC 3339), when the event tells."""

    id: int
    updated_at: str | None


@dataclass(frozen=True)
class Event:
    """One webhook call."""

    action: str
    annotations: tuple[AnnotationTime, ...]
    project: str | None = None
    """`<id>.<unix time of creation>`, as in `/setup` and `/predict`; None when the event does not tell."""


def read_event(payload: object) -> Event | str:
    """The event in a webhook's body, or why it is none of our business.

    Anything may stand in the body: Label Studio leaves out the payload when asked to, other tools post what they like.
    At most MAX_ANNOTATIONS are passed on; a hint needs no more.
    """
    if not isinstance(payload, dict):
        return "the body is not an object"
    action = payload.get("action")
    if not isinstance(action, str):
        return "action is missing or not a text"
    if action not in ACTIONS:
        return "the action is not one that changes annotations, tasks or the project"
    if action == START_TRAINING:
        return Event(action, (), _project(payload.get("project")))
    return Event(action, tuple(_annotation_times(payload)), _project(payload.get("project")))


def _project(value: object) -> str | None:
    number = value.get("id") if isinstance(value, dict) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 63:
        return None
    created = _time(value.get("created_at")) if isinstance(value, dict) else None
    try:
        return str(number) if created is None else f"{number}.{int(parse_time(created).timestamp())}"
    except OverflowError:  # a time at the end of the calendar
        return str(number)


def _annotation_times(payload: dict[object, object]) -> Iterable[AnnotationTime]:
    found: dict[int, AnnotationTime] = {}
    # Bulk events carry a list, deletions the key `annotations`.
    for value in (payload.get("annotation"), payload.get("annotations")):
        for item in value if isinstance(value, list) else [value]:
            if len(found) == MAX_ANNOTATIONS:
                break
            annotation = _annotation_time(item)
            if annotation is not None:
                found[annotation.id] = annotation
    return found.values()


def _annotation_time(item: object) -> AnnotationTime | None:
    if not isinstance(item, dict):
        return None
    number = item.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 1 << 63:
        return None
    return AnnotationTime(number, _time(item.get("updated_at")))


def _time(value: object) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_TIME_CHARACTERS:
        return None
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return None
    return value
