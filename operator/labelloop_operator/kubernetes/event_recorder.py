"""Kubernetes Events on a resource, aggregated: the same Event again raises the count of one object."""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import BACKEND, EVENT

_LOG = logging.getLogger(__name__)

CONTROLLER = "labelloop.dev/operator"
INSTANCE = "labelloop-operator"
_REMEMBERED = 4096
_NOTE_LENGTH = 1024


class Events:
    """Writes Events; one that cannot be written is logged and forgotten, since nothing depends on it."""

    def __init__(self, kubernetes: Kubernetes, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._kubernetes = kubernetes
        self._clock = clock
        self._seen: OrderedDict[str, tuple[str, int]] = OrderedDict()

    async def emit(self, metadata: Mapping[str, Any], type_: str, reason: str, note: str) -> None:
        """An Event about the resource with this metadata; `type_` is Normal or Warning."""
        note = note[:_NOTE_LENGTH]
        digest = hashlib.sha256("|".join((metadata["uid"], type_, reason, note)).encode()).hexdigest()[:16]
        name = f"{metadata['name']}.{digest}"
        now = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            first, count = self._seen.get(name) or await self._known(metadata["namespace"], name) or (now, 0)
            count += 1
            await self._kubernetes.apply(EVENT, self._event(metadata, name, (type_, reason, note), (first, now, count)))
        except ApiError as error:
            _LOG.warning(
                "Event %s of %s/%s was not written: %s", reason, metadata["namespace"], metadata["name"], error
            )
            return
        self._seen[name] = (first, count)
        self._seen.move_to_end(name)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    async def _known(self, namespace: str, name: str) -> tuple[str, int] | None:
        """First time and count of an Event of an earlier life of this process: `eventTime` may never change."""
        found = await self._kubernetes.get(EVENT, namespace, name)
        if found is None or not found.get("eventTime"):
            return None
        return found["eventTime"], int((found.get("series") or {}).get("count") or 1)

    def _event(
        self, metadata: Mapping[str, Any], name: str, told: tuple[str, str, str], when: tuple[str, str, int]
    ) -> dict[str, Any]:
        type_, reason, note = told
        first, now, count = when
        event = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "eventTime": first,
            "type": type_,
            "reason": reason,
            "action": reason,
            "note": note,
            "reportingController": CONTROLLER,
            # The same in every life of the operator, and no resourceVersion below: only `series` may ever change.
            "reportingInstance": INSTANCE,
            "regarding": {
                "apiVersion": BACKEND.api_version,
                "kind": BACKEND.kind,
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
        }
        if count > 1:
            event["series"] = {"count": count, "lastObservedTime": now}
        return event
