"""What the API server makes of a written object before it stores it: defaults, and refusals of what may not change."""

from typing import Any

from tests.fakes.server_side_apply import clone

Object = dict[str, Any]

ADDRESS = "10.96.0.10"
_IMMUTABLE = {
    "deployments": ("selector",),
    "jobs": ("template", "completions", "completionMode", "selector", "podFailurePolicy", "podReplacementPolicy"),
}


class Refused(Exception):  # noqa: N818 - an answer
    """422, with the API server's words."""


def defaulted(plural: str, item: Object, before: Object | None) -> Object:
    """The object with defaults and allocated fields."""
    if plural != "services" or "spec" not in item:
        return item
    item = clone(item)
    spec, old = item["spec"], (before or {}).get("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or []:
        if "port" not in port:
            raise Refused("spec.ports[0].port: Required value")
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
    if spec["type"] == "ExternalName":
        if old.get("type") != "ExternalName":
            for key in ("clusterIP", "clusterIPs"):
                spec.pop(key, None)
        return item
    spec.setdefault("internalTrafficPolicy", "Cluster")
    # An update that leaves the address out keeps it.
    spec["clusterIP"] = spec.get("clusterIP") or old.get("clusterIP") or ADDRESS
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["type"] in ("NodePort", "LoadBalancer"):
        for number, port in enumerate(spec["ports"]):
            port.setdefault("nodePort", 30000 + number)
    else:  # the server wipes node ports that the type does not have
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    return item


def validate(plural: str, item: Object, before: Object | None) -> None:
    """Refused when the object cannot be stored."""
    spec, old = item.get("spec") or {}, (before or {}).get("spec") or {}
    if plural == "services":
        _service(spec, old)
    if plural in ("deployments", "jobs"):
        _pods(spec)
    if before is not None:
        for key in _IMMUTABLE.get(plural, ()):
            if spec.get(key) != old.get(key):
                raise Refused(f"spec.{key}: Invalid value: field is immutable")
    if plural == "secrets" and (before or {}).get("immutable") and item.get("data") != (before or {}).get("data"):
        raise Refused("data: Forbidden: field is immutable when `immutable` is set")


def _service(spec: Object, old: Object) -> None:
    names = [port.get("name", "") for port in spec.get("ports") or []]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Refused(f'spec.ports[{number}].name: Duplicate value: "{name}"')
    if not names and old.get("ports") and spec.get("type") != "ExternalName":
        raise Refused("spec.ports: Required value")
    if spec.get("type") == "ExternalName" and not spec.get("externalName"):
        raise Refused("spec.externalName: Required value")
    changed = old.get("clusterIP") and spec.get("clusterIP") != old["clusterIP"]
    if changed and "ExternalName" not in (spec.get("type"), old.get("type")):
        raise Refused(f'spec.clusterIPs[0]: Invalid value: ["{spec["clusterIP"]}"]: may not change once set')


def _pods(spec: Object) -> None:
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    containers = [*(pod.get("initContainers") or []), *(pod.get("containers") or [])]
    if not pod.get("containers") or not all(item.get("name") and item.get("image") for item in containers):
        raise Refused("spec.template.spec.containers: Required value")
    names = [item["name"] for item in containers]
    if len(set(names)) < len(names):
        raise Refused("spec.template.spec.containers: Duplicate value")
    volumes = [item.get("name") for item in pod.get("volumes") or []]
    mounts = [mount.get("name") for item in containers for mount in item.get("volumeMounts") or []]
    if len(set(volumes)) < len(volumes) or None in volumes or not set(mounts) <= set(volumes):
        raise Refused("spec.template.spec.volumes: Invalid value")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not ((spec.get("selector") or {}).get("matchLabels") or {}).items() <= labels.items():
        raise Refused("spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`")
