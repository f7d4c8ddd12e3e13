"""Examples kept beside a snapshot, taken apart into words: a later training need not do so for unchanged shards again.

Derived data, and optional: keyed by what they are derived from (a shard's digest, the labelling configuration, the
project, the code), and made anew whenever they are missing, of something else, or damaged.
"""

import gc
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

from labelloop import __version__
from labelloop.datasets.cache_file import FORMAT, CachedShard, CacheFileError, Content, decoded, encoded
from labelloop.datasets.example_columns import ExampleColumns
from labelloop.datasets.examples import Counts, ExampleSet, examples_of_rows
from labelloop.datasets.packed_texts import PackedTexts
from labelloop.datasets.rows import Row
from labelloop.datasets.shards import Shard, ShardError
from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.datasets.split import position
from labelloop.label_config import Schema
from labelloop.models import features

FILE_NAME = "examples.cache"
MAX_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class ExampleCache:
    """The examples of a snapshot's shards, under one key."""

    key: str
    content: Content

    @property
    def parts(self) -> Sequence[CachedShard]:
        """Those whose examples are there; none in a cache that is empty."""
        return self.content.shards

    @classmethod
    def empty(cls, key: str) -> "ExampleCache":
        """One that knows nothing."""
        return cls(key, Content((), ExampleColumns.joined([])))

    @classmethod
    def read(cls, path: Path, key: str) -> "ExampleCache":
        """The cache in a file; an empty one for any that cannot be used."""
        try:
            with path.open("rb") as file, _no_collection():
                content = decoded(file.read(MAX_BYTES), key)
        except (OSError, CacheFileError):
            content = None
        return cls.empty(key) if content is None else cls(key, content)

    def write(self, path: Path) -> None:
        """Write the file; the same examples give the same bytes."""
        with path.open("wb") as file:
            file.writelines(encoded(self.key, self.content))


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
    if cache is None or cache.key != key:
        cache = ExampleCache.empty(key)
    shards: list[CachedShard] = []
    pieces: list[ExampleColumns] = []
    with _no_collection():
        for first, last, run in _runs(snapshot.shards, cache):
            if first is None:
                for shard in run:
                    cached, columns = _derived(shard, snapshot.sources, schema, str(snapshot.project))
                    shards.append(cached)
                    pieces.append(columns)
            else:
                shards += cache.parts[first:last]
                pieces.append(_kept(cache.content, first, last, run, snapshot, schema))
        examples = ExampleColumns.joined(pieces)
    counts = [sum(values) for values in zip(*(shard.counts for shard in shards), strict=True)]
    removed = sorted({name for shard in shards for name in shard.removed})
    found = ExampleSet(examples, Counts(*counts), tuple(removed))
    return found, ExampleCache(key, Content(tuple(shards), examples))


def _runs(shards: Sequence[Shard], cache: ExampleCache) -> Iterator[tuple[int | None, int, list[Shard]]]:
    """Shards that follow each other in the cache too, with where they begin and end there; None: not there."""
    places = {shard.digest: place for place, shard in enumerate(cache.parts)}

    def shift(entry: tuple[int, Shard]) -> int | None:
        place = places.get(entry[1].digest)
        return None if place is None else place - entry[0]

    for moved, group in groupby(enumerate(shards), shift):
        members = list(group)
        first = None if moved is None else members[0][0] + moved
        yield first, (first or 0) + len(members), [shard for _, shard in members]


def _kept(
    content: Content, first: int, last: int, run: Sequence[Shard], snapshot: Snapshot, schema: Schema
) -> ExampleColumns:
    texts = [
        PackedTexts(part.packed, part.number, partial(_texts_again, shard, snapshot.sources, schema))
        for part, shard in zip(content.examples.texts.parts[first:last], run, strict=True)
    ]
    start = sum(shard.examples for shard in content.shards[:first])
    return content.examples.between(start, start + sum(part.number for part in texts), texts)


def _texts_again(shard: Shard, sources: Sequence[str], schema: Schema) -> Sequence[str]:
    """Those of a shard whose texts in the cache are damaged."""
    return [example.text for example in examples_of_rows(_rows(shard, sources), schema).examples]


def _derived(shard: Shard, sources: Sequence[str], schema: Schema, salt: str) -> tuple[CachedShard, ExampleColumns]:
    made = examples_of_rows(_rows(shard, sources), schema)
    placed = [replace(example, place=position(example.text, salt)) for example in made.examples]
    counts = tuple(made.counts.to_json().values())
    return CachedShard(shard.digest, len(placed), counts, made.removed_labels), ExampleColumns.of(placed)


def _rows(shard: Shard, sources: Sequence[str]) -> tuple[Row, ...]:
    try:
        return shard.parsed(sources)
    except ShardError as error:
        raise SnapshotError(f"the snapshot is damaged: {error}; a full read of the project replaces it") from None


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
