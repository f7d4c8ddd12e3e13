"""kopf watches the LabelStudioBackends and puts what it sees into the cache: nothing more.

kopf keeps no state on our objects: no finalizers, timers, daemons or indices, and its Events are off. The settings are
those measured to survive outages (silent watches, 410, an API server that is down for minutes).
"""

import asyncio
import dataclasses
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from labelloop_operator.api import names
from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.client import PAGE_SIZE
from labelloop_operator.kubernetes.kinds import BACKEND

_LOGIN_LIFETIME = timedelta(minutes=5)
"""A service-account token is read again this often; kopf gives up when an old token is refused."""
_UNUSED_FINALIZER = "kopf.labelloop.dev/unused"
"""kopf removes its own finalizer from what it watches: this name keeps it off other operators' finalizers."""


class EndlessBackoff:
    """Pauses between attempts, for ever: with kopf's finite default an outage of a minute ends the operator."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay * random.uniform(0.7, 1.3)  # noqa: S311 - jitter
            delay = min(delay * 2, 15.0)


def settings() -> kopf.OperatorSettings:
    """kopf's settings for a process in which it only watches."""
    made = kopf.OperatorSettings()
    made.process.ultimate_exiting_timeout = 25
    made.posting.enabled = False
    made.peering.standalone = True
    made.watching.server_timeout = 290
    made.watching.connect_timeout = 5
    made.watching.reconnect_backoff = 1.0
    made.watching.inactivity_timeout = 70.0
    made.watching.chunk_size = PAGE_SIZE
    made.queueing.idle_timeout = 0.2
    made.scanning.disabled = True
    made.networking.request_timeout = 20
    made.networking.connect_timeout = 5
    made.networking.error_backoffs = EndlessBackoff()
    made.persistence.finalizer = _UNUSED_FINALIZER
    return made


def registry(cache: Cache) -> kopf.OperatorRegistry:
    """Handlers of this process only: nothing is registered globally."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)  # type: ignore[untyped-decorator, unused-ignore]
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:  # noqa: ANN401 - kopf's own
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            info = kopf.login_with_service_account(**kwargs)
            return info and dataclasses.replace(info, expiration=datetime.now(UTC) + _LOGIN_LIFETIME)
        return kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=made)  # type: ignore[untyped-decorator, unused-ignore]
    async def seen(event: kopf.RawEvent, **_: object) -> None:
        if event["type"] == "DELETED":
            cache.remove(BACKEND, event["object"])
        else:
            cache.put(BACKEND, event["object"])

    return made


class ResourceWatch:
    """kopf's operator, started and stopped from outside."""

    def __init__(self, cache: Cache, namespaces: tuple[str, ...]) -> None:
        self._registry = registry(cache)
        self._namespaces = namespaces
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Watch until `stop`. kopf then cancels every task made after this started, also ours."""
        where: dict[str, Any] = {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        await kopf.operator(
            registry=self._registry,
            settings=settings(),
            standalone=True,
            stop_flag=self._stop,
            ready_flag=self.ready,
            **where,
        )

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()
