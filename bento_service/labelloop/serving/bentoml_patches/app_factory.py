"""BentoML's application as one process without a supervisor needs it: no tracing, no client of itself, nothing unused.

`ServiceAppFactory` is private: BentoML is pinned, and tests fail when its shape changes.
"""

import inspect
from typing import Any

from _bentoml_impl.server.app import ContextMiddleware, ServiceAppFactory
from _bentoml_sdk.service import set_current_service
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.server.base_app import BaseAppFactory
from bentoml._internal.server.http import instruments
from starlette.applications import Starlette
from starlette.middleware import Middleware


class AppFactory(ServiceAppFactory):  # type: ignore[misc]
    """The same routes, metrics, time-out and hooks as `bentoml serve`; a call makes the ASGI application."""

    @property
    def middlewares(self) -> list[Middleware]:
        """As BentoML's, without OpenTelemetry's: we trace nothing, and importing it is a tenth of the start."""
        metrics = Middleware(
            instruments.RunnerTrafficMetricsMiddleware,
            namespace=BentoMLContainer.api_server_config.metrics.namespace.get(),
            skip_paths=[*BentoMLContainer.api_server_config.logging.access.skip_paths.get(), "/health"],
        )
        own = [Middleware(middleware, **options) for middleware, options in self.service.middlewares]
        limits = BaseAppFactory.middlewares.fget(self)
        return [metrics, *limits, *own, Middleware(ContextMiddleware, context=self.service.context)]

    async def create_instance(self, _app: Starlette) -> None:
        """Make the service's object and run its start-up hooks; BentoML's also makes a client for calls to itself."""
        self._service_instance = self.service()
        for hook in self._startup_hooks():
            started = hook()
            if inspect.isawaitable(started):
                await started
        set_current_service(self._service_instance)

    def _startup_hooks(self) -> list[Any]:
        members = (getattr(self._service_instance, name) for name in dir(self.service.inner) if name[:2] != "__")
        return [member for member in members if getattr(member, "__bentoml_startup_hook__", False)]
