"""Shards: runs of consecutive rows as canonical JSON lines, each a gzip member of its own.

Where a shard ends depends on the task ids alone, so the same rows give the same shards however they came together, and
a change touches the shards around it only: the others stay opaque bytes that nobody parses or compresses again.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from labelloop.datasets.row_json import RowFormatError, row_from_json, row_to_json
from labelloop.datasets.rows import Row
from labelloop.label_studio.responses import parse_time

COMPRESSION = 6
GZIP = 31
"""zlib's name for 15 bits of window and a gzip header, whose time it leaves at 0."""
BITS = 7
"""log2 of the mean number of rows: a change costs so many rows of compression, however large the project is."""
# 2**64 divided by the golden ratio: multiples of it are spread evenly, so runs of ids give shards of like sizes (Knuth,
# The Art of Computer Programming, volume 3, 6.4, "Fibonacci hashing").
_SPREAD = 0x9E3779B97F4A7C15
MAX_TASK = 2**63 - 1

Line = tuple[int, bytes]
"""A task's id and its canonical line."""

# Quotes within JSON strings are escaped, so these patterns find keys only, and only with values of these types.
_TASK = re.compile(rb'\{"task":(\d{1,19}),')
_TIME = re.compile(rb'"updated_at":"([^"]{1,40})"')
_SKIPPED = b'"was_cancelled":true'
_COUNTED = b'"was_cancelled":false'


class ShardError(ValueError):
    """The bytes of a shard are not what is known about them."""


@dataclass(frozen=True)
class Shard:
    """Lines of consecutive tasks, compressed, with what one needs to know without reading them."""

    first: int
    """Id of the first task."""
    rows: int
    annotations: int
    skipped: int
    updated_at: datetime | None
    """Newest change of an annotation."""
    length: int
    """Bytes of the lines, uncompressed."""
    digest: str
    """SHA-256 (hex) of the lines."""
    member: bytes = field(repr=False)
    """The gzip member."""

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "Shard":
        """At least one line, ordered by task. Raises ShardError for lines of a damaged shard."""
        content = b"".join(line for _, line in lines)
        times = _TIME.findall(content)
        compressor = zlib.compressobj(COMPRESSION, zlib.DEFLATED, GZIP)
        return cls(
            first=lines[0][0],
            rows=len(lines),
            annotations=len(times),
            skipped=content.count(_SKIPPED),
            updated_at=_newest(times),
            length=len(content),
            digest=hashlib.sha256(content).hexdigest(),
            member=compressor.compress(content) + compressor.flush(),
        )

    def lines(self) -> list[Line]:
        """The lines, checked against length, digest and number. Raises ShardError."""
        decompressor = zlib.decompressobj(GZIP)
        try:
            content = decompressor.decompress(self.member, self.length + 1)
        except zlib.error:
            raise ShardError(f"the rows from task {self.first} on cannot be decompressed") from None
        if len(content) != self.length or not decompressor.eof or decompressor.unused_data:
            raise ShardError(f"the rows from task {self.first} on are not {self.length} bytes")
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise ShardError(f"the rows from task {self.first} on do not have the digest {self.digest[:12]}")
        found = list(_numbered(content))
        if len(found) != self.rows or found[0][0] != self.first:
            raise ShardError(f"the rows from task {self.first} on are not {self.rows}")
        return found

    def parsed(self, sources: Sequence[str]) -> tuple[Row, ...]:
        """The rows. Raises ShardError."""
        return tuple(parse_line(line, sources) for line in self.lines())


def canonical_line(row: Row, sources: Sequence[str]) -> Line:
    """The row as a line: the task first, then the other keys in alphabetical order."""
    document = row_to_json(row, sources)
    del document["task"]
    rest = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return row.task, b'{"task":%d,%s\n' % (row.task, rest[1:].encode())


def parse_line(line: Line, sources: Sequence[str]) -> Row:
    """The row of a line. Raises ShardError."""
    try:
        document: Any = json.loads(line[1])
        row = row_from_json(document, sources)
    except RowFormatError as error:
        raise ShardError(f"the row of task {line[0]}: {error}") from None
    except (ValueError, OverflowError, RecursionError):
        raise ShardError(f"the row of task {line[0]} is no JSON, or has a time out of range") from None
    if row.task != line[0]:
        raise ShardError(f"the row of task {line[0]} is of task {row.task}")
    return row


