"""The operator's own lists and watches: the cache is filled before anything is worked on, and healed periodically."""

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.clients.errors import ApiError
from labelloop_operator.clients.kinds import BACKEND, CHILD_KINDS, NAMESPACE
from labelloop_operator.clients.kubernetes import Kubernetes
from labelloop_operator.watch.cache import Cache
from labelloop_operator.watch.reflector import Reflector

_LOG = logging.getLogger(__name__)

_RETRY_PAUSE = 3.0


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
        self._resync = resync
        self._listed = listed
        self._resources = [Reflector(kubernetes, cache, BACKEND, namespace) for namespace in where]
        self._children = [
            Reflector(kubernetes, cache, kind, namespace, names.LABEL_BACKEND)
            for kind in CHILD_KINDS
            for namespace in where
        ]

    async def fill(self) -> None:
        """List everything; an API server that is down or refuses is waited for. Raises MissingDefinition."""
        while True:
            try:
                return await self._list()
            except ApiError as error:
                _LOG.warning("the cache is not filled yet: %s", error)
                await asyncio.sleep(_RETRY_PAUSE * random.uniform(0.7, 1.3))  # noqa: S311 - jitter

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
        """List everything again, each interval: what a watch missed is found, ghosts go."""
        while True:
            await asyncio.sleep(self._resync * random.uniform(0.9, 1.0))  # noqa: S311 - jitter
            try:
                await self._list()
            except ApiError as error:
                _LOG.warning("the periodic list failed: %s", error)
            except MissingDefinition as error:
                _LOG.error("%s", error)


async def cluster_id(kubernetes: Kubernetes, key: bytes) -> str:
    """Tells clusters apart in Label Studio: the uid of kube-system, or derived from the key where that is hidden."""
    while True:
        try:
            found = await kubernetes.get(NAMESPACE, None, "kube-system")
        except ApiError as error:
            if error.status != 403:
                _LOG.warning("the cluster's id is not known yet: %s", error)
                await asyncio.sleep(_RETRY_PAUSE)
                continue
            found = None
        if found is not None:
            return str(found["metadata"]["uid"])
        return "key-" + hashlib.sha256(b"cluster:" + key).hexdigest()[:16]
