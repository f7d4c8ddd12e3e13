"""What builder tests share."""

from collections.abc import Iterator, Mapping
from typing import Any

from labelloop_operator.api.spec import Spec, parse
from labelloop_operator.builders.metadata import Owner

OWNER = Owner("team-a", "intents", "11111111-2222-3333-4444-555555555555")
RELAY = "http://labelloop-operator.labelloop.svc.cluster.local:8080"


def spec(**changes: Any) -> Spec:
    found = parse({"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 7}, **changes})
    assert isinstance(found, Spec), found
    return found


def environment(container: Mapping[str, Any]) -> dict[str, Any]:
    """Name -> value, (Secret, key) or the field of the pod."""
    found = {}
    for item in container["env"]:
        assert item["name"] not in found, "server-side apply refuses a name twice"
        source = item.get("valueFrom", {})
        reference, field = source.get("secretKeyRef"), source.get("fieldRef")
        chosen = (reference["name"], reference["key"]) if reference else field and field["fieldPath"]
        found[item["name"]] = chosen or item["value"]
    return found


def values(manifest: Any) -> Iterator[Any]:
    """Every value in a manifest."""
    yield manifest
    for item in manifest.values() if isinstance(manifest, dict) else manifest if isinstance(manifest, list) else ():
        yield from values(item)
