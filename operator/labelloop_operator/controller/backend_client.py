"""Which version a backend answers with, asked through its Service as Label Studio asks it."""

import json
import os

import aiohttp

TIMEOUT = 3.0
"""Seconds; more than a healthy backend needs on a busy node."""
_MAX_BYTES = 64 * 1024


class NoAnswer(Exception):  # noqa: N818 - an answer to the question, not a fault
    """The backend does not answer; the text says why, for people."""


class Backends:
    """GET /health, on a new connection each time: a connection that is kept would hide a route that has changed."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def version(self, url: str) -> str:
        """The version that answers at `url`. Raises NoAnswer."""
        try:
            async with self._connected().get(f"{url}/health", allow_redirects=False) as response:
                body = await response.content.read(_MAX_BYTES)
                status = response.status
        except TimeoutError:
            raise NoAnswer(f"no answer within {TIMEOUT:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(_reason(error)) from None
        return _version(status, body)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False)
            timeout = aiohttp.ClientTimeout(total=TIMEOUT)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def _version(status: int, body: bytes) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    version = said.get("model_version") if isinstance(said, dict) else None
    if status != 200 or not isinstance(version, str):
        raise NoAnswer(f"HTTP {status} without a model version: something else answers")
    if said.get("problem"):
        raise NoAnswer(str(said["problem"])[:300])
    return version


def _reason(error: Exception) -> str:
    """In few words: the address stands next to it."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name cannot be resolved"
    inner = getattr(error, "os_error", error)
    if isinstance(inner, OSError) and inner.errno:
        return os.strerror(inner.errno).lower()
    return str(inner) or type(inner).__name__
