"""Lists, then watches, the children of one kind; endlessly, through every outage.

After client-go's Reflector: a broken watch resumes at the last resource version; a version that is too old (410) means
a new list, whose difference to the cache also tells deletions that no event reported.
"""

import asyncio
import logging
import random

from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.cache import Cache, Key
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import Kind

_LOG = logging.getLogger(__name__)
_FIRST_DELAY = 1.0
_MAXIMUM_DELAY = 15.0


class Reflector:
    """Keeps the cache true for one kind in one namespace (None: all)."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        cache: Cache,
        kind: Kind,
        namespace: str | None,
        selector: str = "",
        fields: str = "",
    ) -> None:
        self._kubernetes = kubernetes
        self._cache = cache
        self._kind = kind
        self._namespace = namespace
        self._selector = selector
        self._fields = fields
        self._version: str | None = None

    async def list(self) -> None:
        """Read everything once; the next watch starts there. ApiError when the API server refuses."""
        present: set[Key] = set()
        version = "0"
        async for page in self._kubernetes.pages(self._kind, self._namespace, self._selector, self._fields):
            version = page.version
            for item in page.items:
                present.add((item["metadata"]["namespace"], item["metadata"]["name"]))
                self._cache.put(self._kind, item)
        self._cache.listed(self._kind, self._namespace, present, version)
        self._version = version

    async def run(self) -> None:
        """Watch until cancelled; errors are logged once per streak and tried again after a growing pause."""
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY
        while True:
            try:
                if self._version is None:
                    await self.list()
                started = loop.time()
                await self._watch()
                delay = _FIRST_DELAY
                if loop.time() - started < _FIRST_DELAY:
                    await asyncio.sleep(_FIRST_DELAY)  # a proxy that ends every watch at once must not make us spin
            except ApiError as error:
                if error.status == 410 and self._version is not None:
                    self._version = None
                    continue
                log = _LOG.warning if delay == _FIRST_DELAY else _LOG.debug
                log("watch of %s ended: %s; again in %.0f s", self._kind.plural, error, delay)
                await asyncio.sleep(max(delay * random.uniform(0.7, 1.3), error.retry_after))  # noqa: S311 - jitter
                delay = min(delay * 2, _MAXIMUM_DELAY)

    async def _watch(self) -> None:
        assert self._version is not None  # noqa: S101 - `run` listed first
        events = self._kubernetes.watch(self._kind, self._namespace, self._selector, self._version, self._fields)
        async for event in events:
            item = event["object"]
            if event["type"] == "DELETED":
                self._cache.remove(self._kind, item)
            elif event["type"] in ("ADDED", "MODIFIED"):
                self._cache.put(self._kind, item)
            self._version = item["metadata"]["resourceVersion"]
