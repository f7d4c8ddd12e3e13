import base64

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from labelloop.serving.authentication import BasicAuthMiddleware, is_webhook_bearer
from labelloop.serving.serving_settings import BasicAuth


async def reached(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("reached")


def client(user: str = "user", password: str = "pass:word", webhook_secret: str | None = "hook") -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/{path:path}", reached, methods=["GET", "POST"])])
    protected = BasicAuthMiddleware(app, BasicAuth(user, password), webhook_secret)
    return httpx.AsyncClient(transport=httpx.ASGITransport(protected), base_url="http://backend")


def basic(told: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(told).decode()}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/health"])
async def test_probes_health_and_metrics_are_open(path: str):
    assert (await client().get(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/setup", "/predict", "/webhook", "/versions", "/schema.json", "/health/", "//health"]
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(b"user:wrong"),
        basic(b"user:pass:word "),
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer x"},
    ],
)
async def test_everything_else_needs_the_right_credentials(path: str, headers: dict[str, str]):
    answer = await client().post(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.json()["remedy"]


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_the_right_credentials_open(scheme: str):
    headers = {"Authorization": f"{scheme} " + base64.b64encode(b"user:pass:word").decode()}
    assert (await client().post("/predict", headers=headers)).text == "reached"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_names_beyond_ascii_work_in_both_encodings_clients_use(encoding: str):
    told = basic("Jürgen:Straße".encode(encoding))
    assert (await client("Jürgen", "Straße").post("/predict", headers=told)).text == "reached"


async def test_the_webhooks_bearer_opens_the_webhook_only():
    bearer = {"Authorization": "Bearer hook"}
    assert (await client().post("/webhook", headers=bearer)).status_code == 200
    assert (await client().post("/predict", headers=bearer)).status_code == 401
    assert (await client(webhook_secret=None).post("/webhook", headers=bearer)).status_code == 401


def test_the_bearer_is_compared_whole():
    assert is_webhook_bearer(b"Bearer hook", "hook")
    assert not is_webhook_bearer(b"Bearer hoo", "hook")
    assert not is_webhook_bearer(b"", "hook")
    assert not is_webhook_bearer(b"Bearer ", None)
