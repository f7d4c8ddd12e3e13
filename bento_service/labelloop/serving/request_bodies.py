"""Reading and checking request bodies; everything that is wrong with one is a RequestError."""

import asyncio
import json

import orjson
from starlette.requests import Request

from labelloop.serving.request_error import RequestError

MAX_BODY_BYTES = 128 * 1024 * 1024
"""Label Studio sends all tasks of a batch in one request: 10,000 short ones are 12 MB."""
LARGE_BODY_BYTES = 4 * 1024 * 1024
LARGE_BODIES_AT_ONCE = 2


class BodyReader:
    """Reads bodies of bounded size; few large ones are in memory at a time, the others wait in the kernel's buffers."""

    def __init__(self, limit: int = MAX_BODY_BYTES) -> None:
        self._limit = limit
        self._large = asyncio.Semaphore(LARGE_BODIES_AT_ONCE)

    async def read_json(self, request: Request) -> tuple[object, int]:
        """The parsed body and its size in bytes; RequestError 400 when it is not JSON, 413 when it is too large."""
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isascii() and announced.isdigit() else None
        if size is not None and size > self._limit:
            raise self._too_large(size)
        if size is not None and size <= LARGE_BODY_BYTES:
            return await self._parse(request)
        async with self._large:
            return await self._parse(request)

    async def _parse(self, request: Request) -> tuple[object, int]:
        body = await self._read(request)
        return parse_json(body), len(body)

    async def _read(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._limit:
                raise self._too_large(size)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self, size: int) -> RequestError:
        return RequestError(
            413,
            f"The body has {size:,} bytes or more, the limit is {self._limit:,}",
            field="body",
            remedy="Send fewer tasks in one request, or tasks without their annotations.",
        )


def parse_json(body: bytes) -> object:
    """Parse JSON, also what orjson refuses but a database may hold: halves of surrogate pairs, NaN (read as null)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as strict:
        try:
            return json.loads(body, parse_constant=lambda _constant: None)
        except (ValueError, RecursionError):
            raise RequestError(
                400,
                "The body is empty" if not body.strip() else f"The body is not JSON: {strict.msg}",
                field="body",
                value=f"{len(body)} bytes" + ("" if not body.strip() else f", fault at character {strict.pos}"),
                remedy="Send a JSON object as Label Studio does.",
            ) from None


def require_object(payload: object) -> dict[str, object]:
    """The body as an object, or RequestError 400."""
    if not isinstance(payload, dict):
        raise RequestError(
            400,
            f"The body is {describe(payload)} instead of an object",
            field="body",
            remedy="Send a JSON object as Label Studio does.",
        )
    return payload


def require_text(payload: dict[str, object], field: str, remedy: str) -> str:
    """A text field of the body, or RequestError 400."""
    value = payload.get(field)
    if not isinstance(value, str):
        raise _wrong(payload, field, "a text", remedy)
    return value


def require_list(payload: dict[str, object], field: str, remedy: str) -> list[object]:
    """A list field of the body, or RequestError 400."""
    value = payload.get(field)
    if not isinstance(value, list):
        raise _wrong(payload, field, "a list", remedy)
    return value


def _wrong(payload: dict[str, object], field: str, wanted: str, remedy: str) -> RequestError:
    told = f"is {describe(payload[field])} instead of {wanted}" if field in payload else "is missing"
    return RequestError(400, f"{field} {told}", field=field, remedy=remedy)


def describe(value: object) -> str:
    """The JSON type of a value, in words; never the value itself, which may be a text of a task."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else "a number"
