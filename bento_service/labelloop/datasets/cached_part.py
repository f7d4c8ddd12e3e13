"""What the cache keeps of one shard: its examples as columns, compressed; read with bounds, and checked."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from labelloop.datasets.example_columns import ORIGIN_NAMES, RECORD, ExampleColumns, Labels
from labelloop.datasets.examples import Counts
from labelloop.models.words import Words

MAX_PART = 256 * 1024**2
"""Bytes of one shard's examples, uncompressed: 256 rows on average."""
_FASTEST = 1
_NUMBER = np.dtype("<u4")
T = TypeVar("T")


class PartError(ValueError):
    """The bytes make no sense."""


@dataclass(frozen=True)
class Part:
    """The examples of one shard, and what became of its other tasks."""

    examples: ExampleColumns
    counts: Mapping[str, int]
    removed: Sequence[str]
    """Labels found that are not in the configuration."""

    def packed(self) -> bytes:
        """A line of JSON, then records, words per text and words as arrays; the same part gives the same bytes."""
        examples, words = self.examples, self.examples.words
        document = {
            "counts": dict(self.counts),
            "removed": list(self.removed),
            # As text: of the few different ones each is read once.
            "labels": [json.dumps(labels, separators=(",", ":")) for labels in examples.labels],
            "texts": list(examples.texts),
            "words": " ".join(words.distinct),
        }
        line = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        arrays = (examples.records, words.lengths.astype(_NUMBER), words.ids.astype(_NUMBER))
        return zlib.compress(b"".join([line, b"\n", *(array.tobytes() for array in arrays)]), _FASTEST)


def unpacked(part: bytes, readings: dict[str, Labels]) -> Part:
    """What `packed` gave; `readings`: labels as text, as read so far. Raises PartError."""
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(part, MAX_PART + 1)
        if len(content) > MAX_PART or not decompressor.eof:
            raise PartError("too large or truncated")
        end = content.index(b"\n") + 1
        document = json.loads(content[:end])
        texts = _all(document["texts"], str)
        labels = _all(document["labels"], str)
        for text in labels:
            if text not in readings:
                readings[text] = _labels(json.loads(text))
        examples = _columns(content, end, texts, [readings[text] for text in labels], document["words"].split())
        names = list(Counts().to_json())
        counts = _all([document["counts"][name] for name in names], int)
        return Part(examples, dict(zip(names, counts, strict=True)), _all(document["removed"], str))
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PartError(type(error).__name__) from None


def _columns(
    content: bytes, start: int, texts: Sequence[str], labels: Sequence[Labels], distinct: Sequence[str]
) -> ExampleColumns:
    """Raises ValueError."""
    count = len(texts)
    records = np.frombuffer(content, RECORD, count, start)
    start += records.nbytes
    lengths = np.frombuffer(content, _NUMBER, count, start)
    ids = np.frombuffer(content, _NUMBER, -1, start + lengths.nbytes) if lengths.sum() else np.zeros(0, _NUMBER)
    places = records["place"]
    if len(ids) != lengths.sum() or start + lengths.nbytes + ids.nbytes != len(content):
        raise ValueError("other numbers of words")
    if len(ids) and ids.max() >= len(distinct):
        raise ValueError("a word that is not there")
    if count and not (places.min() >= 0 and places.max() < 1):
        raise ValueError("a place outside [0, 1)")
    if count and (records["labels"].max() >= len(labels) or records["origin"].max() >= len(ORIGIN_NAMES)):
        raise ValueError("labels or an origin that are not there")
    return ExampleColumns(records, labels, texts, Words(distinct, ids.astype(np.int32), lengths.astype(np.int64)))


def _labels(labels: Mapping[str, Any]) -> Labels:
    made = {name: tuple(_all(chosen, str)) for name, chosen in labels.items()}
    if not made or not all(made.values()):
        raise TypeError("labels are no names")
    return made


def _all(values: object, kind: type[T]) -> list[T]:
    if not isinstance(values, list) or not set(map(type, values)) <= {kind}:
        raise TypeError(f"a list of {kind.__name__} expected")
    return values
