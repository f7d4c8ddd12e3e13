import gzip
import io
import math
import time
import zlib

import pytest
import requests
from urllib3 import HTTPResponse

from labelloop.label_studio.response_bodies import read_body


class Endless(io.RawIOBase):
    """Starts with `begin`, then the same for ever; tells how much was taken."""

    def __init__(self, begin: bytes, then: bytes) -> None:
        self.left, self.then, self.taken = begin, then, 0

    def read(self, size: int = -1) -> bytes:
        piece = self.left[:size]
        self.left = self.left[size:]
        piece += (self.then * (size // len(self.then) + 1))[: size - len(piece)]
        self.taken += len(piece)
        return piece

    read1 = read


def body(content: bytes | io.RawIOBase, encoding: str = "", limit: int = 10_000) -> tuple[bytes, bool]:
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    raw = HTTPResponse(file, preload_content=False, decode_content=False, headers={"Content-Encoding": encoding})
    return read_body(raw, encoding, limit, math.inf)


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "x-gzip", "GZIP"])
def test_bodies_are_read_whole(encoding: str) -> None:
    content = b"abc" * 3000
    assert body(gzip.compress(content) if "zip" in encoding.lower() else content, encoding) == (content, True)
    assert body(b"", encoding) == (b"", True)


def test_no_more_is_taken_than_the_limit() -> None:
    assert body(b"x" * 10_001) == (b"x" * 10_000, False)
    assert body(b"x" * 10_000) == (b"x" * 10_000, True)
    assert body(gzip.compress(b"x" * 10_000_000), "gzip") == (b"x" * 10_000, False)
    # Blocks of which nothing comes: a decoder that waits for something would read them for ever.
    endless = Endless(gzip.compress(b"")[:10], b"\0\0\0\xff\xff")
    assert body(endless, "gzip") == (b"", False)
    assert endless.taken < 1_000_000
    after_the_end = Endless(gzip.compress(b"[]"), b"\0")
    assert body(after_the_end, "gzip", 100_000_000) == (b"[]", True)
    assert after_the_end.taken < 1_000_000


@pytest.mark.parametrize("encoding", ["deflate", "br", "gzip, gzip", "x"])
def test_an_encoding_that_was_not_asked_for_is_an_error(encoding: str) -> None:
    with pytest.raises(requests.exceptions.ContentDecodingError):
        body(zlib.compress(b"x"), encoding)


def test_damaged_gzip_is_an_error() -> None:
    with pytest.raises(requests.exceptions.ContentDecodingError):
        body(b"[[[[", "gzip")


def test_the_deadline_holds() -> None:
    raw = HTTPResponse(io.BytesIO(b"x" * 200_000), preload_content=False, decode_content=False)
    with pytest.raises(requests.ReadTimeout):
        read_body(raw, "", 10**6, time.monotonic() - 1)
