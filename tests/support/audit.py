"""What a user of the Kubernetes API was granted, and what of it the audit log saw used."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Permission:
    """A verb on a kind of object, `group/resource[/subresource]`."""

    verb: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


def granted(rules: Iterable[Mapping[str, Any]]) -> frozenset[Permission]:
    """Everything that rules of Roles and ClusterRoles allow."""
    return frozenset(
        Permission(verb, f"{group}/{resource}")
        for rule in rules
        for group in rule.get("apiGroups") or []
        for resource in rule.get("resources") or []
        for verb in rule["verbs"]
    )


def entries(logs: Path, user: str) -> Iterator[Mapping[str, Any]]:
    """The audit log's entries about requests of `user`, rotated files included."""
    for log in sorted(logs.glob("audit*.log")):
        with log.open() as lines:
            # The API server may be writing the last line.
            yield from (
                entry
                for entry in (json.loads(line) for line in lines if line.endswith("\n") and f'"{user}"' in line)
                if entry["user"]["username"] == user
            )


def used(found: Iterable[Mapping[str, Any]]) -> frozenset[Permission]:
    """What was asked for and let through. A patch that creates an object (server-side apply) needs both verbs."""
    permissions = set()
    for entry in found:
        if "objectRef" not in entry or is_forbidden(entry):
            continue
        permissions.add(Permission(entry["verb"], _resource(entry)))
        if entry["verb"] == "patch" and entry.get("responseStatus", {}).get("code") == 201:
            permissions.add(Permission("create", _resource(entry)))
    return frozenset(permissions)


def forbidden(found: Iterable[Mapping[str, Any]]) -> frozenset[Permission]:
    """What was asked for without a right to it. Refusals of quotas and PodSecurity are none of these."""
    return frozenset(Permission(entry["verb"], _resource(entry)) for entry in found if is_forbidden(entry))


def is_forbidden(entry: Mapping[str, Any]) -> bool:
    """Whether RBAC refused it."""
    return entry.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"


def _resource(entry: Mapping[str, Any]) -> str:
    what = entry.get("objectRef") or {"resource": entry.get("requestURI", "")}
    parts = (what.get("apiGroup", ""), what["resource"], what.get("subresource"))
    return "/".join(part for part in parts if part is not None)
