"""The routes Label Studio calls (docs/operations/serving.md): HTTP in and out, nothing else."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import anyio.to_thread
import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from labelloop.serving import presentation
from labelloop.serving.authentication import is_webhook_bearer
from labelloop.serving.request_bodies import require_list, require_object, require_text
from labelloop.serving.request_error import RequestError, UnknownProjectError, unknown_path
from labelloop.serving.webhook_events import START_TRAINING, read_event

if TYPE_CHECKING:
    from labelloop.serving.backend import Backend

STARTED = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
AS_LABEL_STUDIO = "Send it as Label Studio does."


def application(*, is_protected: bool = False) -> Starlette:
    """The ASGI application; `state.backend` must be set before the first request.

    `is_protected`: there is a password, so that what is open without it must tell nothing of the model.
    """
    app = Starlette(
        routes=[
            Route("/", health),
            Route("/health", health),
            Route("/versions", versions),
            Route("/setup", setup, methods=["POST"]),
            Route("/predict", predict, methods=["POST"]),
            Route("/webhook", webhook, methods=["POST"]),
        ],
        exception_handlers={
            RequestError: _on_request_error,
            HTTPException: _on_http_exception,
            ClientDisconnect: _on_unexpected_error,
        },
    )
    app.state.is_protected = is_protected
    return app


async def health(request: Request) -> Response:
    """From memory, and 200 even without a model: Label Studio waits 1 s and reads anything else as "cannot connect".

    A browser gets the model page; at /health, which is open, only where the rest is open too.
    """
    backend, project = _backend(request), request.query_params.get("project")
    is_page = request.scope["path"] == "/" or not request.app.state.is_protected
    if is_page and "text/html" in request.headers.get("accept", ""):
        return await _model_page(backend, project)
    if is_page and request.query_params.get("format") == "json":
        from labelloop.serving.model_page.page import page_json

        facts = await backend.facts(project, STARTED)
        return Response(await anyio.to_thread.run_sync(page_json, facts), media_type="application/json")
    return _json(backend.health(project))


async def _model_page(backend: "Backend", project: str | None) -> Response:
    from labelloop.serving.model_page.page import HEADERS, page

    status = 200
    try:
        facts = await backend.facts(project, STARTED)
    except UnknownProjectError as error:
        facts, status = presentation.absent(error, STARTED), error.status
    # In a thread: a page of a thousand classes takes 50 ms, which predictions need not wait for.
    return HTMLResponse(await anyio.to_thread.run_sync(page, facts), status, headers=HEADERS)


async def versions(request: Request) -> Response:
    """Versions that can be asked for: those served."""
    return _json({"versions": _backend(request).versions()})


async def setup(request: Request) -> Response:
    """Label Studio asks before every prediction: which version, and does the labelling configuration suit."""
    backend = _backend(request)
    payload, _ = await backend.bodies.read_json(request)
    content = require_object(payload)
    schema = require_text(content, "schema", f"schema is the labelling configuration. {AS_LABEL_STUDIO}")
    return _json({"model_version": await backend.setup(schema, content.get("project"))})


async def predict(request: Request) -> Response:
    """As many results as tasks, in order."""
    started = time.perf_counter()
    backend = _backend(request)
    content, size = await backend.bodies.read_json(request)
    payload = require_object(content)
    tasks = require_list(payload, "tasks", f'tasks is a list like [{{"id": 1, "data": {{...}}}}]. {AS_LABEL_STUDIO}')
    remedy = f"label_config is the labelling configuration. {AS_LABEL_STUDIO}"
    label_config = require_text(payload, "label_config", remedy)
    parameters = payload.get("params")
    context = parameters.get("context") if isinstance(parameters, dict) else None
    entries = await backend.predict(tasks, label_config, size, payload.get("project"), context)
    response = _json({"results": entries})
    answered = sum("result" in entry for entry in entries)
    backend.metrics.count_predictions(len(entries), answered, time.perf_counter() - started)
    return response


async def webhook(request: Request) -> Response:
    """Events are hints and answered at once; Start Training waits for the operator's word."""
    backend = _backend(request)
    payload, _ = await backend.bodies.read_json(request)
    event = read_event(payload)
    if isinstance(event, str):
        backend.metrics.events.labels("ignored").inc()
        return _json({"status": "ignored", "reason": event})
    backend.metrics.events.labels(event.action).inc()
    authorization = request.headers.get("authorization", "").encode("latin-1")
    authenticated = is_webhook_bearer(authorization, backend.webhook_secret)
    if event.action == START_TRAINING:
        message = await backend.train(authenticated, event.project)
        return _json({"status": "accepted", "message": message})
    backend.hint(event, authenticated)
    return _json({"status": "accepted"})


def _backend(request: Request) -> "Backend":
    backend: Backend = request.app.state.backend
    return backend


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")


async def _on_request_error(_request: Request, error: Exception) -> Response:
    return cast("RequestError", error).response()


async def _on_http_exception(request: Request, raised: Exception) -> Response:
    error = cast("HTTPException", raised)
    if error.status_code == 404:
        return unknown_path(request.scope["path"])
    remedy = f"Use {(error.headers or {}).get('Allow', 'another method')}."
    told = RequestError(error.status_code, error.detail, field="method", value=request.method, remedy=remedy)
    response = told.response()
    response.headers.update(error.headers or {})
    return response


async def _on_unexpected_error(_request: Request, _error: Exception) -> Response:
    """The client has gone in the middle of its body; without this it would be logged as a server error."""
    return Response(status_code=400)
