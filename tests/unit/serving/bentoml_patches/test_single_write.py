import asyncio
import inspect
import logging
import re
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl

from labelloop.serving.bentoml_patches import single_write


class Transport(asyncio.Transport):
    """Notes each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed, "nobody would get this"
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def start(length: int | None, status: int = 200) -> Message:
    headers = [] if length is None else [(b"content-length", str(length).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: bytes, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def answered(messages: Sequence[Message], method: str = "GET", keep_alive: bool = True) -> Transport:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    transport = Transport()
    log = logging.getLogger("test")
    cycle = single_write.OneWriteCycle(
        scope={"type": "http", "method": method},  # type: ignore[typeddict-item, arg-type]
        transport=transport,
        flow=FlowControl(transport),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )
    await cycle.run_asgi(app)
    return transport


async def test_head_and_body_are_one_write():
    transport = await answered([start(2), body(b"{}")])
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"]
    assert not transport.is_closed


async def test_a_body_in_parts_goes_on_after_the_first():
    transport = await answered([start(4), body(b"ab", more=True), body(b"cd")])
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab", b"cd"]


async def test_a_body_of_unknown_length():
    transport = await answered([start(None), body(b"ab", more=True), body(b"")])
    assert b"".join(transport.writes).endswith(b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")


@pytest.mark.parametrize("length", [0, 2])
async def test_the_answer_to_head_is_the_head_alone(length: int):
    transport = await answered([start(length), body(b"{}"[:length])], method="HEAD")
    assert b"".join(transport.writes) == b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % length


async def test_the_answer_to_head_on_a_connection_that_is_not_kept_comes_before_its_end():
    transport = await answered([start(2), body(b"{}")], method="HEAD", keep_alive=False)
    assert b"".join(transport.writes) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
    assert transport.is_closed


async def test_an_empty_body():
    transport = await answered([start(0, 204), body(b"")])
    assert b"".join(transport.writes) == b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n"


async def test_a_connection_that_is_not_kept_is_closed_after_the_answer():
    transport = await answered([start(2), body(b"{}")], keep_alive=False)
    assert transport.writes == [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"]
    assert transport.is_closed


async def test_an_application_that_fails_before_its_answer_is_a_500():
    transport = await answered([body(b"{}")])
    assert b"".join(transport.writes).startswith(b"HTTP/1.1 500 ")


async def test_an_application_that_ends_in_the_middle_closes_the_connection():
    assert (await answered([start(2)])).is_closed


def test_uvicorn_still_has_the_shape_that_is_mended():
    source = inspect.getsource(httptools_impl)
    assert "self.cycle = RequestResponseCycle(" in source
    assert set(re.findall(r"self\.transport\.(\w+)", inspect.getsource(httptools_impl.RequestResponseCycle))) == {
        "write",
        "close",
        "is_closing",
    }


def test_it_is_put_where_uvicorn_looks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(httptools_impl, "RequestResponseCycle", single_write.OneWriteCycle.__mro__[1])
    single_write.install()
    assert httptools_impl.RequestResponseCycle is single_write.OneWriteCycle
