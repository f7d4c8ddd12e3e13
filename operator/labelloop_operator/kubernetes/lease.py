"""The Lease's rules, without I/O or clock: who holds it, when it may be taken, what is written into it.

A candidate takes the Lease over when it has seen it unchanged, by its own monotonic clock, for the Lease's duration:
clocks of different machines are never compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.kubernetes.kinds import LEASE

LEASE_DURATION = 13.0
"""Seconds a Lease must stand still before another replica takes it. The leader stops writing three seconds earlier."""
RENEW_DEADLINE = 10.0
"""Seconds after the last renewal for which the leader may write."""
ANNOTATION_ADDRESS = f"{names.GROUP}/address"
"""Where the holder's HTTP port is, for what other replicas hand on to it."""

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Observation:
    """A Lease as it was first seen, at this time of the seer's own clock."""

    mark: tuple[Any, ...]
    at: float


def holder(live: Object) -> str:
    """The identity that leads; empty when it was given up."""
    return str((live.get("spec") or {}).get("holderIdentity") or "")


def term(live: Object) -> int:
    """Grows whenever another replica takes the Lease: while it stays, nobody else led."""
    return int((live.get("spec") or {}).get("leaseTransitions") or 0)


def address(live: Object) -> str:
    """The holder's HTTP address; empty when it gave none."""
    return str((live["metadata"].get("annotations") or {}).get(ANNOTATION_ADDRESS) or "")


def observe(before: Observation | None, live: Object, now: float) -> Observation:
    """The sight of this Lease: the one before, if it has not changed since."""
    spec = live.get("spec") or {}
    mark = (holder(live), spec.get("renewTime"), live["metadata"].get("resourceVersion"))
    return before if before is not None and before.mark == mark else Observation(mark, now)


def may_take(live: Object, identity: str, sight: Observation, now: float) -> bool:
    """Ours, given up, or not renewed for its duration."""
    if holder(live) in ("", identity):
        return True
    duration = (live.get("spec") or {}).get("leaseDurationSeconds")
    return now - sight.at >= float(duration or LEASE_DURATION)


def acquired(live: Object | None, place: tuple[str, str], identity: str, address: str, now: str) -> dict[str, Any]:
    """The Lease (at namespace and name) held by us; `now` is RFC 3339. It carries the resource version it replaces."""
    spec: Object = (live.get("spec") or {}) if live else {}
    metadata: dict[str, Any] = dict(live["metadata"]) if live else {"namespace": place[0], "name": place[1]}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION_ADDRESS: address}
    ours = spec.get("holderIdentity") == identity
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": metadata,
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": int(LEASE_DURATION),
            "acquireTime": spec.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": (term(live) if live else 0) + (0 if ours or not spec else 1),
        },
    }


def released(live: Object) -> dict[str, Any]:
    """The Lease held by nobody: the next one need not wait."""
    return {**live, "spec": {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}
