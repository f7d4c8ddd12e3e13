"""The header of a snapshot: whose rows these are, how far they reach, where each shard lies."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, TypeVar

from labelloop.counting.updates import Cut
from labelloop.datasets.shards import MAX_TASK, Shard
from labelloop.label_studio.responses import format_time, parse_time

FORMAT = 2
T = TypeVar("T")


class HeaderError(ValueError):
    """The header cannot be used; the message completes "the snapshot ..."."""


@dataclass(frozen=True)
class Watermark:
    """How far a read of Label Studio saw, by Label Studio's own clock: where the next one starts."""

    newest: datetime
    """Newest change of any task when the read began."""
    recent: Mapping[int, datetime] = field(repr=False)
    """Labelled tasks that had changed shortly before that, or since, with the `updated_at` that was read."""
    project_created_at: datetime
    reader: str
    """The code that made the rows: another one may make others of the same tasks."""


@dataclass(frozen=True)
class Header:
    """What is in the first line."""

    project: int
    url_sha256: str
    label_config_sha256: str
    sources: tuple[str, ...]
    watermark: Watermark | None
    cut: Cut
    members: tuple[Mapping[str, Any], ...]
    """Per shard what `Shard` holds, with `bytes` and `file_sha256` of its gzip member."""


def header_json(
    project: int,
    url_sha256: str,
    label_config_sha256: str,
    sources: Sequence[str],
    cut: Cut,
    watermark: Watermark | None,
    shards: Sequence[Shard],
) -> bytes:
    """The first line, canonical."""
    document: dict[str, object] = {
        "format": FORMAT,
        "project": project,
        "url_sha256": url_sha256,
        "cut": _cut_json(cut),
        "label_config_sha256": label_config_sha256,
        "sources": list(sources),
        "shards": [_shard_json(shard) for shard in shards],
    }
    if watermark is not None:
        document["watermark"] = _watermark_json(watermark)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_header(line: bytes) -> Header:
    """Raises HeaderError."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise HeaderError("is no snapshot or is damaged: line 1 is no JSON") from None
    if not isinstance(document, dict) or "format" not in document:
        raise HeaderError("is no snapshot: its first line is no header")
    if document["format"] != FORMAT:
        raise HeaderError(f"has format {str(document['format'])[:20]!r}, this version of Labelloop reads {FORMAT}")
    try:
        return _header(document)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise HeaderError(f"has a damaged header ({str(error)[:100]})") from None


def shard_of(described: Mapping[str, Any], member: bytes) -> Shard:
    """The shard of one of `Header.members`. Raises HeaderError when the bytes are others."""
    if hashlib.sha256(member).hexdigest() != described["file_sha256"]:
        raise HeaderError(f"is damaged in the rows from task {described['first']} on")
    times = described["updated_at"]
    return Shard(
        first=described["first"],
        rows=described["rows"],
        annotations=described["annotations"],
        skipped=described["skipped"],
        updated_at=None if times is None else parse_time(times),
        length=described["length"],
        digest=described["sha256"],
        member=member,
    )


def _header(document: Mapping[str, Any]) -> Header:
    sources = _of(document, "sources", list)
    if not sources or not all(isinstance(source, str) for source in sources):
        raise ValueError("no sources")
    members = tuple(map(_member, _of(document, "shards", list)))
    firsts = [member["first"] for member in members]
    if any(left >= right for left, right in pairwise(firsts)):
        raise ValueError("shards are out of order")
    cut = _of(document, "cut", dict)
    watermark = document.get("watermark")
    return Header(
        project=_of(document, "project", int),
        url_sha256=_of(document, "url_sha256", str),
        label_config_sha256=_of(document, "label_config_sha256", str),
        sources=tuple(sources),
        watermark=None if watermark is None else _watermark(watermark),
        cut=Cut(None if cut["updated_at"] is None else _time(cut["updated_at"]), _of(cut, "size", int)),
        members=members,
    )


def _member(described: object) -> Mapping[str, Any]:
    if not isinstance(described, dict):
        raise TypeError("a shard is no object")
    for name, least in (("first", 1), ("rows", 1), ("annotations", 0), ("skipped", 0), ("length", 1), ("bytes", 1)):
        if not least <= _of(described, name, int) <= MAX_TASK:
            raise ValueError(f"{name} of a shard is {described[name]}")
    for name in ("sha256", "file_sha256"):
        if len(bytes.fromhex(_of(described, name, str))) != hashlib.sha256().digest_size:
            raise ValueError(f"{name} of a shard is no SHA-256")
    if described.get("updated_at") is not None:
        _time(described["updated_at"])
    elif "updated_at" not in described:
        raise ValueError("a shard has no updated_at")
    return described


def _watermark(document: object) -> Watermark:
    if not isinstance(document, dict):
        raise TypeError("the watermark is no object")
    recent: dict[int, datetime] = {}
    for task, moment in _of(document, "recent", list):
        if isinstance(task, bool) or not isinstance(task, int):
            raise TypeError("the watermark names a task that is no number")
        recent[task] = _time(moment)
    return Watermark(
        newest=_time(document["newest"]),
        recent=recent,
        project_created_at=_time(document["project_created_at"]),
        reader=_of(document, "reader", str),
    )


def _watermark_json(watermark: Watermark) -> dict[str, object]:
    return {
        "newest": format_time(watermark.newest),
        "recent": [[task, format_time(moment)] for task, moment in sorted(watermark.recent.items())],
        "project_created_at": format_time(watermark.project_created_at),
        "reader": watermark.reader,
    }


def _shard_json(shard: Shard) -> dict[str, object]:
    return {
        "first": shard.first,
        "rows": shard.rows,
        "annotations": shard.annotations,
        "skipped": shard.skipped,
        "updated_at": None if shard.updated_at is None else format_time(shard.updated_at),
        "length": shard.length,
        "sha256": shard.digest,
        "bytes": len(shard.member),
        "file_sha256": hashlib.sha256(shard.member).hexdigest(),
    }


def _cut_json(cut: Cut) -> dict[str, object]:
    return {"updated_at": None if cut.updated_at is None else format_time(cut.updated_at), "size": cut.size}


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("a time is no text")
    return parse_time(value)


def _of(document: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = document.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{name} is not of type {kind.__name__}")
    return value
