"""The file of an example cache: a line of JSON, then arrays as they lie in memory, then texts, compressed per shard.

Arrays are not compressed: reading them back would cost more than all else that a training does with them.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelloop.datasets.example_columns import ORIGIN_NAMES, RECORD, ExampleColumns, Labels
from labelloop.datasets.examples import Counts
from labelloop.datasets.packed_texts import ChosenTexts, PackedTexts, PackedTextsError
from labelloop.models.words import Words

FORMAT = 3
_NUMBER = np.dtype("<u4")
_COUNTS = len(Counts().to_json())


class CacheFileError(ValueError):
    """The bytes make no sense."""


@dataclass(frozen=True)
class CachedShard:
    """What became of the tasks of a shard; its examples stand among those of all shards."""

    digest: str
    examples: int
    counts: tuple[int, ...]
    """Values of `Counts`, in their order."""
    removed: tuple[str, ...]
    """Labels found that are not in the configuration."""


@dataclass(frozen=True)
class Content:
    """Shards in their order, and the examples of all."""

    shards: Sequence[CachedShard]
    examples: ExampleColumns = field(repr=False)


def encoded(key: str, content: Content) -> Iterator[bytes]:
    """The file's bytes in pieces; the same content gives the same, however it came together."""
    examples = content.examples.in_order()
    words, texts = examples.words, [part.packed for part in examples.texts.parts]
    sections = [
        examples.records.tobytes(),
        *(array.astype(_NUMBER).tobytes() for array in (words.lengths, words.ids, words.checksums)),
        " ".join(words.distinct).encode("utf-8", "surrogatepass"),
        b"".join(texts),
    ]
    header = {
        "format": FORMAT,
        "key": key,
        "labels": list(examples.labels),
        "shards": [
            [shard.digest, shard.examples, len(packed), shard.counts, shard.removed]
            for shard, packed in zip(content.shards, texts, strict=True)
        ],
        "sections": [[len(section), zlib.crc32(section)] for section in sections],
    }
    yield json.dumps(header, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    yield from sections


def decoded(content: bytes, key: str) -> Content | None:
    """What `encoded` was given; None for a file of another key or format. Raises CacheFileError."""
    try:
        end = content.index(b"\n") + 1
        header = json.loads(content[:end])
        if header["format"] != FORMAT or header["key"] != key:
            return None
        return _content(header, content, end)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise CacheFileError(type(error).__name__) from None


def _content(header: Mapping[str, Any], content: bytes, start: int) -> Content:
    """Raises ValueError or TypeError."""
    sections = list(_sections(header["sections"], memoryview(content), start))
    records = np.frombuffer(sections[0], RECORD)
    lengths, ids, checksums = (np.frombuffer(section, _NUMBER) for section in sections[1:4])
    distinct = str(sections[4], "utf-8", "surrogatepass").split()
    shards, texts = [], []
    first = 0
    for digest, number, length, counts, removed in header["shards"]:
        shard = CachedShard(_text(digest), _number(number), tuple(map(_number, counts)), tuple(map(_text, removed)))
        if len(shard.counts) != _COUNTS:
            raise ValueError("other counts")
        packed = bytes(sections[5][first : first + _number(length)])
        first += len(packed)
        shards.append(shard)
        texts.append(PackedTexts(packed, shard.examples, _lost))
    labels = [_labels(each) for each in header["labels"]]
    if first != len(sections[5]) or sum(shard.examples for shard in shards) != len(records):
        raise ValueError("other numbers of examples")
    _check(records, labels, lengths, ids)
    if len(checksums) != len(distinct) or (len(ids) and ids.max() >= len(distinct)):
        raise ValueError("a word that is not there")
    words = Words(distinct, ids.astype(np.int32), lengths.astype(np.int64), checksums.astype(np.uint64))
    return Content(shards, ExampleColumns(records, labels, ChosenTexts.all(texts), words))


def _sections(told: Sequence[Sequence[int]], content: memoryview, start: int) -> Iterator[memoryview]:
    """Six of them, checked. Raises ValueError."""
    for length, checksum in told:
        section = content[start : start + _number(length)]
        if zlib.crc32(section) != checksum:
            raise ValueError("damaged")
        start += len(section)
        yield section
    if len(told) != 6 or start != len(content):
        raise ValueError("other sections")


def _check(
    records: NDArray[np.void], labels: Sequence[Labels], lengths: NDArray[np.uint32], ids: NDArray[np.uint32]
) -> None:
    """Raises ValueError."""
    if len(lengths) != len(records) or len(ids) != lengths.sum(dtype=np.int64):
        raise ValueError("other numbers of words")
    places = records["place"]
    if len(records) and not (places.min() >= 0 and places.max() < 1):
        raise ValueError("a place outside [0, 1)")
    if len(records) and (records["labels"].max() >= len(labels) or records["origin"].max() >= len(ORIGIN_NAMES)):
        raise ValueError("labels or an origin that are not there")


def _lost() -> Sequence[str]:
    raise PackedTextsError("the texts of a shard cannot be read")


def _labels(labels: Mapping[str, Any]) -> Labels:
    made = {name: tuple(map(_text, chosen)) for name, chosen in labels.items()}
    if not made or not all(made.values()) or not {list} >= set(map(type, labels.values())):
        raise TypeError("labels are no names")
    return made


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("text expected")
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("number expected")
    return value
