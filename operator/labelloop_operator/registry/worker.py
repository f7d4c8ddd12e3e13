"""What is done in registries outside the reconciles: slow or dead ones delay nothing but their own work."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labelloop.publishing.reference import PROMOTED_TAG
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.cache import Key
from labelloop_operator.kubernetes.connection_secrets import Secrets
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.planning.actions import RemoveImages, TagPromoted
from labelloop_operator.planning.image_locations import ImageLocations
from labelloop_operator.planning.observed import RegistryFacts
from labelloop_operator.registry.client import Refused, Registry, read_result

_LOG = logging.getLogger(__name__)

RETRY_PAUSE = 60.0
"""Seconds after a failure until the registry is asked again for this resource; doubled each time, at most an hour."""
RETRY_MAXIMUM = 3600.0
SILENT_PAUSE = 60.0
"""A registry that did not answer is not asked for promoted images for so long: new resources start cold at once."""
_CONFIG_KEY = ".dockerconfigjson"


@dataclass
class _Resource:
    facts: RegistryFacts = field(default_factory=RegistryFacts)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    not_before: float = 0.0
    found: tuple[str, Mapping[str, Any] | None] | None = None
    """Repository that was asked for a promoted image, and what it reported."""


class RegistryWork:
    """Tags, removals and look-ups, one at a time for each resource."""

    def __init__(
        self, registry: Registry, secrets: Secrets, wake: Callable[[Key], None], may_write: Callable[[], bool]
    ) -> None:
        self._registry = registry
        self._secrets = secrets
        self._wake = wake
        self._may_write = may_write
        self._resources: dict[Key, _Resource] = {}
        self._silent: dict[str, float] = {}

    def facts(self, key: Key) -> RegistryFacts:
        """What was done in this life of the operator."""
        known = self._resources.get(key)
        return known.facts if known else RegistryFacts()

    def perform(self, key: Key, action: TagPromoted | RemoveImages) -> None:
        """Begin, unless something is being done for this resource, or failed a moment ago; wakes it when done."""
        resource = self._resources.setdefault(key, _Resource())
        busy = resource.task is not None and not resource.task.done()
        if busy or asyncio.get_running_loop().time() < resource.not_before or not self._may_write():
            return
        resource.task = asyncio.create_task(self._do(key, resource, action), name=f"registry {key}")

    async def job_result(
        self, key: Key, repository: str, tag: str, plain_http: bool, secret: str | None
    ) -> Mapping[str, Any] | None:
        """What a Job whose pod is gone pushed; None when it pushed nothing, or nobody can tell."""
        config = await self._config(key, secret)
        return await read_result(self._registry, repository, tag, plain_http, config)

    async def promoted(self, key: Key, where: ImageLocations, secret: str | None) -> Mapping[str, Any] | None:
        """The result that the promoted image of this repository carries; asked for once. None also when there is no
        answer: then the resource starts cold."""
        repository = where.repository or ""
        resource = self._resources.setdefault(key, _Resource())
        if resource.found is not None and resource.found[0] == repository:
            return resource.found[1]
        host, now = repository.partition("/")[0], asyncio.get_running_loop().time()
        if now < self._silent.get(host, 0.0):
            return None
        try:
            config = await self._config(key, secret)
            found = await self._registry.result(repository, PROMOTED_TAG, where.plain_http, config)
        except Exception as error:
            self._silent[host] = asyncio.get_running_loop().time() + SILENT_PAUSE
            _LOG.warning("%s cannot be asked for a promoted image: %s", repository, error, extra=resource_fields(key))
            return None
        resource.found = (repository, found)
        return found

    async def forget(self, key: Key) -> None:
        """The resource is gone."""
        known = self._resources.pop(key, None)
        if known is not None and known.task is not None:
            known.task.cancel()
            await asyncio.gather(known.task, return_exceptions=True)

    async def close(self) -> None:
        """Stop everything."""
        for key in list(self._resources):
            await self.forget(key)

    async def _do(self, key: Key, resource: _Resource, action: TagPromoted | RemoveImages) -> None:
        try:
            config = await self._config(key, action.secret)
            if isinstance(action, TagPromoted):
                await self._registry.tag_promoted(action.image, action.plain_http, config)
                resource.facts = replace(resource.facts, promoted=action.image)
            else:
                await self._remove(resource, action, config)
            resource.failures = 0
        except Exception as error:
            resource.failures += 1
            pause = min(RETRY_MAXIMUM, RETRY_PAUSE * 2.0 ** min(resource.failures - 1, 20))
            resource.not_before = asyncio.get_running_loop().time() + pause
            level = logging.INFO if isinstance(error, ApiError) else logging.WARNING
            asyncio.get_running_loop().call_later(pause, self._wake, key)
            _LOG.log(level, "in the registry: %s; again in %.0f s", error, pause, extra=resource_fields(key))
            return
        self._wake(key)

    async def _remove(self, resource: _Resource, action: RemoveImages, config: bytes | None) -> None:
        removed = set(resource.facts.removed)
        for image in action.images:
            try:
                await self._registry.remove(image, action.keep, action.plain_http, config)
            except Refused as refused:
                told = RegistryFacts(resource.facts.promoted, frozenset(removed), str(refused), action.generation)
                resource.facts = told
                return
            removed.add(image)
        resource.facts = replace(resource.facts, removed=frozenset(removed), refusal=None)

    async def _config(self, key: Key, secret: str | None) -> bytes | None:
        values = await self._secrets.read(key[0], secret) if secret else None
        return (values or {}).get(_CONFIG_KEY)
