"""Examples kept beside a snapshot: a later training need not derive those of unchanged shards again.

Derived data, and optional: keyed by what they are derived from (a shard's digest, the labelling configuration, the
project, the code), and made anew whenever they are missing, of something else, or damaged.
"""

import gc
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from labelloop import __version__
from labelloop.datasets.examples import Counts, Example, ExampleSet, examples_of_rows
from labelloop.datasets.rows import ORIGINS
from labelloop.datasets.shards import Shard, ShardError
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.datasets.split import position
from labelloop.label_config import Schema

FILE_NAME = "examples.cache"
FORMAT = 1
MAX_BYTES = 2 * 1024**3
MAX_PART = 256 * 1024**2
"""Bytes of one shard's examples, uncompressed: 256 rows on average."""
_FASTEST = 1
_COLUMNS = {"tasks": int, "texts": str, "labels": str, "origins": str, "places": float}
T = TypeVar("T")
Labels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ExampleCache:
    """Shard's digest -> its examples, compressed."""

    key: str
    parts: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def read(cls, path: Path, key: str) -> "ExampleCache":
        """The cache in a file; an empty one for any that cannot be used."""
        try:
            with path.open("rb") as file:
                return cls(key, _parts(file.read(MAX_BYTES), key))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return cls(key, {})

    def write(self, path: Path) -> None:
        """Write the file; the same content gives the same bytes."""
        table = [[digest, len(part), zlib.crc32(part)] for digest, part in self.parts.items()]
        header = {"format": FORMAT, "key": self.key, "parts": table}
        with path.open("wb") as file:
            file.write(json.dumps(header, separators=(",", ":")).encode() + b"\n")
            for part in self.parts.values():
                file.write(part)


def cache_key(schema: Schema, project: int) -> str:
    """Of everything besides its shard that decides about an example, and about where the holdout has it."""
    return hashlib.sha256(f"{FORMAT} {__version__} {schema.digest} {project}".encode()).hexdigest()


def cached_examples(
    snapshot: Snapshot, schema: Schema, cache: ExampleCache | None = None
) -> tuple[ExampleSet, ExampleCache]:
    """As `snapshot.examples(schema)`, with the positions for the holdout; and the cache for the next time.

    Raises SnapshotError when a shard that has to be read is damaged.
    """
    key = cache_key(schema, snapshot.project)
    known = cache.parts if cache is not None and cache.key == key else {}
    parts: dict[str, bytes] = {}
    found: list[Example] = []
    counts: dict[str, int] = {}
    removed: set[str] = set()
    readings: dict[str, Labels] = {}
    with _no_collection():
        for shard in snapshot.shards:
            document = _unpacked(known.get(shard.digest), readings)
            if document is None:
                document = _document(shard, snapshot.sources, schema, str(snapshot.project))
                parts[shard.digest] = zlib.compress(_encoded(document), _FASTEST)
            else:
                parts[shard.digest] = known[shard.digest]
            found.extend(document.examples)
            removed.update(document.removed)
            for name, number in document.counts.items():
                counts[name] = counts.get(name, 0) + number
    return ExampleSet(tuple(found), Counts(**counts), tuple(sorted(removed))), ExampleCache(key, parts)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Among a hundred thousand new objects without cycles the collector would search again and again: half the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class _Document:
    examples: Sequence[Example]
    counts: Mapping[str, int]
    removed: Sequence[str]


def _document(shard: Shard, sources: Sequence[str], schema: Schema, salt: str) -> _Document:
    try:
        made = examples_of_rows(shard.parsed(sources), schema)
    except ShardError as error:
        raise SnapshotError(f"the snapshot is damaged: {error}; a full read of the project replaces it") from None
    placed = [
        Example(example.task, example.text, example.labels, example.origin, position(example.text, salt))
        for example in made.examples
    ]
    return _Document(placed, made.counts.to_json(), made.removed_labels)


def _encoded(document: _Document) -> bytes:
    columns = {
        "counts": dict(document.counts),
        "removed": list(document.removed),
        "tasks": [example.task for example in document.examples],
        "texts": [example.text for example in document.examples],
        # As text: of the few different ones each is read once.
        "labels": [json.dumps(example.labels, separators=(",", ":")) for example in document.examples],
        "origins": [example.origin for example in document.examples],
        "places": [example.place for example in document.examples],
    }
    return json.dumps(columns, separators=(",", ":"), allow_nan=False).encode()


def _unpacked(part: bytes | None, readings: dict[str, Labels]) -> _Document | None:
    """None when there is nothing, or nothing that makes sense. `readings`: labels as text, as read so far."""
    if part is None:
        return None
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(part, MAX_PART + 1)
        if len(content) > MAX_PART or not decompressor.eof:
            return None
        return _decoded(json.loads(content), readings)
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _decoded(columns: Mapping[str, Any], readings: dict[str, Labels]) -> _Document:
    """Raises ValueError, KeyError, TypeError or AttributeError."""
    for name, kind in _COLUMNS.items():
        if not set(map(type, columns[name])) <= {kind}:
            raise TypeError(f"{name} of other types")
    if not all(0 <= place < 1 for place in columns["places"]):
        raise ValueError("a place outside [0, 1)")
    for text in set(columns["labels"]) - readings.keys():
        readings[text] = _labels(json.loads(text))
    labels = map(readings.__getitem__, columns["labels"])
    origins = map(ORIGINS.__getitem__, columns["origins"])
    others = (columns[name] for name in ("tasks", "texts", "places"))
    examples = [
        Example(task, text, chosen, origin, place)
        for task, text, place, chosen, origin in zip(*others, labels, origins, strict=True)
    ]
    counts = {name: _typed(columns["counts"][name], int) for name in Counts().to_json()}
    return _Document(examples, counts, [_typed(name, str) for name in columns["removed"]])


def _labels(labels: Mapping[str, Any]) -> Labels:
    made = {name: tuple(chosen) for name, chosen in labels.items()}
    if not made or not all(chosen and all(type(label) is str for label in chosen) for chosen in made.values()):
        raise TypeError("labels are no names")
    return made


def _typed(value: object, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"{kind.__name__} expected")
    return value


def _parts(content: bytes, key: str) -> dict[str, bytes]:
    """Raises ValueError, KeyError or TypeError."""
    line, _, rest = content.partition(b"\n")
    header = json.loads(line)
    if header["format"] != FORMAT or header["key"] != key:
        return {}
    parts: dict[str, bytes] = {}
    start = 0
    for digest, length, checksum in header["parts"]:
        part = rest[start : start + _typed(length, int)]
        start += len(part)
        if zlib.crc32(part) == checksum:
            parts[_typed(digest, str)] = part
    return parts
