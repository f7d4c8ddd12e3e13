import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from tests.fakes.virtual_time import run

from labelloop_operator.ops.health import LAG_LIMIT, STUCK_LIMIT, Health
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


def test_liveness_needs_fresh_lists_a_turning_loop_and_work_that_gets_done() -> None:
    async def story() -> None:
        oldest = [0.0]
        health = Health(900, lambda: oldest[0])
        assert health.live().ok
        health.listed()
        await asyncio.sleep(899)
        assert health.live().ok
        await asyncio.sleep(2)
        assert "the newest complete list is 901 s old" in health.live().text()
        health.listed()
        oldest[0] = STUCK_LIMIT + 1
        assert "a resource waits" in health.live().text()

    run(story())


async def test_a_late_loop_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(900)
    health._lag = LAG_LIMIT + 1
    assert "late" in health.live().text()


def test_readiness_needs_the_lease_and_a_full_cache() -> None:
    leading = [False]
    health = Health(900, leading=lambda: leading[0])
    assert health.ready().problems == ("another replica leads", "the cache is not filled yet")
    leading[0] = health.prefilled = True
    assert health.ready().ok


def test_a_resource_s_gauges_go_with_it() -> None:
    metrics = Metrics()
    metrics.updates_pending.labels("a", "b").set(3)
    assert b'labelloop_updates_pending{name="b",namespace="a"} 3.0' in metrics.text()
    metrics.forget("a", "b")
    metrics.forget("a", "b")
    assert b'namespace="a"' not in metrics.text()
