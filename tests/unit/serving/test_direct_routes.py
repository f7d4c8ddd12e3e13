from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from labelloop.serving.direct_routes import DirectRoutes
from labelloop.serving.request_error import RequestError


class LostError(LookupError):
    """Reported by the handler of its parent class."""


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body() + request.app.state.name.encode())


async def refuse(request: Request) -> Response:
    raise RequestError(422, "No such thing", remedy="Send another.")


async def lose(request: Request) -> Response:
    raise LostError("lost")


async def break_down(request: Request) -> Response:
    raise ZeroDivisionError


def telling(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def tell(_request: Request, error: Exception) -> Response:
        return error.response() if isinstance(error, RequestError) else PlainTextResponse("told", status)

    return tell


def application() -> Starlette:
    handlers = {RequestError: telling(0), LookupError: telling(404), HTTPException: telling(405)}
    made = Starlette(
        routes=[
            Route("/echo", echo, methods=["POST"]),
            Route("/refuse", refuse),
            Route("/lose", lose),
            Route("/break", break_down),
        ],
        exception_handlers=handlers,  # type: ignore[arg-type]
    )
    made.state.name = "!"
    return made


@pytest.fixture
def passed_on() -> list[str]:
    return []


@pytest.fixture
def http(passed_on: list[str]) -> httpx.AsyncClient:
    inner = application()

    async def the_usual_way(scope, receive, send):
        passed_on.append(f"{scope['method']} {scope['path']}")
        await inner(scope, receive, send)

    transport = httpx.ASGITransport(DirectRoutes(the_usual_way, inner))
    return httpx.AsyncClient(transport=transport, base_url="http://backend")


async def test_routes_are_called_with_their_application(http: httpx.AsyncClient, passed_on: list[str]):
    answer = await http.post("/echo", content=b"hello")
    assert (answer.status_code, answer.text) == (200, "hello!")
    assert not passed_on


async def test_errors_are_told_as_the_application_tells_them(http: httpx.AsyncClient, passed_on: list[str]):
    refused = await http.get("/refuse")
    assert (refused.status_code, refused.json()["error"]) == (422, "No such thing")
    assert (await http.get("/lose")).status_code == 404
    assert not passed_on


async def test_an_error_nobody_tells_is_raised(http: httpx.AsyncClient):
    with pytest.raises(ZeroDivisionError):
        await http.get("/break")


@pytest.mark.parametrize(("method", "path"), [("GET", "/echo"), ("POST", "/nowhere"), ("POST", "/echo/")])
async def test_anything_else_goes_the_usual_way(http: httpx.AsyncClient, passed_on: list[str], method: str, path: str):
    await http.request(method, path)
    assert passed_on == [f"{method} {path}"]


async def test_head_is_answered_like_get(http: httpx.AsyncClient, passed_on: list[str]):
    assert (await http.head("/refuse")).status_code == 422
    assert not passed_on
