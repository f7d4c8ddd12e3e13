"""Leader election on a Lease. Ours, since the official client's lock cannot create its Lease and does not stop at once.

A candidate takes the Lease over when it has seen it unchanged, by its own monotonic clock, for the Lease's duration.
The leader remembers the time *before* each renewal request, and `valid()` - asked before every write - is false ten
seconds later: a process that was frozen does nothing when it thaws. Replacing carries the resource version: of two
candidates, one wins.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from labelloop_operator.clients.errors import ApiError
from labelloop_operator.clients.kinds import LEASE
from labelloop_operator.clients.kubernetes import Kubernetes

_LOG = logging.getLogger(__name__)

DURATION = 15.0
RENEW_DEADLINE = 10.0
RETRY_PERIOD = 2.0
CALL_TIMEOUT = 5.0


class Leader:
    """One candidate for one Lease."""

    def __init__(
        self, kubernetes: Kubernetes, namespace: str, name: str, identity: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self._kubernetes = kubernetes
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._renewed: float | None = None
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0

    def valid(self) -> bool:
        """Whether we lead for sure at this moment."""
        return self._renewed is not None and self._clock() - self._renewed < RENEW_DEADLINE

    async def acquire(self) -> None:
        """Return once we lead; errors of the API server are waited out."""
        while not await self._attempt():  # noqa: ASYNC110 - the Lease is asked, there is no event
            await asyncio.sleep(RETRY_PERIOD)
        _LOG.info("leading as %s", self._identity)

    async def hold(self) -> None:
        """Renew until the lease is lost; then return, and the process must end."""
        while self.valid():
            await asyncio.sleep(RETRY_PERIOD)
            await self._attempt()
        self._renewed = None
        _LOG.error("the lease %s/%s is lost", self._namespace, self._name)

    async def release(self) -> None:
        """Give the lease up, so that the next one need not wait for it to expire."""
        if self._renewed is None:
            return
        self._renewed = None
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                live = await self._kubernetes.get(LEASE, self._namespace, self._name)
                if live is not None and live["spec"].get("holderIdentity") == self._identity:
                    spec = {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._kubernetes.replace(LEASE, {**live, "spec": spec})
        except (ApiError, TimeoutError) as error:
            _LOG.warning("the lease %s/%s was not released: %s", self._namespace, self._name, error)

    async def _attempt(self) -> bool:
        before = self._clock()
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                took = await self._take()
        except (ApiError, TimeoutError) as error:
            _LOG.warning("the lease %s/%s: %s", self._namespace, self._name, error or "no answer in time")
            return False
        if took:
            self._renewed = before
        return took

    async def _take(self) -> bool:
        live = await self._kubernetes.get(LEASE, self._namespace, self._name)
        if live is None:
            await self._kubernetes.create(LEASE, self._lease({}, {"namespace": self._namespace, "name": self._name}))
            return True
        spec = live.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._expired(live, spec):
            return False
        await self._kubernetes.replace(LEASE, self._lease(spec, live["metadata"]))
        return True

    def _expired(self, live: dict[str, Any], spec: dict[str, Any]) -> bool:
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), live["metadata"]["resourceVersion"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        return self._clock() - self._seen_at >= float(spec.get("leaseDurationSeconds") or DURATION)

    def _lease(self, spec: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = spec.get("holderIdentity") == self._identity
        transitions = int(spec.get("leaseTransitions") or 0) + (0 if ours or not spec else 1)
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "acquireTime": spec.get("acquireTime", now) if ours else now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
