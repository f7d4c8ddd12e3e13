import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from labelloop.serving.request_bodies import BodyReader, parse_json, require_list, require_object, require_text
from labelloop.serving.request_error import RequestError


def request(chunks: list[bytes], *, announce: int | None = None) -> Request:
    async def parts() -> AsyncIterator[dict[str, object]]:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    headers = [] if announce is None else [(b"content-length", str(announce).encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, parts().__anext__)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_request_error(body: bytes):
    with contextlib.suppress(RequestError):
        parse_json(body)


def test_half_a_surrogate_pair_and_nan_are_read():
    assert parse_json(rb'{"text": "\ud83d", "score": NaN}') == {"text": "\ud83d", "score": None}


def test_deep_nesting_is_a_400():
    with pytest.raises(RequestError, match="not JSON"):
        parse_json(b"[" * 100_000)


def test_an_empty_body_is_told_as_such():
    with pytest.raises(RequestError, match="The body is empty"):
        parse_json(b"  ")


async def test_size_and_content_are_returned():
    assert await BodyReader().read_json(request([b'{"a"', b": 1}"], announce=8)) == ({"a": 1}, 8)


async def test_a_body_in_pieces_without_announced_size_is_read():
    assert await BodyReader().read_json(request([b"[", b"1", b"]"])) == ([1], 3)


@pytest.mark.parametrize("announce", [20, None, 5])
async def test_a_body_above_the_limit_is_a_413_announced_or_not(announce: int | None):
    with pytest.raises(RequestError) as caught:
        await BodyReader(limit=10).read_json(request([b"[1, 2, 3,", b" 4, 5, 6]"], announce=announce))
    assert caught.value.status == 413
    assert "10" in caught.value.error


@pytest.mark.parametrize(
    ("payload", "told"), [(None, "null"), ([], "a list"), (1.5, "a number"), (True, "a boolean"), ("secret", "a text")]
)
def test_a_body_that_is_no_object_is_told_by_type_only(payload: object, told: str):
    with pytest.raises(RequestError) as caught:
        require_object(payload)
    assert told in caught.value.error
    assert "secret" not in str(vars(caught.value))


def test_missing_and_wrong_fields_are_named():
    with pytest.raises(RequestError, match="tasks is missing"):
        require_list({}, "tasks", "send it")
    with pytest.raises(RequestError, match="tasks is null instead of a list"):
        require_list({"tasks": None}, "tasks", "send it")
    with pytest.raises(RequestError, match="schema is an object instead of a text"):
        require_text({"schema": {}}, "schema", "send it")
