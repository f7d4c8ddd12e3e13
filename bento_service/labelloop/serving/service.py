"""The BentoML service around the routes."""

import gc
import os
from typing import Any

import bentoml
from starlette.exceptions import HTTPException

from labelloop.serving.authentication import BasicAuthMiddleware
from labelloop.serving.bentoml_patches import middlewares, reason_phrases
from labelloop.serving.direct_routes import DirectRoutes
from labelloop.serving.routes import application
from labelloop.serving.serving_settings import ServingSettings

NAME = "labelloop"
# Label Studio gives up a prediction after 100 s; an answer before that tells what happened.
ANSWER_SECONDS = 95
KNOWN_PATHS = frozenset(
    {"/", "/health", "/versions", "/setup", "/predict", "/webhook", "/livez", "/readyz", "/healthz", "/metrics"}
)
# Any Debian-like image with this Python and pip or uv; `make image` names the one it builds.
PYTHON_IMAGE = os.environ.get("BASE_IMAGE") or "python:3.11-slim-bookworm"


def build_service(settings: ServingSettings) -> "bentoml.Service[Any]":
    """A `bentoml.Service` with Label Studio's routes; nothing is loaded until it is served."""
    middlewares.apply(KNOWN_PATHS)
    app = application(is_protected=settings.basic_auth is not None)

    class LabelStudioBackend:
        """Label Studio ML backend for text classification."""

        def __init__(self) -> None:
            # Imported here: the supervisor of `bentoml serve` builds the service as well, and never answers with it.
            from labelloop.serving.backend import Backend
            from labelloop.serving.serving_metrics import ServingMetrics

            self.backend = Backend(settings, ServingMetrics())
            app.state.backend = self.backend

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def start(self) -> None:
            # Imports the HTTP protocol, which the supervisor of `bentoml serve` has no use for.
            from labelloop.serving.bentoml_patches import single_write

            reason_phrases.install()
            single_write.install()
            await self.backend.start()
            # What was imported lives as long as the process; scanning it costs 0.1 s in every full collection.
            gc.collect()
            gc.freeze()

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def stop(self) -> None:
            await self.backend.stop()

        async def __is_ready__(self) -> bool:
            if self.backend.serving.problem is not None:
                raise HTTPException(503, self.backend.serving.problem)  # a plain False would not tell why
            return True

    service = bentoml.service(
        name=NAME,
        workers=settings.workers,
        traffic={"timeout": ANSWER_SECONDS},
        http={"host": settings.host, "port": settings.port},
        logging={"access": {"enabled": False}},
        metrics={"enabled": True},
        tracing={"excluded_urls": ".*"},
        image=bentoml.images.Image(base_image=PYTHON_IMAGE, distro="none", python_version="3.11"),
    )(LabelStudioBackend)
    service = bentoml.asgi_app(app, path="/")(service)
    if settings.basic_auth is not None:
        service.add_asgi_middleware(
            BasicAuthMiddleware, credentials=settings.basic_auth, webhook_secret=settings.webhook_secret
        )
    # After basic auth, which must come first: what is added first is outermost.
    service.add_asgi_middleware(DirectRoutes, application=app)
    return service
