"""Examples kept beside a snapshot, taken apart into words: a later training need not do so for unchanged shards again.

Derived data, and optional: keyed by what they are derived from (a shard's digest, the labelling configuration, the
project, the code), and made anew whenever they are missing, of something else, or damaged.
"""

import gc
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from labelloop import __version__
from labelloop.datasets.cached_part import Part, PartError, unpacked
from labelloop.datasets.example_columns import ExampleColumns, Labels
from labelloop.datasets.examples import Counts, ExampleSet, examples_of_rows
from labelloop.datasets.shards import Shard, ShardError
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.datasets.split import position
from labelloop.label_config import Schema
from labelloop.models import features

FILE_NAME = "examples.cache"
FORMAT = 2
MAX_BYTES = 2 * 1024**3
T = TypeVar("T")


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
    told = f"{FORMAT} {features.FORMAT} {features.MAX_CHARACTERS} {__version__} {schema.digest} {project}"
    return hashlib.sha256(told.encode()).hexdigest()


def cached_examples(
    snapshot: Snapshot, schema: Schema, cache: ExampleCache | None = None
) -> tuple[ExampleSet, ExampleCache]:
    """As `snapshot.examples(schema)`, taken apart and with positions for the holdout; and the cache for the next time.

    Raises SnapshotError when a shard that has to be read is damaged.
    """
    key = cache_key(schema, snapshot.project)
    known = cache.parts if cache is not None and cache.key == key else {}
    packed: dict[str, bytes] = {}
    found: list[Part] = []
    readings: dict[str, Labels] = {}
    with _no_collection():
        for shard in snapshot.shards:
            part = _known(known.get(shard.digest), readings)
            if part is None:
                part = _derived(shard, snapshot.sources, schema, str(snapshot.project))
                packed[shard.digest] = part.packed()
            else:
                packed[shard.digest] = known[shard.digest]
            found.append(part)
        examples = ExampleColumns.joined([part.examples for part in found])
    counts = {name: sum(part.counts[name] for part in found) for name in Counts().to_json()}
    removed = sorted({name for part in found for name in part.removed})
    return ExampleSet(examples, Counts(**counts), tuple(removed)), ExampleCache(key, packed)


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


def _derived(shard: Shard, sources: Sequence[str], schema: Schema, salt: str) -> Part:
    try:
        made = examples_of_rows(shard.parsed(sources), schema)
    except ShardError as error:
        raise SnapshotError(f"the snapshot is damaged: {error}; a full read of the project replaces it") from None
    placed = [replace(example, place=position(example.text, salt)) for example in made.examples]
    return Part(ExampleColumns.of(placed), made.counts.to_json(), made.removed_labels)


def _known(part: bytes | None, readings: dict[str, Labels]) -> Part | None:
    try:
        return None if part is None else unpacked(part, readings)
    except PartError:
        return None


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
