"""The outcome of a training: `result.json`, the termination message (docs/internals/interfaces.md 2.3)."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from labelloop.counting.updates import Cut
from labelloop.environment import Environment
from labelloop.label_studio.responses import format_time, parse_time
from labelloop.metrics import HEADLINE

FORMAT = 1
TERMINATION_BYTES = 4096
"""What the kubelet keeps of a termination message."""
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
_LONGEST_MESSAGE = 1000

Outcome = Literal["Trained", "Refused", "Unchanged", "NotEnoughData", "Rebased", "NeedsTraining", "Predicted", "Failed"]
"""Of a training, (Rebased, NeedsTraining) of a rebase, and (Predicted) of a batch prediction."""


class ResultError(ValueError):
    """A result file is missing, damaged or of another format."""


@dataclass(frozen=True)
class Result:
    """What became of a training. Everything after `message` is known only as far as the training came."""

    outcome: Outcome
    reason: str
    message: str
    version: str | None = None
    dataset_digest: str | None = None
    label_config_sha256: str | None = None
    labels: tuple[str, ...] = ()
    cut: Cut | None = None
    metrics: Mapping[str, object] = field(default_factory=dict)
    gate: Mapping[str, object] = field(default_factory=dict)
    """What the comparison with the active model found: `accepted`, `reason`, `message`, `figures`."""
    counts: Mapping[str, int] = field(default_factory=dict)
    removed_labels: tuple[str, ...] = ()
    read: Mapping[str, object] = field(default_factory=dict)
    """How the annotations were read: `mode` (incremental or full), `why`, `tasks` (fetched with their texts)."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    image: str | None = None
    """`repository@sha256:...`, once pushed."""
    snapshot: str | None = None
    """`repository/snapshot@sha256:...`, once pushed."""
    project: int | None = None
    """Whose annotations these were: a model found in a registry must not serve another project."""
    base_image: str | None = None
    """What a published image says it stands on; only when it is read from there."""
    written: int | None = None
    """Predictions that a batch prediction has written to Label Studio."""
    removed: int | None = None
    """Predictions of older versions that it has removed."""
    tasks: int | None = None
    """Tasks in its scope."""

    @classmethod
    def failed(cls, reason: str, message: str) -> "Result":
        """A technical failure; `reason` is one of docs/internals/interfaces.md 2.3."""
        return cls("Failed", reason, message)

    @property
    def exit_code(self) -> int:
        """1 for a technical failure; a user's problem is a result, not a crash."""
        return 1 if self.outcome == "Failed" else 0

    def to_json(self) -> str:
        """One compact line; what is not known is left out."""
        return json.dumps(self._document(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Result":
        """Read what `to_json` gave, also shortened; unknown keys are ignored. Raises ResultError."""
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or document.get("format") != FORMAT:
                raise ResultError(f"the result is not of format {FORMAT}")
            if document.get("outcome") not in get_args(Outcome):
                raise ResultError(f"the result's outcome is {document.get('outcome')!r:.50}")
            json.dumps(document, allow_nan=False)  # NaN and 1e999 can be read, and stand nowhere else
            return cls(**_arguments(document))
        except ResultError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ResultError(f"the result cannot be read: {error}") from None

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"format": FORMAT}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "cut" and value is not None:
                document["cut"] = {"updated_at": value.updated_at and format_time(value.updated_at), "size": value.size}
            elif value not in (None, (), {}):
                document[item.name] = value
        return document


def write_result(result: Result, path: Path) -> None:
    """Write `result.json`, one line, with its folder when that is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encode(result) + b"\n")


def read_result(path: Path) -> Result:
    """Read `result.json`; raises ResultError naming the file."""
    try:
        return Result.from_json(path.read_bytes())
    except OSError as error:
        raise ResultError(f"{path}: cannot be read ({error.strerror})") from None
    except ResultError as error:
        raise ResultError(f"{path}: {error}") from None


def termination_message(result: Result) -> bytes:
    """The result in at most 4,096 bytes: left out are per-class metrics, then the labels' tail, then the message's."""
    shortened = replace(result, message=result.message[:_LONGEST_MESSAGE])
    encoded = _encode(shortened)
    if len(encoded) <= TERMINATION_BYTES:
        return encoded
    headline = {name: result.metrics[name] for name in HEADLINE if name in result.metrics}
    shortened = replace(shortened, metrics=headline)
    for name in ("labels", "removed_labels"):
        shortened = _without_tail(shortened, name)
    while len(encoded := _encode(shortened)) > TERMINATION_BYTES and shortened.message:
        shortened = replace(shortened, message=shortened.message[: len(shortened.message) // 2])
    return encoded


def write_termination_message(result: Result, variables: Mapping[str, str] | None = None) -> None:
    """Leave the result where the kubelet looks; outside a pod there is no such place, and then it is only reported."""
    path = Environment(variables).path("LABELLOOP_TERMINATION_LOG", DEFAULT_TERMINATION_LOG)
    try:
        # Written in place: the kubelet mounts this very file, so it cannot be replaced by another.
        path.write_bytes(termination_message(result))
    except OSError as error:
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            sys.stderr.write(f"{path}: the termination message cannot be written ({error.strerror})\n")


def _encode(result: Result) -> bytes:
    return result.to_json().encode("utf-8", "replace")


def _without_tail(result: Result, name: Literal["labels", "removed_labels"]) -> Result:
    """As many of the names as fit, by bisection."""
    names: tuple[str, ...] = getattr(result, name)
    low, high = 0, len(names)
    while low < high:
        middle = (low + high + 1) // 2
        if len(_encode(_replaced(result, name, names[:middle]))) <= TERMINATION_BYTES:
            low = middle
        else:
            high = middle - 1
    return _replaced(result, name, names[:low])


def _replaced(result: Result, name: Literal["labels", "removed_labels"], names: tuple[str, ...]) -> Result:
    return replace(result, labels=names) if name == "labels" else replace(result, removed_labels=names)


def _arguments(document: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {item.name: document[item.name] for item in fields(Result) if item.name in document}
    for name in ("labels", "removed_labels"):
        if name in arguments:
            arguments[name] = tuple(arguments[name])
    if "cut" in arguments:
        cut = arguments["cut"]
        moment = cut["updated_at"]
        arguments["cut"] = Cut(None if moment is None else parse_time(moment), int(cut["size"]))
    return arguments
