"""Bodies of answers, read within bounds of bytes and time, whatever the server makes of them."""

import time
import zlib

import requests
from urllib3 import HTTPResponse

CHUNK = 64 * 1024
ACCEPTED = "gzip"
"""What is asked for: the one encoding that is read here."""
_GZIP = 31


def read_body(raw: HTTPResponse, encoding: str, limit: int, deadline: float) -> tuple[bytes, bool]:
    """At most `limit` bytes, decompressed, and whether that is all of the body; not more are taken from the server.

    `deadline`: of time.monotonic(). Raises requests.ReadTimeout, and ContentDecodingError for what cannot be
    decompressed. urllib3's own decoders read on for as long as nothing comes of what they read.
    """
    decoder = _decoder(encoding)
    body, taken = bytearray(), 0
    # read1 returns what is there: a server that sends in drops is noticed at the deadline.
    while chunk := raw.read1(CHUNK, decode_content=False):
        taken += len(chunk)
        try:
            body += chunk if decoder is None else decoder.decompress(chunk, limit + 1 - len(body))
        except zlib.error:
            raise requests.exceptions.ContentDecodingError("damaged gzip") from None
        if taken > limit or len(body) > limit:
            return bytes(body[:limit]), False
        if decoder is not None and decoder.eof:
            break
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return bytes(body), True


def _decoder(encoding: str) -> "zlib._Decompress | None":
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in (ACCEPTED, "x-gzip"):
        return zlib.decompressobj(_GZIP)
    raise requests.exceptions.ContentDecodingError("an encoding that was not asked for")
