"""Snapshots: the rows a training read, kept beside the model (format: docs/interfaces.md 2.2).

A gzip of JSON lines with deterministic bytes: a header, then one line per labelled task ordered by task id. They come
back from a registry, so reading is bounded and checks every field.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from labelloop.counting import Cut
from labelloop.datasets.examples import ExampleSet, examples_of_rows
from labelloop.datasets.row_json import RowFormatError, row_from_json, row_to_json
from labelloop.datasets.rows import Row, rows_of, source_of
from labelloop.label_config import Schema
from labelloop.label_studio.answers import format_time
from labelloop.label_studio.task_api import Task

FORMAT = 1
MAX_BYTES = 2 * 1024**3
"""Uncompressed bytes that are read at most."""
MAX_LINE = 256 * 1024**2
COMPRESSION = 6


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
    rows: tuple[Row, ...] = field(repr=False)

    @classmethod
    def from_tasks(cls, tasks: Iterable[Task], schema: Schema, *, project: int, url: str) -> "Snapshot":
        """`tasks`: all labelled tasks of the project. Raises rows.RowError."""
        sources = tuple(dict.fromkeys(source_of(control) for control in schema.controls))
        return cls(project, url_digest(url), schema.digest, sources, rows_of(tasks, schema.controls))

    @cached_property
    def cut(self) -> Cut:
        """What was read: the newest change and the number of annotations, skipped ones included."""
        times = [annotation.updated_at for row in self.rows for annotation in row.annotations]
        return Cut(max(times, default=None), len(times))

    @cached_property
    def digest(self) -> str:
        """`sha256:` of the canonical bytes without the header: the dataset digest."""
        digest = hashlib.sha256()
        for line in self._lines():
            digest.update(line)
        return f"sha256:{digest.hexdigest()}"

    def examples(self, schema: Schema) -> ExampleSet:
        """What a model can learn under this labelling configuration, which may be newer than the snapshot."""
        return examples_of_rows(self.rows, schema)

    def verify(self, *, project: int, url: str, schema: Schema) -> None:
        """Raises SnapshotError when it is another project's, or lacks a text that the configuration asks for."""
        if self.project != project or self.url_sha256 != url_digest(url):
            raise SnapshotError(f"the snapshot is of project {self.project} of another address or id than {project}.")
        missing = sorted({source_of(control) for control in schema.controls} - {*self.sources})
        if missing:
            raise SnapshotError(
                f"the snapshot has no text for {', '.join(missing)}: the labelling configuration changed."
            )

    def write(self, path: Path) -> None:
        """Writes the file; the same rows give the same bytes."""
        with path.open("wb") as raw, gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as file:
            file.write(_canonical(self._header()))
            for line in self._lines():
                file.write(line)

    @classmethod
    def read(cls, path: Path, max_bytes: int = MAX_BYTES) -> "Snapshot":
        """Raises SnapshotError, with the reason, for a missing, truncated, damaged, foreign or oversized file."""
        try:
            with gzip.open(path, "rb") as file:
                return cls._from_lines(path, _bounded_lines(file, path, max_bytes))
        except SnapshotError:
            raise
        except EOFError:
            _refuse(path, "is truncated")
        except (gzip.BadGzipFile, zlib.error):
            _refuse(path, "is no gzip file or is damaged")
        except OSError as error:
            _refuse(path, f"cannot be read ({error.strerror or type(error).__name__})")

    @classmethod
    def _from_lines(cls, path: Path, lines: Iterator[bytes]) -> "Snapshot":
        header = _parse(path, 1, next(lines, b""))
        if not isinstance(header, dict) or "format" not in header:
            _refuse(path, "is no snapshot: its first line is no header")
        if header["format"] != FORMAT:
            _refuse(path, f"has format {str(header['format'])[:20]!r}, this version of Labelloop reads {FORMAT}")
        sources = _sources(path, header)
        rows: list[Row] = []
        for number, line in enumerate(lines, start=2):
            try:
                row = row_from_json(_parse(path, number, line), sources)
            except RowFormatError as error:
                _refuse(path, f"is damaged in line {number}: {error}")
            if rows and row.task <= rows[-1].task:
                _refuse(path, f"is damaged in line {number}: tasks are out of order")
            rows.append(row)
        project, url, config = (header.get(name) for name in ("project", "url_sha256", "label_config_sha256"))
        if not isinstance(project, int) or not isinstance(url, str) or not isinstance(config, str):
            _refuse(path, "has a header without project, url_sha256 or label_config_sha256")
        snapshot = cls(project, url, config, sources, tuple(rows))
        if header.get("cut") != _cut_json(snapshot.cut):
            _refuse(path, "does not hold the rows its header tells of")
        return snapshot

    def _header(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "project": self.project,
            "url_sha256": self.url_sha256,
            "cut": _cut_json(self.cut),
            "label_config_sha256": self.label_config_sha256,
            "sources": list(self.sources),
        }

    def _lines(self) -> Iterator[bytes]:
        return (_canonical(row_to_json(row, self.sources)) for row in self.rows)


def url_digest(url: str) -> str:
    """SHA-256 (hex) of an address without trailing slash."""
    return hashlib.sha256(url.strip().rstrip("/").encode()).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _cut_json(cut: Cut) -> dict[str, object]:
    return {"updated_at": None if cut.updated_at is None else format_time(cut.updated_at), "size": cut.size}


def _bounded_lines(file: gzip.GzipFile, path: Path, max_bytes: int) -> Iterator[bytes]:
    left = max_bytes
    while line := file.readline(min(left, MAX_LINE) + 1):
        left -= len(line)
        if left < 0 or len(line) > MAX_LINE:
            _refuse(path, f"is larger than {max_bytes:,} bytes, or has a line larger than {MAX_LINE:,}")
        if not line.endswith(b"\n"):
            _refuse(path, "is truncated")
        yield line


def _sources(path: Path, header: dict[str, Any]) -> tuple[str, ...]:
    sources = header.get("sources")
    if not isinstance(sources, list) or not sources or not all(isinstance(source, str) for source in sources):
        _refuse(path, "has a header without sources")
    return tuple(sources)


def _parse(path: Path, number: int, line: bytes) -> Any:  # noqa: ANN401 - JSON, checked by the callers
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        _refuse(path, f"is no snapshot or is damaged: line {number} is no JSON")


def _refuse(path: Path, why: str) -> NoReturn:
    raise SnapshotError(f"snapshot {path.name} {why}; a full read of the project replaces it") from None
