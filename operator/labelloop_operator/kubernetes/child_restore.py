"""Writes a child so that the live object is exactly what is wanted, whatever other clients did to it."""

from collections.abc import Mapping
from typing import Any

from labelloop_operator.api.names import ADDED_BY_OTHERS, FIELD_MANAGER
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.client import Kubernetes, Object
from labelloop_operator.kubernetes.drift import matches
from labelloop_operator.kubernetes.kinds import SERVICE, Kind
from labelloop_operator.kubernetes.managed_fields import OWNERS_CLEARED, added_by_others, taken_over
from labelloop_operator.kubernetes.service_drift import is_headless, misrouted, replacing

Manifest = Mapping[str, Any]


async def restore(kubernetes: Kubernetes, kind: Kind, wanted: Manifest, live: Manifest | None) -> Object:
    """Write `wanted`; returns the object as it is then. ApiError 409: it has changed meanwhile."""
    if kind is SERVICE:
        return await _restore_service(kubernetes, wanted, live)
    if live is not None and live.get(ADDED_BY_OTHERS) and OWNERS_CLEARED not in live[ADDED_BY_OTHERS]:
        # Taken over first, so that one write both restores and removes: the pods of a Deployment are replaced once.
        found = await kubernetes.get(kind, live["metadata"]["namespace"], live["metadata"]["name"])
        if found is None or found["metadata"]["uid"] != live["metadata"]["uid"]:
            raise _changed(kind, live)
        await _take_over(kubernetes, kind, found)
    made = await kubernetes.apply(kind, wanted)
    if added_by_others(kind, made):
        await _take_over(kubernetes, kind, made)
        made = await kubernetes.apply(kind, wanted)
    return made


async def _take_over(kubernetes: Kubernetes, kind: Kind, item: Object) -> None:
    """Own what others added: the next apply removes it."""
    metadata = item["metadata"]
    owned = {"resourceVersion": metadata["resourceVersion"], "managedFields": taken_over(kind, item)}
    await kubernetes.merge(kind, metadata["namespace"], metadata["name"], {"metadata": owned}, FIELD_MANAGER)


async def _restore_service(kubernetes: Kubernetes, wanted: Manifest, live: Manifest | None) -> Object:
    """In one write when the API server allows it: requests fail until then."""
    if live is None or not misrouted(wanted, live):
        return await kubernetes.apply(SERVICE, wanted)
    namespace, name = live["metadata"]["namespace"], live["metadata"]["name"]
    made = await kubernetes.merge(SERVICE, namespace, name, replacing(wanted, live), FIELD_MANAGER)
    if is_headless(made):  # the API server keeps this value whatever is written, and does not refuse the write
        path = SERVICE.path(namespace, name)
        raise ApiError("PATCH", path, 422, "Invalid", "spec.clusterIP: None: field is immutable")
    return made if matches(wanted, made) else await kubernetes.apply(SERVICE, wanted)


def _changed(kind: Kind, live: Manifest) -> ApiError:
    path = kind.path(live["metadata"]["namespace"], live["metadata"]["name"])
    return ApiError("GET", path, 409, "Conflict", "the object has been replaced")