def shards_of(lines: Sequence[Line]) -> tuple[Shard, ...]:
    """Shards of all lines, ordered by task."""
    return tuple(_regrouped([lines]))


def merged(shards: Sequence[Shard], changed: Mapping[int, bytes], gone: Collection[int]) -> tuple[Shard, ...]:
    """The shards with lines replaced or added and tasks taken out: the same as `shards_of` all lines.

    Raises ShardError for a shard that has to be read and is damaged.
    """
    edits: dict[int, dict[int, bytes | None]] = {}
    for task, line in [*((task, None) for task in gone), *changed.items()]:
        edits.setdefault(_position(shards, task), {})[task] = line
    parts: list[Shard | list[Line]] = []
    for position in range(max(1, len(shards))):
        old = shards[position] if shards else None
        if position in edits:
            parts.append(_edited(old.lines() if old else [], edits[position]))
        elif old:
            parts.append(old)
    return tuple(_regrouped(parts))


def present(shards: Sequence[Shard], tasks: Collection[int]) -> frozenset[int]:
    """Those of the tasks that have a line; reads only the shards they would be in. Raises ShardError."""
    wanted: dict[int, set[int]] = {}
    for task in tasks if shards else ():
        wanted.setdefault(_position(shards, task), set()).add(task)
    found = (wanted[position] & {task for task, _ in shards[position].lines()} for position in wanted)
    return frozenset().union(*found)


def has_usual(line: bytes) -> bool:
    """Whether an annotation of the line is not skipped."""
    return _COUNTED in line


def has_skipped(line: bytes) -> bool:
    """Whether an annotation of the line is skipped."""
    return _SKIPPED in line


def _begins(task: int) -> bool:
    """Whether a shard begins at this task: at one of 2**BITS."""
    return (task * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> (64 - BITS) == 0


def _position(shards: Sequence[Shard], task: int) -> int:
    """The shard that holds the task, or would; 0 when there is none."""
    low, high = 0, len(shards)
    while low < high:
        middle = (low + high) // 2
        if shards[middle].first <= task:
            low = middle + 1
        else:
            high = middle
    return max(0, low - 1)


def _edited(lines: Iterable[Line], edits: Mapping[int, bytes | None]) -> list[Line]:
    now: dict[int, bytes | None] = {**dict(lines), **edits}
    return [(task, line) for task, line in sorted(now.items()) if line is not None]


def _regrouped(parts: Iterable[Shard | Sequence[Line]]) -> Iterator[Shard]:
    """Shards cut where they must be; one that is already cut so stays the object it was."""
    open_: Shard | list[Line] | None = None
    for part in parts:
        if isinstance(part, Shard) and (open_ is None or _begins(part.first)):
            if open_ is not None:
                yield _closed(open_)
            open_ = part
            continue
        for line in part.lines() if isinstance(part, Shard) else part:
            if open_ is None or _begins(line[0]):
                if open_ is not None:
                    yield _closed(open_)
                open_ = []
            elif isinstance(open_, Shard):
                open_ = open_.lines()
            open_.append(line)
    if open_ is not None:
        yield _closed(open_)


def _closed(part: Shard | list[Line]) -> Shard:
    return part if isinstance(part, Shard) else Shard.of(part)


def _newest(times: Sequence[bytes]) -> datetime | None:
    """They are of one format, so the order of the texts is that of the times."""
    try:
        return parse_time(max(times).decode()) if times else None
    except (ValueError, OverflowError):
        raise ShardError("an annotation has no time in updated_at") from None


def _numbered(content: bytes) -> Iterator[Line]:
    """Lines with their tasks, which must ascend. Raises ShardError."""
    last = 0
    if not content.endswith(b"\n"):
        raise ShardError("a line has no end")
    for line in content[:-1].split(b"\n"):
        found = _TASK.match(line)
        task = int(found[1]) if found else 0
        if not last < task <= MAX_TASK:
            raise ShardError(f"the line after task {last} is of no later task")
        last = task
        yield task, line + b"\n"
