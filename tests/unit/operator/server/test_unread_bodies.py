"""Answers given before the request's body has come, as a client sees them that sends it afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.waiting import PATIENCE
from tests.unit.operator.server.receiver_port import PATH, Port

from labelloop_operator.kubernetes.kinds import BACKEND

UPGRADE = {"Connection": "upgrade", "Upgrade": "h2c"}
STRANGER = {"Authorization": "Bearer x"}
CHUNK = b"2\r\n{}\r\n"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> Answer:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split()[1]), headers, body)

    async def rest(self) -> bytes:
        """All that still comes until the server closes."""
        return await self._reader.read()


@asynccontextmanager
async def connected(number: int) -> AsyncIterator[Wire]:
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        try:
            yield Wire(reader, writer)
        finally:
            writer.transport.abort()


def head(target: str, headers: dict[str, str], method: str = "POST") -> bytes:
    told = {"Host": "a", **headers}
    if "Content-Length" not in told:
        told["Transfer-Encoding"] = "chunked"
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


async def closes_after(wire: Wire, request: bytes, status: int) -> Answer:
    """The answer comes before the body's end, says that it is the last one, and the connection ends."""
    wire.send(request)
    answer = await wire.answer()
    assert (answer.status, answer.headers.get("connection")) == (status, "close")
    wire.send(LAST_CHUNK + head("/livez", {"Content-Length": "0"}, "GET"))
    assert await wire.rest() == b""
    return answer


@pytest.mark.parametrize("upgrade", [{}, UPGRADE])
@pytest.mark.parametrize("size", [0, 1_100_000])
async def test_a_refusal_of_a_body_still_to_come_ends_the_connection(
    api_port: tuple[Port, int], size: int, upgrade: dict[str, str]
) -> None:
    """Found by the fuzzer: an upgrade asked for took effect at the body's end, and nothing more was answered."""
    body = b"%x\r\n%s\r\n" % (size, b"x" * size) if size else b""
    async with connected(api_port[1]) as wire:
        answer = await closes_after(wire, head(f"{PATH}/hints", {**STRANGER, **upgrade}) + body, 401)
    assert json.loads(answer.body)["reason"] == "Unauthorized"


@pytest.mark.parametrize(
    ("target", "status"),
    [(f"{PATH}/train", 401), ("/v1/backends/team-a/other/hints", 404), ("/unknown", 404), ("/livez", 405)],
)
async def test_every_early_refusal_ends_the_connection(api_port: tuple[Port, int], target: str, status: int) -> None:
    async with connected(api_port[1]) as wire:
        await closes_after(wire, head(target, {**STRANGER, **UPGRADE}), status)


async def test_so_does_an_expectation_that_is_not_met(api_port: tuple[Port, int]) -> None:
    async with connected(api_port[1]) as wire:
        await closes_after(wire, head(f"{PATH}/hints", {"Expect": "x", **UPGRADE}), 417)


async def test_so_does_one_request_too_many(api_port: tuple[Port, int]) -> None:
    port, number = api_port
    for _ in range(10):
        await port.post(f"{PATH}/hints", headers=STRANGER)
    async with connected(number) as wire:
        await closes_after(wire, head(f"{PATH}/hints", STRANGER | UPGRADE), 429)


async def test_so_does_a_body_that_is_too_large(api_port: tuple[Port, int]) -> None:
    port, number = api_port
    body = b"%x\r\n%s\r\n" % (1_100_000, b"x" * 1_100_000)
    async with connected(number) as wire:
        await closes_after(wire, head(f"{PATH}/hints", port.bearer | UPGRADE) + body, 413)


@pytest.mark.parametrize(("spec", "status"), [({"suspend": True}, 409), ({}, 202)])
async def test_so_does_the_answer_to_a_request_to_train(
    api_port: tuple[Port, int], spec: dict[str, Any], status: int
) -> None:
    """Whose body says nothing, and is not waited for."""
    port, number = api_port
    port.resource(**spec)
    async with connected(number) as wire:
        await closes_after(wire, head(f"{PATH}/train", port.bearer | UPGRADE), status)


async def test_so_does_a_fault_of_the_api_server(api_port: tuple[Port, int]) -> None:
    port, number = api_port
    port.api.refuse("PATCH", "labelstudiobackends", 503, "down")
    async with connected(number) as wire:
        await closes_after(wire, head(f"{PATH}/train", port.bearer | UPGRADE), 503)


async def test_so_does_a_probe_with_a_body(api_port: tuple[Port, int]) -> None:
    async with connected(api_port[1]) as wire:
        await closes_after(wire, head("/livez", UPGRADE, "GET"), 200)


async def test_what_is_no_http_ends_the_connection(api_port: tuple[Port, int]) -> None:
    async with connected(api_port[1]) as wire:
        wire.send(b"POST /livez HTTP/1.1\r\nA\r\n\r\n")
        assert (await wire.answer()).status == 400
        wire.send(LAST_CHUNK)
        assert await wire.rest() == b""


@pytest.mark.parametrize("upgrade", [{}, UPGRADE])
async def test_a_body_that_has_come_keeps_the_connection(api_port: tuple[Port, int], upgrade: dict[str, str]) -> None:
    port, number = api_port
    async with connected(number) as wire:
        for headers, status in ((STRANGER, 401), (port.bearer, 202), (STRANGER, 401)):
            wire.send(head(f"{PATH}/hints", headers | upgrade) + CHUNK + LAST_CHUNK)
            answer = await wire.answer()
            assert (answer.status, answer.headers.get("connection")) == (status, None)


async def test_a_replica_hands_on_what_the_leader_refuses_early(port: Port) -> None:
    leader = Port(port.api)
    leader.item = port.item
    leader.cache.put(BACKEND, port.item)
    await leader.client.start_server()
    port.leading = False
    port.leader_address = str(leader.client.make_url("")).rstrip("/")
    large = json.dumps({"action": "x" * 1_000_000}).encode()
    for headers, status in ((STRANGER, 401), (STRANGER, 401), (port.bearer, 202), (STRANGER, 401)):
        assert (await port.post(f"{PATH}/hints", large, headers))[0] == status
    await leader.client.close()
    await leader.peer.close()
    await leader.kubernetes.close()
