"""JSON that nobody expects: values, mutations of good documents, and encodings."""

import gzip
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Place = tuple[Any, Any]
"""A container and the key or index in it."""

DEEP = 300
"""Deeper than any real document; what exceeds parsers comes as bytes (`encoded`)."""


def nested(depth: int, inner: object = None) -> object:
    """Lists and objects in each other."""
    for level in range(depth):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


ODD: tuple[Callable[[Random], object], ...] = (
    lambda _: None,
    lambda _: True,
    lambda _: False,
    lambda _: "",
    lambda _: [],
    lambda _: {},
    lambda _: [[]],
    lambda _: {"": {}},
    lambda random: random.choice((0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400)),
    lambda random: random.choice((0.5, -0.0, 1e308, 5e-324, 1.0, 1e16, float("nan"), float("inf"), float("-inf"))),
    lambda random: odd_text(random),
    lambda random: [odd_text(random) for _ in range(random.randrange(5))],
    lambda random: {odd_text(random): random.randrange(9) for _ in range(random.randrange(5))},
    lambda random: nested(random.choice((3, 30, DEEP))),
    lambda random: [None] * random.choice((10, 1000)),
)
TEXTS = (
    " ", "\n", "\0", "a\0b", "\ud800", "x\udfffy", "\ufeff", "\u202e", "é" * 50, "日本語", "👍🏽", "null", "true",
    "NaN", "0", "-1", "1e999", "$text",
    "{{x}}", "%s%n", "../../etc/passwd", "<b>&amp;</b>", "<!--", "]]>", '"', "\\", "'; --",
    "2026-11-22T06:00:00.123456Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59",
    "2026-02-30T00:00:00Z",
    "sha256:" + "0" * 64, "http://127.0.0.1:1/", "__proto__", "__class__", "constructor",
)  # fmt: skip


def odd_text(random: Random) -> str:
    """Empty, special, long or random characters."""
    kind = random.randrange(8)
    if kind < 5:
        return random.choice(TEXTS)
    if kind == 5:
        return "".join(chr(random.choice((random.randrange(128), random.randrange(0x110000)))) for _ in range(12))
    if kind == 6:
        return random.choice("aé👍 <&") * random.choice((100, 1000, 10_000))
    return ""


def odd_value(random: Random) -> object:
    """Any JSON value, most of them of the wrong kind."""
    return random.choice(ODD)(random)


def places(document: object) -> Iterator[Place]:
    """Every place in a document."""
    stack = [document]
    while stack:
        value = stack.pop()
        keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        for key in keys:
            yield value, key
            stack.append(value[key])


def mutated(document: Any, random: Random, changes: int | None = None) -> Any:
    """A copy with some places changed."""
    document = json.loads(json.dumps(document))
    for _ in range(changes or random.choice((1, 1, 1, 2, 3, 6))):
        found = list(places(document))
        if not found:
            return odd_value(random)
        container, key = random.choice(found)
        random.choice(CHANGES)(container, key, random)
    return document


def _replace(container: Any, key: Any, random: Random) -> None:
    container[key] = odd_value(random)


def _alike(container: Any, key: Any, random: Random) -> None:
    """A value of the same kind, slightly off: what passes the first check."""
    value = container[key]
    if isinstance(value, bool):
        container[key] = not value
    elif isinstance(value, int | float):
        container[key] = random.choice((-value, value + 1, value * 10**9, value // 7, str(value), 0))
    elif isinstance(value, str):
        cut = random.randrange(len(value) + 1)
        container[key] = random.choice(
            (value[:cut], value[:cut] + odd_text(random) + value[cut:], value.upper(), [value])
        )
    elif isinstance(value, list):
        container[key] = random.choice(
            (value * 3, value[::-1], value[:-1], [value], {str(index): item for index, item in enumerate(value)})
        )
    elif isinstance(value, dict):
        container[key] = random.choice(([value], list(value), {**value, odd_text(random): 1}, {"": value}))


def _drop(container: Any, key: Any, random: Random) -> None:
    del container[key]


def _rename(container: Any, key: Any, random: Random) -> None:
    if isinstance(container, dict):
        container[random.choice((odd_text(random), key.upper(), key + "s", key[:-1]))] = container.pop(key)


CHANGES = (_replace, _replace, _alike, _alike, _alike, _drop, _rename)


def generated(random: Random, depth: int = 4) -> object:
    """A document made of nothing but oddities."""
    if depth == 0 or random.random() < 0.3:
        return odd_value(random)
    if random.random() < 0.5:
        return [generated(random, depth - 1) for _ in range(random.randrange(4))]
    return {odd_text(random): generated(random, depth - 1) for _ in range(random.randrange(4))}


def encoded(document: object, random: Random) -> bytes:
    """As JSON in one of the ways that clients write it, sometimes not quite JSON."""
    text = json.dumps(document, ensure_ascii=random.random() < 0.7, indent=random.choice((None, None, 1)))
    data = text.encode("utf-8", "surrogatepass")
    return random.choice(BREAKS)(data, random) if random.random() < 0.25 else data


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 10))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _splice(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    piece = random.choice(
        (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"NaN", b"Infinity", b"-", b",", b"]", b"\0", b"1e999999")
    )
    return data[:at] + piece + data[at:]


def _twice(data: bytes, random: Random) -> bytes:
    """The first key again, with another value: the last one counts."""
    start, _, rest = data.partition(b"{")
    key = rest.partition(b":")[0]
    return (
        start + b"{" + key + b":" + random.choice((b"1", b"null", b"[]", b'""')) + b"," + rest if b'"' in key else data
    )


BREAKS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip,
    _splice,
    _twice,
    lambda data, random: data[: random.randrange(len(data) + 1)],
    lambda data, random: data + random.choice((b"x", b"\0", b"{}", data)),
    lambda data, _: b"\xef\xbb\xbf" + data,
    lambda data, _: data.decode("utf-8", "replace").encode("utf-16"),
    lambda data, _: data.decode("utf-8", "replace").encode("utf-32-be"),
    lambda data, _: gzip.compress(data, 1),
    lambda _, random: random.choice((b"[", b'{"a":', b"[{")) * random.choice((100, 100_000)),
    lambda _, random: b"9" * random.choice((4000, 5000)),
    lambda _, random: random.randbytes(random.choice((1, 50, 5000))),
    lambda _, random: random.choice((b"", b" ", b"null", b"[]", b"0", b'""', b"NaN", b"<html></html>", b"a=b&c=d")),
)
