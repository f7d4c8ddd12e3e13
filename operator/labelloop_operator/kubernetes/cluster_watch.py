"""The operator's own lists and watches: the cache is filled before anything is worked on, and healed periodically."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import BACKEND, CHILD_KINDS, ENDPOINT_SLICE, NAMESPACE, POD, Kind
from labelloop_operator.kubernetes.reflector import Reflector

_LOG = logging.getLogger(__name__)

_RETRY_PAUSE = 3.0
SUCCEEDED = "status.phase=Succeeded"
"""Pods are watched when they have succeeded, which those of Jobs alone do: the Job tells it a second later."""


class MissingDefinition(Exception):  # noqa: N818 - the name says it
    """The custom resource is not known to the API server: kopf would never notice it later on."""


class ClusterWatch:
    """Lists of resources and children, watches of children; the watch of resources is kopf's."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        cache: Cache,
        namespaces: tuple[str, ...],
        resync: float,
        listed: Callable[[], None],
    ) -> None:
        where: tuple[str | None, ...] = namespaces or (None,)
        self._cache = cache
        self._resync = resync
        self._listed = listed
        self._resources = [Reflector(kubernetes, cache, BACKEND, namespace) for namespace in where]
        self._children = [
            Reflector(kubernetes, cache, kind, namespace, names.LABEL_BACKEND)
            for kind in CHILD_KINDS
            for namespace in where
        ] + [Reflector(kubernetes, cache, POD, namespace, names.LABEL_BACKEND, SUCCEEDED) for namespace in where]

    async def fill(self) -> None:
        """List everything; an API server that is down or refuses is waited for. Raises MissingDefinition."""
        while True:
            try:
                return await self._list()
            except ApiError as error:
                _LOG.warning("the cache is not filled yet: %s", error)
                pause = _RETRY_PAUSE * random.uniform(0.7, 1.3)  # noqa: S311 - jitter
                await asyncio.sleep(max(pause, error.retry_after))

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What runs for ever once the cache is filled."""
        return [*(reflector.run() for reflector in self._children), self._heal()]

    async def _list(self) -> None:
        for reflector in self._resources:
            try:
                await reflector.list()
            except ApiError as error:
                if error.status == 404:
                    remedy = "install it (the chart does, or kubectl apply -f crds/)"
                    raise MissingDefinition(f"the cluster has no {names.PLURAL}.{names.GROUP}: {remedy}") from error
                raise
        for reflector in self._children:
            await reflector.list()
        self._listed()

    async def _heal(self) -> None:
        """List everything again, each interval: what a watch missed is found, ghosts go. Every resource is looked at
        once more, so that nothing depends on a wake-up that got lost."""
        while True:
            await asyncio.sleep(self._resync * random.uniform(0.9, 1.0))  # noqa: S311 - jitter
            try:
                await self._list()
                await self._revisit()
            except ApiError as error:
                _LOG.warning("the periodic list failed: %s", error)
            except MissingDefinition as error:
                _LOG.error("%s", error)

    async def _revisit(self) -> None:
        """Spread over some time: whatever changes meanwhile must not wait for a thousand resources at rest."""
        keys = self._cache.resources()
        for key in keys:
            self._cache.revisit(key)
            await asyncio.sleep(min(1.0, self._resync / 2 / len(keys)))


async def cluster_id(kubernetes: Kubernetes, key: bytes, whole_cluster: bool) -> str:
    """Tells clusters apart in Label Studio: the uid of kube-system, or derived from the key where that is hidden."""
    found = await _find(kubernetes, NAMESPACE, None, "kube-system") if whole_cluster else None
    if found is not None:
        return str(found["metadata"]["uid"])
    return "key-" + hashlib.sha256(b"cluster:" + key).hexdigest()[:16]


async def api_servers(kubernetes: Kubernetes) -> tuple[str, ...]:
    """ADDRESS:PORT of every API server behind the Service `kubernetes`; its own address is in the environment."""
    found = await _find(kubernetes, ENDPOINT_SLICE, "default", "kubernetes") or {}
    ports = [port["port"] for port in found.get("ports") or [] if port.get("port")]
    addresses = [address for endpoint in found.get("endpoints") or [] for address in endpoint.get("addresses") or []]
    return tuple(f"[{address}]:{port}" for address in addresses for port in ports)


async def _find(kubernetes: Kubernetes, kind: Kind, namespace: str | None, name: str) -> Mapping[str, Any] | None:
    """An object of the cluster; None when there is none or it may not be seen. Waits for the API server to answer."""
    while True:
        try:
            return await kubernetes.get(kind, namespace, name)
        except ApiError as error:
            if error.status == 403:
                return None
            _LOG.warning("%s %s is not known yet: %s", kind.kind, name, error)
            await asyncio.sleep(_RETRY_PAUSE)
