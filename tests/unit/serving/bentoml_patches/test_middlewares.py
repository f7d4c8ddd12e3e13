import asyncio
import inspect

import httpx
import pytest
from bentoml._internal.server import base_app
from bentoml._internal.server.http import instruments, traffic
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from starlette.types import ASGIApp, Receive, Scope, Send

from labelloop.serving.bentoml_patches import middlewares


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backend")


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise LookupError("lost")


def test_bentoml_still_has_the_shape_that_is_mended():
    assert "class TimeoutMiddleware:\n    def __init__(self, app: ext.ASGIApp, timeout: float)" in inspect.getsource(
        traffic
    )
    assert "Middleware(TimeoutMiddleware, timeout=self.timeout)" in inspect.getsource(base_app.BaseAppFactory)
    original = middlewares.TrafficMetricsMiddleware.__mro__[1]
    assert list(inspect.signature(original).parameters) == ["app", "namespace", "skip_paths"]
    source = inspect.getsource(original)
    assert 'endpoint = scope["path"]' in source
    # What we count into, with these labels, under these names.
    for metric in ("request_duration", "request_total", "request_in_progress", "last_request_timestamp"):
        assert f"self.metrics_{metric}" in source
    names = '["endpoint", "service_name", "service_version", "runner_name"]'
    assert names in source
    assert 'labelnames=["service_name", "service_version", "runner_name"]' in source


def test_the_repairs_are_put_where_bentoml_looks():
    middlewares.apply(frozenset({"/predict"}))
    assert traffic.TimeoutMiddleware is middlewares.TimeoutMiddleware
    assert instruments.RunnerTrafficMetricsMiddleware is middlewares.TrafficMetricsMiddleware


async def test_a_request_that_hangs_gets_a_504():
    answer = await client(middlewares.TimeoutMiddleware(hangs, 0.01)).get("/")
    assert answer.status_code == 504
    assert "0.01 seconds" in answer.json()["error"]


async def test_an_error_inside_is_raised_at_once():
    with pytest.raises(LookupError):
        await client(middlewares.TimeoutMiddleware(raises, 3600)).get("/")


async def test_no_timer_stays_behind_a_request():
    loop = asyncio.get_running_loop()
    set_timers: list[asyncio.TimerHandle] = []
    call_later = loop.call_later
    loop.call_later = lambda *args: set_timers.append(call_later(*args)) or set_timers[-1]  # type: ignore[method-assign]
    assert (await client(middlewares.TimeoutMiddleware(answers, 3600)).get("/")).status_code == 200
    assert set_timers
    assert all(timer.cancelled() for timer in set_timers)


async def test_a_cancelled_request_stays_cancelled():
    task = asyncio.create_task(client(middlewares.TimeoutMiddleware(hangs, 3600)).get("/"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


SERVICE_LABELS = {name: str(value) for name, value in middlewares._service().items()}


class InMemoryMetrics:
    """BentoML's metrics client, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.Histogram, self.Counter, self.Gauge, self.Summary = (
            lambda kind=kind, **options: kind(registry=self.registry, **options)
            for kind in (Histogram, Counter, Gauge, Summary)
        )


async def test_request_metrics_have_one_series_for_all_unknown_paths():
    metrics = InMemoryMetrics()
    middleware = middlewares.TrafficMetricsMiddleware(answers, namespace="test", skip_paths=["/metrics"])
    middleware._setup(metrics_client=metrics, duration_buckets=(1.0,))
    middleware.known_paths = frozenset({"/predict"})
    async with client(middleware) as http:
        assert (await http.get("/predict")).text == "/predict"
        for number in range(5):
            assert (await http.get(f"/scan/{number}")).text == f"/scan/{number}"
    counted = {
        sample.labels["endpoint"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "test_request_total"
    }
    assert counted == {"/predict": 1, "/other": 5}


async def test_request_metrics_tell_status_time_and_what_is_under_way():
    metrics = InMemoryMetrics()
    seen: list[float] = []

    def value(name: str, **labels: str) -> float:
        told = metrics.registry.get_sample_value(f"test_{name}", {**SERVICE_LABELS, **labels})
        assert told is not None, name
        return told

    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(value("request_in_progress", endpoint="/predict"))
        raise LookupError("lost")

    middleware = middlewares.TrafficMetricsMiddleware(answers, namespace="test", skip_paths=["/metrics"])
    middleware._setup(metrics_client=metrics, duration_buckets=(1.0,))
    middleware.known_paths = frozenset({"/predict", "/readyz"})
    async with client(middleware) as http:
        await http.get("/readyz")
        assert "test_last_request_timestamp_seconds" not in {
            sample.name for family in metrics.registry.collect() for sample in family.samples
        }
        await http.get("/predict")
        await http.get("/predict")
        assert value("last_request_timestamp_seconds") > 0
        assert value("request_total", endpoint="/predict", http_response_code="200") == 2
        assert value("request_duration_seconds_count", endpoint="/predict", http_response_code="200") == 2
        middleware.app = fails
        with pytest.raises(LookupError):
            await http.get("/predict")
    assert seen == [1]
    assert value("request_in_progress", endpoint="/predict") == 0


async def test_a_request_for_the_metrics_is_not_counted():
    metrics = InMemoryMetrics()
    middleware = middlewares.TrafficMetricsMiddleware(answers, namespace="test", skip_paths=["/metrics"])
    middleware._setup(metrics_client=metrics, duration_buckets=(1.0,))
    async with client(middleware) as http:
        assert (await http.get("/metrics")).status_code == 200
    assert not [sample for family in metrics.registry.collect() for sample in family.samples]
