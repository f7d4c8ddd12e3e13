"""The Service compared as a whole: every field of it decides where requests go, whoever owns it.

Server-side apply changes values of ours. What it cannot remove (a second port, `externalIPs`, another type) is replaced
by one merge patch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Manifest = Mapping[str, Any]

_ALLOCATED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""Chosen by the API server and kept."""
_DEFAULTS: Mapping[str, Any] = {"sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
_PREFIX = "service.kubernetes.io/"
"""Of labels and annotations that kube-proxy and the endpoint controllers obey."""


def misrouted(wanted: Manifest, live: Manifest) -> list[str]:
    """Paths of what is in the live Service and must be removed or replaced; empty when applying is enough."""
    return [*_metadata(live), *_spec(wanted["spec"], live.get("spec") or {})]


def replacing(wanted: Manifest, live: Manifest) -> dict[str, Any]:
    """A merge patch that makes the live Service route as wanted; refused when the Service has changed since."""
    spec = live.get("spec") or {}
    target = {**wanted["spec"], **{key: spec[key] for key in _ALLOCATED if key in spec}}
    removed: dict[str, Any] = {"resourceVersion": live["metadata"]["resourceVersion"]}
    for kind in ("labels", "annotations"):
        if keys := [key for key in live["metadata"].get(kind) or {} if key.startswith(_PREFIX)]:
            removed[kind] = dict.fromkeys(keys)
    return {"metadata": removed, "spec": _patch(spec, target)}


def is_headless(live: Manifest) -> bool:
    """Whether the Service has no address of its own. Only a new Service gets one."""
    return bool((live.get("spec") or {}).get("clusterIP") == "None")


def _metadata(live: Manifest) -> Iterator[str]:
    for kind in ("labels", "annotations"):
        for key in live["metadata"].get(kind) or {}:
            if key.startswith(_PREFIX):
                yield f"metadata.{kind}.{key}"


def _spec(wanted: Manifest, live: Manifest) -> Iterator[str]:
    if is_headless({"spec": live}):
        yield "spec.clusterIP"
    for key, value in live.items():
        if key == "selector":  # a changed value is applied: switching versions changes one
            yield from (f"spec.selector.{name}" for name in value if name not in wanted["selector"])
        elif key not in _ALLOCATED and value and value != wanted.get(key, _DEFAULTS.get(key)):
            yield f"spec.{key}"


def _patch(live: Manifest, target: Manifest) -> dict[str, Any]:
    """The merge patch (RFC 7396) from one map to another."""
    patch: dict[str, Any] = {key: None for key in live if key not in target}
    for key, value in target.items():
        before = live.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if below := _patch(before, value):
                patch[key] = below
        elif before != value:
            patch[key] = value
    return patch
