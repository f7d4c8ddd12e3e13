"""Snapshots: the rows a training read, kept next to the model (format: docs/internals/interfaces.md 2.2).

A gzip of JSON lines with deterministic bytes: a header, then one line per labelled task ordered by task id. The header
and each shard are gzip members of their own, so that the next training need not read what did not change. Snapshots
come back from a registry: reading is bounded, every byte is checked against the header, every field when it is used.
"""

import hashlib
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NoReturn

from labelloop.counting.updates import Cut
from labelloop.datasets import snapshot_header
from labelloop.datasets.examples import ExampleSet, examples_of_rows
from labelloop.datasets.rows import WHOLE_TASK, Row, rows_of, source_of
from labelloop.datasets.shards import (
    COMPRESSION,
    GZIP,
    Line,
    Shard,
    ShardError,
    canonical_line,
    merged,
    parse_line,
    present,
    shards_of,
)
from labelloop.datasets.snapshot_header import HeaderError, Watermark, header_json, read_header, shard_of
from labelloop.label_config.schema import Schema
from labelloop.label_studio.task_api import Task

FORMAT = snapshot_header.FORMAT
MAX_BYTES = 2 * 1024**3
"""Bytes that are read at most: of the file, and of its uncompressed rows."""
MAX_HEADER = 256 * 1024**2
WHY_FILE = "why-no-snapshot.txt"
"""Stands where a snapshot should have been restored to and could not: the sentence that tells why."""


class SnapshotError(ValueError):
    """The file cannot be used; a training then reads everything from Label Studio."""


@dataclass(frozen=True)
class Snapshot:
    """Rows of a project as of a cut."""

    project: int
    url_sha256: str
    """Of Label Studio's address: tells servers apart without naming them."""
    label_config_sha256: str
    sources: tuple[str, ...]
    """Texts that the rows hold, `rows.source_of` of the controls; the first one is the row's `text`."""
    shards: tuple[Shard, ...] = field(repr=False)
    watermark: Watermark | None = field(default=None, repr=False)
    """Where a read of what changed since starts; None: only a full read can follow."""

    @classmethod
    def from_tasks(
        cls, tasks: Iterable[Task], schema: Schema, *, project: int, url: str, watermark: Watermark | None = None
    ) -> "Snapshot":
        """`tasks`: all labelled tasks of the project. Raises rows.RowError."""
        sources = sources_of(schema)
        made = rows_of(tasks, schema)
        rows = [row for row in made if row.annotations]
        return cls.from_rows(rows, sources, project, url_digest(url), schema.digest, watermark)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Row],
        sources: tuple[str, ...],
        project: int,
        url_sha256: str,
        label_config_sha256: str,
        watermark: Watermark | None = None,
    ) -> "Snapshot":
        """`rows` ordered by task."""
        shards = shards_of([canonical_line(row, sources) for row in rows])
        return cls(project, url_sha256, label_config_sha256, sources, shards, watermark)

    def with_changes(self, changed: Iterable[Row], gone: Collection[int]) -> "Snapshot":
        """The snapshot with rows replaced or added, and without the tasks `gone`. Raises SnapshotError.

        A row without annotations is of a task that is not labelled any more.
        """
        rows = {row.task: row for row in changed}
        lines = dict(canonical_line(row, self.sources) for row in rows.values() if row.annotations)
        try:
            return replace(self, shards=merged(self.shards, lines, {*gone, *(rows.keys() - lines.keys())}))
        except ShardError as error:
            raise SnapshotError(_sentence("snapshot", f"is damaged: {error}")) from None

    def among(self, tasks: Collection[int]) -> frozenset[int]:
        """Those of the tasks that have a row. Raises SnapshotError."""
        try:
            return present(self.shards, tasks)
        except ShardError as error:
            raise SnapshotError(_sentence("snapshot", f"is damaged: {error}")) from None

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All rows, ordered by task. Raises SnapshotError."""
        try:
            return tuple(parse_line(line, self.sources) for line in self.lines())
        except ShardError as error:
            raise SnapshotError(_sentence("snapshot", f"is damaged: {error}")) from None

    def lines(self) -> Iterator[Line]:
        """All lines, ordered by task. Raises SnapshotError."""
        try:
            for shard in self.shards:
                yield from shard.lines()
        except ShardError as error:
            raise SnapshotError(_sentence("snapshot", f"is damaged: {error}")) from None

    @property
    def tasks(self) -> int:
        """Number of rows."""
        return sum(shard.rows for shard in self.shards)

    @property
    def skipped(self) -> int:
        """Number of skipped annotations."""
        return sum(shard.skipped for shard in self.shards)

    @cached_property
    def cut(self) -> Cut:
        """What was read: the newest change and the number of annotations, skipped ones included."""
        times = [shard.updated_at for shard in self.shards if shard.updated_at is not None]
        return Cut(max(times, default=None), sum(shard.annotations for shard in self.shards))

    @cached_property
    def digest(self) -> str:
        """`sha256:` over the shards' SHA-256 digests in their order: the dataset digest, a digest of the rows alone."""
        return f"sha256:{hashlib.sha256(b''.join(bytes.fromhex(shard.digest) for shard in self.shards)).hexdigest()}"

    def examples(self, schema: Schema) -> ExampleSet:
        """What a model can learn under this labelling configuration, which may be newer than the snapshot."""
        return examples_of_rows(self.rows, schema)

    def verify(self, *, project: int, url: str, schema: Schema) -> None:
        """Raises SnapshotError when it is another project's, or lacks a text that the configuration asks for."""
        if self.project != project or self.url_sha256 != url_digest(url):
            raise SnapshotError(f"the snapshot is of project {self.project} of another address or id than {project}.")
        missing = sorted({*sources_of(schema)} - {*self.sources})
        if missing:
            raise SnapshotError(
                f"the snapshot has no text for {', '.join(missing)}: the labelling configuration changed."
            )

    def under(self, schema: Schema) -> "Snapshot":
        """The snapshot as if read under this configuration, for which `verify` passed. Raises SnapshotError."""
        sources = sources_of(schema)
        if sources == self.sources:
            return replace(self, label_config_sha256=schema.digest)
        rows = (replace(row, texts={source: row.texts.get(source) for source in sources}) for row in self.rows)
        return Snapshot.from_rows(rows, sources, self.project, self.url_sha256, schema.digest, self.watermark)

    def write(self, path: Path) -> None:
        """Writes the file; the same content gives the same bytes."""
        header = header_json(
            self.project,
            self.url_sha256,
            self.label_config_sha256,
            self.sources,
            self.cut,
            self.watermark,
            self.shards,
        )
        with path.open("wb") as file:
            file.write(_gzip(header))
            for shard in self.shards:
                file.write(shard.member)

    @classmethod
    def read(cls, path: Path, max_bytes: int = MAX_BYTES) -> "Snapshot":
        """Raises SnapshotError, with the reason, for a missing, truncated, damaged, foreign or oversized file.

        Rows are checked against the header's digests; whether each makes sense is seen when it is used.
        """
        try:
            with path.open("rb") as file:
                content = file.read(max_bytes + 1)
        except OSError as error:
            _refuse(path, f"cannot be read ({error.strerror or type(error).__name__})")
        if len(content) > max_bytes:
            _refuse(path, f"is larger than {max_bytes:,} bytes")
        try:
            return _from_bytes(content, max_bytes)
        except HeaderError as error:
            _refuse(path, str(error))


