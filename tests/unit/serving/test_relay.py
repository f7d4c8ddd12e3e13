import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.support.operator_relay import RelayRecord, operator_relay

from labelloop.serving.relay import Relay, RelayError
from labelloop.serving.serving_settings import RelayTarget
from labelloop.serving.webhook_events import AnnotationTime, Event

OLD, NEW = "2026-11-22T06:00:00.1Z", "2026-11-22T06:00:00.2Z"


@pytest.fixture
def operator() -> Iterator[RelayRecord]:
    with operator_relay() as record:
        yield record


@asynccontextmanager
async def relay(url: str) -> AsyncIterator[tuple[Relay, Counter]]:
    counted: Counter = Counter()
    one = Relay(RelayTarget(url, "s3cret"), lambda call, outcome: counted.update([(call, outcome)]))
    await one.start()
    try:
        yield one, counted
    finally:
        await one.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110  (what is waited for happens in the server's thread)
            await asyncio.sleep(0.005)


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def test_a_hint_tells_action_ids_and_times_with_the_relay_secret(operator: RelayRecord):
    async with relay(operator.url) as (one, counted):
        one.hint(Event("ANNOTATION_UPDATED", (AnnotationTime(3, NEW),)), authenticated=True)
        await until(lambda: counted["hints", "accepted"] == 1)
    body = {"action": "ANNOTATION_UPDATED", "authenticated": True, "annotations": [{"id": 3, "updated_at": NEW}]}
    assert operator.requests == [("/v1/backends/team-a/intents/hints", "Bearer s3cret", body)]


async def test_hints_during_a_slow_answer_are_merged_and_keep_the_newest_time(operator: RelayRecord):
    operator.gate.clear()
    async with relay(operator.url) as (one, counted):
        one.hint(Event("TASKS_CREATED", ()), authenticated=False)
        await until(lambda: len(operator.requests) == 1)
        for number, time in ((1, OLD), (2, OLD), (1, NEW), (1, OLD)):
            one.hint(Event("ANNOTATION_UPDATED", (AnnotationTime(number, time),)), authenticated=True)
        operator.gate.set()
        await until(lambda: counted.total() == 2)
    times = {item["id"]: item["updated_at"] for item in operator.bodies("hints")[1]["annotations"]}
    assert times == {1: NEW, 2: OLD}


async def test_trusted_and_other_hints_are_not_mixed(operator: RelayRecord):
    async with relay(operator.url) as (one, counted):
        one.hint(Event("ANNOTATION_UPDATED", (AnnotationTime(1, NEW),)), authenticated=False)
        one.hint(Event("ANNOTATION_UPDATED", (AnnotationTime(2, NEW),)), authenticated=True)
        await until(lambda: counted.total() == 2)
    told = {body["authenticated"]: [item["id"] for item in body["annotations"]] for body in operator.bodies("hints")}
    assert told == {False: [1], True: [2]}


async def test_what_is_pending_at_the_end_is_still_sent(operator: RelayRecord):
    async with relay(operator.url) as (one, _):
        one.hint(Event("PROJECT_UPDATED", ()), authenticated=False)
    assert [body["action"] for body in operator.bodies("hints")] == ["PROJECT_UPDATED"]


async def test_a_lost_hint_is_logged_once_and_later_ones_are_sent(
    operator: RelayRecord, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "labelloop")
    operator.status = 503
    async with relay(operator.url) as (one, counted):
        for number in (1, 2):
            one.hint(Event("PROJECT_UPDATED", ()), authenticated=False)
            await until(lambda number=number: counted["hints", "refused"] == number)
        operator.status = 202
        one.hint(Event("PROJECT_UPDATED", ()), authenticated=False)
        await until(lambda: counted["hints", "accepted"] == 1)
    levels = [record.levelname for record in caplog.records if record.name == "labelloop.serving.relay"]
    assert levels == ["WARNING", "INFO"]
    assert "s3cret" not in caplog.text


async def test_an_unreachable_operator_costs_hints_nothing(caplog: pytest.LogCaptureFixture):
    async with relay(f"http://127.0.0.1:{closed_port()}") as (one, counted):
        one.hint(Event("PROJECT_UPDATED", ()), authenticated=False)
        await until(lambda: counted["hints", "unreachable"] == 1)
    assert "does not answer at http://127.0.0.1" in caplog.text


async def test_a_training_is_accepted_by_the_operators_2xx(operator: RelayRecord):
    async with relay(operator.url) as (one, counted):
        await one.train(authenticated=False)
    assert operator.bodies("train") == [{"action": "START_TRAINING", "authenticated": False, "annotations": []}]
    assert counted == {("train", "accepted"): 1}


@pytest.mark.parametrize(
    ("status", "answer", "told"),
    [
        (409, {"reason": "Suspended", "message": "spec.suspend is true: set it to false"}, "spec.suspend is true"),
        (401, {}, "relay secret"),
        (404, "gone", "no such LabelStudioBackend"),
        (429, None, "too many"),
        (503, {}, "not leading"),
        (302, {}, "unexpected answer"),
    ],
)
async def test_a_refused_training_tells_the_operators_reason(
    operator: RelayRecord, status: int, answer: object, told: str
):
    operator.status, operator.answer = status, answer
    async with relay(operator.url) as (one, _):
        with pytest.raises(RelayError, match=told):
            await one.train(authenticated=False)


async def test_a_refusal_may_end_the_connection():
    """The operator refuses before the body has come, and closes."""
    answer = b'{"reason": "Suspended", "message": "it is suspended"}'
    heads = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        await reader.readuntil(b"}")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, relay(url) as (one, _):
        for _ in range(2):
            with pytest.raises(RelayError, match=r"HTTP 409.*it is suspended"):
                await one.train(authenticated=False)
    assert [head.split()[1] for head in heads] == [b"/train"] * 2


async def test_a_training_without_operator_names_the_address():
    async with relay(f"http://127.0.0.1:{closed_port()}") as (one, counted):
        with pytest.raises(RelayError, match=r"does not answer at http://127\.0\.0\.1"):
            await one.train(authenticated=False)
    assert counted == {("train", "unreachable"): 1}
