"""What the API server was last seen to hold: the resources and their children, kept slim, never going back in time.

What rests is kept as the bytes of its JSON and read again whenever it is asked for: as Python objects a Deployment
takes six times its text, and a thousand resources would take most of the operator's memory.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.names import ADDED_BY_OTHERS
from labelloop_operator.kubernetes.kinds import BACKEND, CACHED_KINDS, CHILD_KINDS, JOB, Kind
from labelloop_operator.kubernetes.managed_fields import added_by_others

Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name of a resource."""

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
)


@dataclass(frozen=True)
class Seen:
    """The children of one resource."""

    services: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()
    jobs: tuple[Object, ...] = ()
    succeeded_pods: tuple[Object, ...] = ()


def slim(kind: Kind, item: Object) -> Object:
    """The object without what nobody here reads. Of `managedFields`, which are most of it, only the fields that other
    clients added are kept: usually none."""
    metadata = item["metadata"]
    kept = {key: value for key, value in item.items() if key in ("spec", "status")}
    if kind in CHILD_KINDS and (added := added_by_others(kind, item)):
        kept[ADDED_BY_OTHERS] = added
    return {**kept, "metadata": {key: metadata[key] for key in _METADATA if key in metadata}}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A kept object: what is compared on every event, and the rest packed away."""

    uid: str
    version: int
    owner: Key
    content: bytes | Object

    @classmethod
    def of(cls, kind: Kind, item: Object) -> "_Entry":
        """Jobs stay as they are: they are few, soon gone, and all of them are looked at in every reconcile."""
        content = item if kind is JOB else json.dumps(item, separators=(",", ":")).encode()
        return cls(item["metadata"]["uid"], version(item), owner_key(kind, item), content)

    @property
    def item(self) -> Object:
        content = self.content
        if isinstance(content, bytes):
            read: Object = json.loads(content)
            return read
        return content


def version(item: Object) -> int:
    """The resource version as a number: on one API server they only grow."""
    return int(item["metadata"]["resourceVersion"])


def owner_key(kind: Kind, item: Object) -> Key:
    """The resource to work on when this object changed: itself, or the one its label names."""
    metadata = item["metadata"]
    if kind is BACKEND:
        return metadata["namespace"], metadata["name"]
    return metadata["namespace"], (metadata.get("labels") or {}).get(names.LABEL_BACKEND, "")


class Cache:
    """Objects by kind, namespace and name. `on_change` gets the key of a resource whenever something of it moved."""

    def __init__(self, on_change: Callable[[Key], None]) -> None:
        self._on_change = on_change
        self._entries: dict[Kind, dict[Key, _Entry]] = {kind: {} for kind in CACHED_KINDS}
        self._children: dict[Key, dict[tuple[Kind, str], _Entry]] = defaultdict(dict)
        self._gone: dict[tuple[Kind, str], int] = {}

    def put(self, kind: Kind, item: Object) -> None:
        """An object as an event, a list or an answer to our own write showed it. Older than what is known: ignored."""
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        known = self._entries[kind].get(key)
        if known is not None and known.version >= version(item):
            return
        if self._gone.get((kind, metadata["uid"]), -1) >= version(item):
            return
        self._on_change(self._store(kind, key, slim(kind, item)))

    def remove(self, kind: Kind, item: Object) -> None:
        """A DELETED event. A successor of the same name that is known already stays."""
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        self._gone[kind, metadata["uid"]] = version(item)
        known = self._entries[kind].get(key)
        if known is not None and known.uid == metadata["uid"]:
            self._drop(kind, key)
            self._on_change(owner_key(kind, item))

    def going(self, kind: Kind, namespace: str, name: str) -> None:
        """We deleted this object: until the watch tells how it went, it counts as being deleted."""
        entry = self._entries[kind].get((namespace, name))
        if entry is not None:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            item = entry.item
            self._store(kind, (namespace, name), {**item, "metadata": {**item["metadata"], "deletionTimestamp": now}})

    def listed(self, kind: Kind, namespace: str | None, present: Container[Key], listed_at: str) -> None:
        """A complete list (of one namespace, or of all) was read and put, `present` being what was in it: also what no
        event reported is removed. An entry that is newer than the list stays: it was made after the list was read."""
        for key, entry in list(self._entries[kind].items()):
            if key not in present and namespace in (None, key[0]) and entry.version <= int(listed_at):
                self._drop(kind, key)
                self._on_change(entry.owner)
        self._gone = {gone: at for gone, at in self._gone.items() if at > int(listed_at)}

    def revisit(self, key: Key) -> None:
        """Have a resource looked at although nothing of it moved."""
        self._on_change(key)

    def resource(self, key: Key) -> Object | None:
        """The resource itself."""
        return self.child(BACKEND, *key)

    def resources(self) -> tuple[Key, ...]:
        """Keys of all resources."""
        return tuple(self._entries[BACKEND])

    def child(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One watched object by name."""
        entry = self._entries[kind].get((namespace, name))
        return None if entry is None else entry.item

    def all(self, kind: Kind) -> tuple[Object, ...]:
        """Every watched object of a kind."""
        return tuple(entry.item for entry in self._entries[kind].values())

    def children(self, key: Key) -> Seen:
        """Everything labelled as a child of the resource, in the order of names."""
        found = sorted(self._children.get(key, {}).items(), key=lambda entry: entry[0][1])

        def of(plural: str) -> tuple[Object, ...]:
            return tuple(entry.item for (kind, _), entry in found if kind.plural == plural)

        return Seen(of("services"), of("deployments"), of("jobs"), of("pods"))

    def _store(self, kind: Kind, key: Key, item: Object) -> Key:
        """Keep it; gives the resource it belongs to."""
        self._drop(kind, key)
        entry = self._entries[kind][key] = _Entry.of(kind, item)
        if kind is not BACKEND:
            self._children[entry.owner][kind, key[1]] = entry
        return entry.owner

    def _drop(self, kind: Kind, key: Key) -> None:
        entry = self._entries[kind].pop(key, None)
        if entry is None or kind is BACKEND:
            return
        self._children[entry.owner].pop((kind, key[1]), None)
        if not self._children[entry.owner]:
            del self._children[entry.owner]
