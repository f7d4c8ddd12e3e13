"""Where each kind of object lives in the Kubernetes API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of object: its API version, its name in manifests and its plural in paths."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection, an object or a subresource; `namespace` None means all namespaces."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        parts = [root]
        if namespace is not None:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part is not None]
        return "/".join(parts)


BACKEND = Kind("labelloop.dev/v1alpha1", "LabelStudioBackend", "labelstudiobackends")
SERVICE = Kind("v1", "Service", "services")
SECRET = Kind("v1", "Secret", "secrets")
POD = Kind("v1", "Pod", "pods")
NAMESPACE = Kind("v1", "Namespace", "namespaces")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
JOB = Kind("batch/v1", "Job", "jobs")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
EVENT = Kind("events.k8s.io/v1", "Event", "events")

CHILD_KINDS = (SERVICE, DEPLOYMENT, JOB)
"""Kinds that are watched; the relay Secret is not, since Secrets are only ever read by name."""

CACHED_KINDS = (BACKEND, *CHILD_KINDS, POD)
"""Of pods only those that succeeded."""

_KINDS = {kind.kind: kind for kind in (BACKEND, SERVICE, SECRET, POD, NAMESPACE, DEPLOYMENT, JOB, LEASE, EVENT)}


def kind_named(name: str) -> Kind:
    """The kind called `name` in manifests; KeyError for one that the operator does not handle."""
    return _KINDS[name]
