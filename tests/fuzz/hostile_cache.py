"""Caches of examples made hostile: damaged, or with contents that lie and checksums that fit."""

import json
import zlib
from random import Random
from typing import Any

from tests.fuzz.hostile_files import broken_bytes
from tests.fuzz.odd_json import encoded, mutated

TEXTS = 5
"""Position of the texts among the sections of the file."""


def hostile_cache(good: bytes, random: Random) -> tuple[bytes, bool]:
    """A variant of the file, and whether it may lie: whether everything that is checked fits."""
    if random.random() < 0.4:
        return broken_bytes(good, random), False
    document, sections = _parts(good)
    kind = random.randrange(4)
    if kind == 0:
        document = mutated(document, random)
        return encoded(document, random).replace(b"\n", b" ") + b"\n" + b"".join(sections), True
    if kind == 1:
        _lie_about_shards(document, random)
    elif kind == 2:
        sections[TEXTS] = _other_texts(document, random)
    else:
        at = random.randrange(len(sections))
        sections[at] = broken_bytes(sections[at], random)
    document["sections"] = [[len(section), zlib.crc32(section)] for section in sections]
    return json.dumps(document).encode() + b"\n" + b"".join(sections), True


def _parts(good: bytes) -> tuple[dict[str, Any], list[bytes]]:
    line, _, rest = good.partition(b"\n")
    document = json.loads(line)
    sections = []
    for length, _ in document["sections"]:
        sections.append(rest[:length])
        rest = rest[length:]
    return document, sections


def _lie_about_shards(document: dict[str, Any], random: Random) -> None:
    """Numbers of examples and bytes that add up, of other shards."""
    shards = document["shards"]
    one, other = random.choice(shards), random.choice(shards)
    for place in random.sample((1, 2), random.choice((1, 2))):
        moved = random.choice((1, -1, 5))
        one[place] += moved
        other[place] -= moved
    one[0], other[0] = random.choice(((one[0], other[0]), (other[0], one[0])))


def _other_texts(document: dict[str, Any], random: Random) -> bytes:
    """Texts of a shard that are none, others, or too many."""
    packed = []
    for shard in document["shards"]:
        content = random.choice((b"", b"[]", b"\xff", b"[" * 10_000, json.dumps(["x"] * shard[1]).encode()))
        packed.append(zlib.compress(content, 1))
        shard[2] = len(packed[-1])
    return b"".join(packed)
