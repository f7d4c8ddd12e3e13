"""What the API server was last seen to hold: the resources and their children, kept slim, never going back in time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.clients.kinds import BACKEND, CHILD_KINDS, Kind

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


def slim(item: Object) -> Object:
    """The object without what nobody here reads; `managedFields` alone is most of it."""
    metadata = item["metadata"]
    kept = {key: value for key, value in item.items() if key in ("spec", "status")}
    return {**kept, "metadata": {key: metadata[key] for key in _METADATA if key in metadata}}


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
    """Objects by kind, namespace and name. `on_change` is told the key of a resource whenever something of it moved."""

    def __init__(self, on_change: Callable[[Key], None]) -> None:
        self._on_change = on_change
        self._items: dict[Kind, dict[Key, Object]] = {kind: {} for kind in (BACKEND, *CHILD_KINDS)}
        self._children: dict[Key, dict[tuple[Kind, str], Object]] = defaultdict(dict)
        self._gone: dict[tuple[Kind, str], int] = {}

    def put(self, kind: Kind, item: Object) -> None:
        """An object as an event, a list or an answer to our own write showed it. Older than what is known: ignored."""
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        known = self._items[kind].get(key)
        if known is not None and version(known) >= version(item):
            return
        if self._gone.get((kind, metadata["uid"]), -1) >= version(item):
            return
        self._store(kind, key, slim(item))
        self._on_change(owner_key(kind, item))

    def remove(self, kind: Kind, item: Object) -> None:
        """A DELETED event. A successor of the same name that is known already stays."""
        metadata = item["metadata"]
        key = (metadata["namespace"], metadata["name"])
        self._gone[kind, metadata["uid"]] = version(item)
        known = self._items[kind].get(key)
        if known is not None and known["metadata"]["uid"] == metadata["uid"]:
            self._drop(kind, key)
            self._on_change(owner_key(kind, item))

    def going(self, kind: Kind, namespace: str, name: str) -> None:
        """We deleted this object: until the watch tells how it went, it counts as being deleted."""
        item = self._items[kind].get((namespace, name))
        if item is not None:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._store(kind, (namespace, name), {**item, "metadata": {**item["metadata"], "deletionTimestamp": now}})

    def replace(self, kind: Kind, namespace: str | None, items: Iterable[Object], listed_at: str) -> None:
        """A complete list (of one namespace, or of all): also what no event told, deletions included.

        An entry that is newer than the list and not in it stays: it was made after the list was read.
        """
        present = set()
        for item in items:
            present.add((item["metadata"]["namespace"], item["metadata"]["name"]))
            self.put(kind, item)
        for key, item in list(self._items[kind].items()):
            if key not in present and namespace in (None, key[0]) and version(item) <= int(listed_at):
                self._drop(kind, key)
                self._on_change(owner_key(kind, item))
        self._gone = {entry: at for entry, at in self._gone.items() if at > int(listed_at)}

    def revisit(self, key: Key) -> None:
        """Have a resource looked at although nothing of it moved."""
        self._on_change(key)

    def resource(self, key: Key) -> Object | None:
        """The resource itself."""
        return self._items[BACKEND].get(key)

    def resources(self) -> tuple[Key, ...]:
        """Keys of all resources."""
        return tuple(self._items[BACKEND])

    def child(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One watched object by name."""
        return self._items[kind].get((namespace, name))

    def all(self, kind: Kind) -> tuple[Object, ...]:
        """Every watched object of a kind."""
        return tuple(self._items[kind].values())

    def children(self, key: Key) -> Seen:
        """Everything labelled as a child of the resource, in the order of names."""
        found = sorted(self._children.get(key, {}).items(), key=lambda entry: entry[0][1])

        def of(plural: str) -> tuple[Object, ...]:
            return tuple(item for (kind, _), item in found if kind.plural == plural)

        return Seen(services=of("services"), deployments=of("deployments"), jobs=of("jobs"))

    def _store(self, kind: Kind, key: Key, item: Object) -> None:
        self._drop(kind, key)
        self._items[kind][key] = item
        if kind is not BACKEND:
            self._children[owner_key(kind, item)][kind, key[1]] = item

    def _drop(self, kind: Kind, key: Key) -> None:
        item = self._items[kind].pop(key, None)
        if item is None or kind is BACKEND:
            return
        owner = owner_key(kind, item)
        self._children[owner].pop((kind, key[1]), None)
        if not self._children[owner]:
            del self._children[owner]
