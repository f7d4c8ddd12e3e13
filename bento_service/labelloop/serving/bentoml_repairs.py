"""Faults of BentoML 1.4 that long-running backends suffer from, mended in place (measured: docs/serving.md).

The classes replaced are private: BentoML is pinned and tests check that they still have this shape.
"""

import asyncio
from typing import cast

from bentoml._internal.server.http import instruments, traffic
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OTHER_PATH = "/other"


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
    """BentoML's request metrics, which label with the raw path, kept to a known set of paths.

    Whoever scans the port would otherwise add new series for every address tried, without end.
    """

    known_paths: frozenset[str] = frozenset()

    def __init__(self, app: ASGIApp, **options: object) -> None:
        async def with_own_path(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope.pop("labelloop.scope", scope), receive, send)

        super().__init__(with_own_path, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count under the path, or under `/other`."""
        if scope["type"] == "http" and scope["path"] not in self.known_paths:
            scope = {**scope, "path": OTHER_PATH, "labelloop.scope": scope}
        await super().__call__(scope, receive, send)


def apply(known_paths: frozenset[str]) -> None:
    """Put the repairs in place; must come before the service's ASGI app is made."""
    TrafficMetricsMiddleware.known_paths = known_paths
    traffic.TimeoutMiddleware = TimeoutMiddleware
    instruments.RunnerTrafficMetricsMiddleware = TrafficMetricsMiddleware
