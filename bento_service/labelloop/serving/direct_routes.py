"""The way from BentoML's middlewares to our handlers without two routers in between.

A request to one of our routes would be compared with every route of BentoML's application, then with those of the
mounted one, and pass five further layers: together as long as the prediction of a text. Here it is looked up.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelloop.serving.request_error import unknown_path

Handler = Callable[[Request], Awaitable[Response]]
Teller = Callable[[Request, Exception], Awaitable[Response]]


class DirectRoutes:
    """ASGI middleware: calls the handler when path and method are those of a route of `application`.

    Anything else goes the usual way, which ends at the same `application`: other methods, unknown paths, probes,
    metrics. Errors are reported by the handlers of `application`; one that has none is raised on.
    """

    def __init__(self, app: ASGIApp, application: Starlette) -> None:
        self._app = app
        self._application = application
        self._handlers: dict[tuple[str, str], Handler] = {
            (method, route.path): route.endpoint
            for route in application.routes
            if isinstance(route, Route)
            for method in route.methods or ()
        }
        self._tell = cast("Mapping[object, Teller]", application.exception_handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] != "http" or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        handler = self._handlers.get((scope["method"], scope["path"]))
        if handler is None:
            await self._pass_on(scope, receive, send)
            return
        scope["app"] = self._application
        request = Request(scope, receive, send)
        try:
            response = await handler(request)
        except Exception as error:
            response = await self._error_response(request, error)
        await response(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """BentoML answers unknown paths in plain text: the answer is replaced by ours, which is JSON."""
        is_replaced = False

        async def send_json(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and message["status"] == 404:
                is_replaced = True
                await unknown_path(scope["path"])(scope, receive, send)
            elif not is_replaced:
                await send(message)

        await self._app(scope, receive, send_json)

    async def _error_response(self, request: Request, error: Exception) -> Response:
        for kind in type(error).__mro__:
            if kind in self._tell:
                return await self._tell[kind](request, error)
        raise error
