"""What local mode remembers of a project: one JSON document, so that version, cut and history change together."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from labelloop.counting.updates import Cut
from labelloop.label_studio.responses import format_time, parse_time

FORMAT = 1
MAX_HISTORY = 200


class StateError(ValueError):
    """The document is damaged or of another format."""


@dataclass(frozen=True)
class Promoted:
    """A version that was promoted, newest last in the history."""

    version: str
    at: str
    """RFC 3339."""
    metrics: Mapping[str, object] = field(default_factory=dict)
    dataset_digest: str | None = None


@dataclass(frozen=True)
class Last:
    """How the newest training ended; `attempt` tells the trainer whether its child came to an end."""

    attempt: str
    outcome: str
    reason: str
    message: str
    at: str


@dataclass(frozen=True)
class ProjectState:
    """Of one project; the defaults are a project nobody trained yet."""

    key: str | None = None
    """`<id>.<unix time of creation>`: tells the project from another with the same number."""
    current: str | None = None
    """Version that serves; None: cold start."""
    since: str | None = None
    """When it began to serve, RFC 3339."""
    cut: Cut = field(default_factory=Cut)
    repeat_edits: int = 0
    failures: int = 0
    """Trainings in a row that failed for a technical reason."""
    not_before: datetime | None = None
    handled_request: str | None = None
    last: Last | None = None
    history: tuple[Promoted, ...] = ()
    predicted: str | None = None
    """Version whose predictions are stored in Label Studio."""

    def to_json(self) -> bytes:
        """One document; what is not known is null."""
        document = {"format": FORMAT, **asdict(self)}
        document["cut"] = {"updated_at": _written(self.cut.updated_at), "size": self.cut.size}
        document["not_before"] = _written(self.not_before)
        return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> "ProjectState":
        """Raises StateError."""
        try:
            document = json.loads(content)
            if document["format"] != FORMAT:
                raise StateError(f"format is {str(document['format'])[:20]}, known is {FORMAT}")
            return _read(document)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StateError(f"cannot be read ({type(error).__name__}: {error})") from None

    def promoted(self, entry: Promoted) -> "ProjectState":
        """`entry` serves from now on."""
        history = (*(known for known in self.history if known.version != entry.version), entry)
        return replace(self, current=entry.version, since=entry.at, history=history[-MAX_HISTORY:])

    def consumed(self, cut: Cut) -> "ProjectState":
        """A training has used the updates up to `cut`."""
        return replace(self, cut=cut, repeat_edits=0, failures=0, not_before=None)


def _read(document: dict[str, Any]) -> ProjectState:
    last = document["last"]
    return ProjectState(
        key=document["key"],
        current=document["current"],
        since=document.get("since"),
        cut=Cut(_moment(document["cut"]["updated_at"]), int(document["cut"]["size"])),
        repeat_edits=int(document["repeat_edits"]),
        failures=int(document["failures"]),
        not_before=_moment(document["not_before"]),
        handled_request=document["handled_request"],
        last=None if last is None else Last(**last),
        history=tuple(Promoted(**entry) for entry in document["history"]),
        predicted=document.get("predicted"),
    )


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
