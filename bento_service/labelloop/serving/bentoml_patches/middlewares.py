"""Faults of BentoML 1.4 that long-running backends suffer from, fixed in place (measured: docs/operations/serving.md).

The classes replaced are private: BentoML is pinned and tests check that they still have this shape.
"""

import asyncio
import time
from typing import cast

from bentoml._internal.context import server_context
from bentoml._internal.server.http import instruments, traffic
from prometheus_client import Counter, Gauge, Histogram
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OTHER_PATH = "/other"
PROBES = frozenset({"/livez", "/readyz", "/healthz", "/health"})
"""Do not count as a request that somebody makes."""


class TimeoutMiddleware:
    """Stops requests that take too long, with one timer per request that ends with it.

    BentoML's own never cancels its timers: at 600 requests a second 40,000 of them hold 200 MB and make garbage
    collections of 0.9 s. It also hangs until the time-out when an inner middleware raises.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.app = app
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 504 when the response has not begun after `timeout` seconds."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        task = cast("asyncio.Task[None]", asyncio.current_task())
        has_begun = has_fired = False

        def fire() -> None:
            nonlocal has_fired
            if not has_begun:
                has_fired = True
                task.cancel()

        async def send_begun(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            timer.cancel()
            await send(message)

        timer = asyncio.get_running_loop().call_later(self.timeout, fire)
        try:
            await self.app(scope, receive, send_begun)
        except asyncio.CancelledError:
            if not has_fired:
                raise
            task.uncancel()
            error = f"Not answered within {self.timeout:g} seconds"
            await JSONResponse({"error": error, "remedy": "Send fewer tasks at once."}, 504)(scope, receive, send)
        finally:
            timer.cancel()


class TrafficMetricsMiddleware(instruments.RunnerTrafficMetricsMiddleware):  # type: ignore[misc]
    """BentoML's request metrics for HTTP: the same names and labels, at a fifth of the cost, with bounded series.

    BentoML labels with the raw path: whoever scans the port adds new series for every address tried, without end. And
    it looks the labels up at each of five steps of a request.
    """

    known_paths: frozenset[str] = frozenset()

    def __init__(self, app: ASGIApp, **options: object) -> None:
        super().__init__(app, **options)
        self._in_progress: dict[str, Gauge] = {}
        self._answered: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._last_request: Gauge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count under the path, or under `/other`."""
        path = scope["path"] if scope["type"] == "http" else "/metrics"
        if path == "/metrics":
            await self.app(scope, receive, send)
            return
        if not self._is_setup:
            self._setup()
        if path not in self.known_paths:
            path = OTHER_PATH
        if path not in PROBES:
            self._show_time()
        status = 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body"):
                total, seconds = self._answered_as(path, int(status))
                total.inc()
                seconds.observe(time.perf_counter() - began)
            await send(message)

        in_progress = self._in_progress.get(path) or self._make_in_progress(path)
        in_progress.inc()
        began = time.perf_counter()
        try:
            await self.app(scope, receive, send_noting)
        finally:
            in_progress.dec()

    def _show_time(self) -> None:
        if self._last_request is None:
            self._last_request = self.metrics_last_request_timestamp.labels(**_service())
        self._last_request.set_to_current_time()

    def _make_in_progress(self, path: str) -> Gauge:
        made: Gauge = self.metrics_request_in_progress.labels(endpoint=path, **_service())
        self._in_progress[path] = made
        return made

    def _answered_as(self, path: str, status: int) -> tuple[Counter, Histogram]:
        found = self._answered.get((path, status))
        if found is None:
            labels = {"endpoint": path, "http_response_code": status, **_service()}
            found = self.metrics_request_total.labels(**labels), self.metrics_request_duration.labels(**labels)
            self._answered[path, status] = found
        return found


def _service() -> dict[str, str]:
    return {
        "service_name": server_context.bento_name,
        "service_version": server_context.bento_version,
        "runner_name": server_context.service_name,
    }


def apply(known_paths: frozenset[str]) -> None:
    """Put the repairs in place; must come before the service's ASGI app is made."""
    TrafficMetricsMiddleware.known_paths = known_paths
    traffic.TimeoutMiddleware = TimeoutMiddleware
    instruments.RunnerTrafficMetricsMiddleware = TrafficMetricsMiddleware
