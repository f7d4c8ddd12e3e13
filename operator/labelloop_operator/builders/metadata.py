"""Metadata that every child carries: name, labels, and the owner reference by which it is collected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelloop_operator.api import names


@dataclass(frozen=True)
class Owner:
    """The resource that controls the children."""

    namespace: str
    name: str
    uid: str


def metadata(
    owner: Owner,
    name: str,
    component: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Metadata of a child; without empty containers, which would count as changes."""
    reference = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    found: dict[str, Any] = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**names.common_labels(owner.name, component), **(labels or {})},
        "ownerReferences": [reference],
    }
    if annotations:
        found["annotations"] = dict(annotations)
    return found
