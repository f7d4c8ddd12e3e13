"""Nodes that only pretend (kwok): pods on them count as running and ready, and no program runs."""

from typing import Any

from labcluster.api import Api, has_condition
from labcluster.components import PRETENDED, PRETENDER
from labcluster.waiting import wait_for

PODS = 1000
"""Pods for each node."""
_READY_TIMEOUT = 120


def add(api: Api, count: int) -> None:
    """Make `count` such nodes and wait until they are ready; kwok must run."""
    names = [f"pretended-{number}" for number in range(1, count + 1)]
    for name in names:
        api.post("/api/v1/nodes", _node(name))
    for name in names:
        path = f"/api/v1/nodes/{name}"
        wait_for(f"ready node {name}", lambda path=path: has_condition(api.get(path), "Ready"), _READY_TIMEOUT)  # type: ignore[misc]


def _node(name: str) -> dict[str, Any]:
    room = {"cpu": "10k", "memory": "100Ti", "pods": str(PODS)}
    return {
        "metadata": {"name": name, "annotations": {PRETENDED: PRETENDER}, "labels": {"type": PRETENDER}},
        "status": {"capacity": room, "allocatable": room},
    }
