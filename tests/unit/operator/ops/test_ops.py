import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from tests.fakes.virtual_time import run

from labelloop_operator.ops.health import LAG_LIMIT, SILENT_LIMIT, STUCK_LIMIT, Health
from labelloop_operator.ops.logging import configure, resource_fields
from labelloop_operator.ops.metrics import Metrics


@pytest.fixture
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_restored_logging")
def test_log_lines_are_json_with_the_resource_and_nothing_a_library_attached() -> None:
    stream = io.StringIO()
    configure("INFO", stream)
    logging.getLogger("a").info("did %s", "it", extra={**resource_fields(("ns", "x")), "settings": object()})
    logging.getLogger("kopf.x").info("chatter")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("a").exception("failed\nbadly")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["message"], first["resource"]) == ("INFO", "did it", "ns/x")
    assert "settings" not in first
    assert "ValueError: why" in second["trace"]


@pytest.mark.usefixtures("_restored_logging")
def test_bad_requests_leave_a_line_and_no_trace() -> None:
    stream = io.StringIO()
    configure("INFO", stream)
    for error in (BadHttpMessage("rubbish"), ConnectionResetError("gone"), ValueError("ours")):
        logging.getLogger("aiohttp.server").error("Error handling request", exc_info=error)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in lines[:2]] == [
        "bad request: BadHttpMessage",
        "bad request: ConnectionResetError",
    ]
    assert ["trace" in line for line in lines] == [False, False, True]


@pytest.mark.chaos_case("6")
def test_a_deaf_operator_is_not_alive() -> None:
    async def story() -> None:
        oldest = [0.0]
        health = Health(900, lambda: oldest[0])
        assert health.live().ok
        health.listed()
        health.asked(True)
        await asyncio.sleep(899)
        health.asked(True)
        assert health.live().ok
        await asyncio.sleep(2)
        assert "the newest complete list is 901 s old" in health.live().text()
        health.listed()
        assert health.live().ok
        oldest[0] = STUCK_LIMIT + 1
        assert "a resource waits" in health.live().text()

    run(story())


@pytest.mark.chaos_case("5")
def test_an_api_server_that_does_not_answer_is_no_reason_to_restart() -> None:
    async def story() -> None:
        oldest = [0.0]
        health = Health(900, lambda: oldest[0])
        health.asked(True)
        health.listed()
        health.asked(False)
        oldest[0] = STUCK_LIMIT + 1
        for _ in range(60):
            await asyncio.sleep(30)
            health.asked(False)
            assert health.live().ok
        health.asked(True)  # it is back: what was late through no fault of ours gets its time again
        assert health.live().ok
        await asyncio.sleep(STUCK_LIMIT + 1)
        health.asked(True)
        assert "a resource waits" in health.live().text()
        await asyncio.sleep(600)
        health.asked(True)
        assert "the newest complete list" in health.live().text()

    run(story())


def test_one_that_does_not_even_ask_the_api_server_is_not_alive() -> None:
    async def story() -> None:
        health = Health(900)
        health.asked(False)
        await asyncio.sleep(SILENT_LIMIT + 1)
        assert "the API server was not asked for 61 s" in health.live().text()

    run(story())


def test_a_replica_that_waits_for_its_turn_needs_no_lists() -> None:
    async def story() -> None:
        health = Health(900, lambda: STUCK_LIMIT + 1, leading=lambda: False)
        health.listed()
        await asyncio.sleep(2000)
        health.asked(True)
        assert health.live().ok

    run(story())


async def test_a_late_loop_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(900)
    health._lag = LAG_LIMIT + 1
    assert "late" in health.live().text()


async def test_who_leads_is_ready_with_a_full_cache_and_others_when_they_could_read_the_lease() -> None:
    leading = [False]
    health = Health(900, leading=lambda: leading[0])
    assert health.ready().problems == ("the lease was not read yet",)
    health.asked(True)
    assert health.ready().ok
    leading[0] = True
    assert health.ready().problems == ("the cache is not filled yet",)
    health.prefilled = True
    assert health.ready().ok


def test_a_resource_s_gauges_go_with_it() -> None:
    metrics = Metrics()
    metrics.updates_pending.labels("a", "b").set(3)
    assert b'labelloop_pending_updates{name="b",namespace="a"} 3.0' in metrics.text()
    metrics.forget("a", "b")
    metrics.forget("a", "b")
    assert b'namespace="a"' not in metrics.text()