def sources_of(schema: Schema) -> tuple[str, ...]:
    """Where the texts of the controls come from, each once, in the order of the controls."""
    if schema.whole_tasks:
        return (WHOLE_TASK,)
    return tuple(dict.fromkeys(source_of(control) for control in schema.controls))


def url_digest(url: str) -> str:
    """SHA-256 (hex) of an address without trailing slash."""
    return hashlib.sha256(url.strip().rstrip("/").encode()).hexdigest()


def _from_bytes(content: bytes, max_bytes: int) -> Snapshot:
    line, position = _first_line(content, min(max_bytes, MAX_HEADER))
    header = read_header(line)
    if sum(member["length"] for member in header.members) > max_bytes:
        raise HeaderError(f"announces rows of more than {max_bytes:,} bytes")
    shards = []
    for described in header.members:
        end = position + described["bytes"]
        if end > len(content):
            raise HeaderError("is truncated")
        shards.append(shard_of(described, content[position:end]))
        position = end
    if position != len(content):
        raise HeaderError("holds more than its header announces")
    snapshot = Snapshot(
        header.project,
        header.url_sha256,
        header.label_config_sha256,
        header.sources,
        tuple(shards),
        header.watermark,
    )
    if header.cut != snapshot.cut:
        raise HeaderError("does not hold the rows its header announces")
    return snapshot


def _first_line(content: bytes, limit: int) -> tuple[bytes, int]:
    """The header's line and the position after its gzip member."""
    decompressor = zlib.decompressobj(GZIP)
    try:
        line = decompressor.decompress(content, limit + 1)
    except zlib.error:
        raise HeaderError("is no gzip file or is damaged") from None
    if len(line) > limit:
        raise HeaderError(f"has a header larger than {limit:,} bytes")
    if not decompressor.eof and not line.partition(b"\n")[1]:
        raise HeaderError("is truncated" if content else "is no snapshot: it is empty")
    first, _, rest = line.partition(b"\n")
    if not decompressor.eof or rest:
        read_header(first)  # an older format is reported as such
        raise HeaderError("is truncated" if not rest else "has a header of more than one line")
    return first, len(content) - len(decompressor.unused_data)


def _gzip(content: bytes) -> bytes:
    compressor = zlib.compressobj(COMPRESSION, zlib.DEFLATED, GZIP)
    return compressor.compress(content) + compressor.flush()


def _sentence(name: str, why: str) -> str:
    return f"{name} {why}; a full read of the project replaces it"


def _refuse(path: Path, why: str) -> NoReturn:
    raise SnapshotError(_sentence(f"snapshot {path.name}", why)) from None
