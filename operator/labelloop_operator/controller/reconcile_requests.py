"""Reconcile now: a new value of `labelloop.dev/reconcile-requested-at`, and everything is looked at again."""

import logging

from labelloop_operator.api import names
from labelloop_operator.controller.executor import Executor
from labelloop_operator.controller.gatherer import Gatherer
from labelloop_operator.controller.startup_grace import StartupGrace
from labelloop_operator.kubernetes.cache import Key
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.planning.observed import Manifest

_LOG = logging.getLogger(__name__)


class ReconcileRequests:
    """What was asked so far. The value that stands when a resource is first seen asks for nothing: all is new then."""

    def __init__(self, startup_grace: StartupGrace, executor: Executor, gatherer: Gatherer) -> None:
        self._startup_grace = startup_grace
        self._executor = executor
        self._gatherer = gatherer
        self._known: dict[Key, str] = {}

    async def handle(self, key: Key, item: Manifest) -> None:
        """After a new request, forget what was heard, read and checked, and every back-off in Label Studio, as a
        restart of the operator would; the status on record stays meanwhile."""
        asked = (item["metadata"].get("annotations") or {}).get(names.ANNOTATION_RECONCILE_REQUESTED_AT, "")
        before = self._known.setdefault(key, asked)
        self._known[key] = asked
        if not asked or asked == before:
            return
        _LOG.info("everything is looked at again, as asked", extra=resource_fields(key))
        self._startup_grace.forget(key)
        self._executor.recheck(*key)
        await self._gatherer.invalidate(key)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._known.pop(key, None)
