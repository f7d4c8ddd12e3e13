"""The HTTP adapter of registries: answers within bounds of size and time, credentials for the registry alone.

requests takes bodies of errors and redirects into memory whole, also those of streams, and waits for ever while
something comes; dxf sends its credentials to wherever an upload is directed.
"""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from labelloop.publishing.registry_errors import RegistryError

CHUNK = 1024**2
MAX_DOCUMENT = 16 * 1024**2
"""Bytes of a manifest, an image's configuration or any other answer that is read into memory."""
DOCUMENT_SECONDS = 60.0
"""For all of such an answer, however small the drops in which it comes."""
# What is safe to ask again is asked again; the Job as a whole is tried again by the operator.
_RETRIES = Retry(
    total=3, backoff_factor=0.2, status_forcelist=(429, 502, 503, 504), allowed_methods={"GET", "HEAD"},
    raise_on_status=False,
)  # fmt: skip


class BoundedAdapter(HTTPAdapter):
    """Reads answers as they are documented above; a stream that was granted (200) is left to who asked for it."""

    def __init__(self, trusted: set[str]) -> None:
        """`trusted`: host[:port] of those that may see credentials; may grow."""
        super().__init__(max_retries=_RETRIES)
        self._trusted = trusted

    def send(self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - passed through
        """One exchange."""
        request.headers["Accept-Encoding"] = "identity"
        if authority(request.url) not in self._trusted:
            request.headers.pop("Authorization", None)
        response = super().send(request, True, *args, **options)
        if not stream or response.status_code != 200:
            response._content = b"".join(parts(response, MAX_DOCUMENT, DOCUMENT_SECONDS))
            response._content_consumed = True  # type: ignore[attr-defined]
        return response


def parts(response: requests.Response, limit: int, seconds: float) -> Iterator[bytes]:
    """The body as it comes. Raises RegistryError beyond `limit` bytes, requests.Timeout after `seconds`."""
    size, deadline = 0, time.monotonic() + seconds
    with response:
        # read1 returns what is there: a registry that sends in drops is noticed at the deadline. Nothing is decoded, as
        # nothing was asked for: a decoder would read on for as long as nothing comes of what it reads.
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            size += len(chunk)
            if size > limit:
                raise RegistryError("Unknown", f"the registry's answer is larger than {limit} bytes")
            if time.monotonic() > deadline:
                raise requests.Timeout(f"its answer takes longer than {seconds:.0f} s")
            yield chunk


def authority(url: str | None) -> str:
    """Host and port of an address, empty when it is none."""
    try:
        return urlsplit(url or "").netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
