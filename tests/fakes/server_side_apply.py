"""Field ownership as the API server keeps it in `metadata.managedFields`: sets of paths, per manager and operation.

After structured-merge-diff: maps are granular and lists atomic unless the schema says otherwise. A write other than an
apply owns what it changed and nobody else does. An apply owns what it says, and removes what its manager owned and no
longer says, unless another manager owns it.
"""

import json
import marshal
from typing import Any

Object = dict[str, Any]
Fields = dict[str, Any]

MAP_LISTS = {
    "containers": ("name",), "initContainers": ("name",), "volumes": ("name",), "env": ("name",),
    "imagePullSecrets": ("name",), "volumeMounts": ("mountPath",), "ownerReferences": ("uid",), "conditions": ("type",),
    "hostAliases": ("ip",), "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}  # fmt: skip
SET_LISTS = {"finalizers"}
ATOMIC_MAPS = {"selector", "nodeSelector", "secretKeyRef", "configMapKeyRef", "fieldRef"}
UNOWNED = {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
"""Of the metadata; and `deletionTimestamp`, which the server sets."""
BEFORE_FIRST_APPLY = "before-first-apply"


def clone(item: Any) -> Any:
    """A copy of a JSON value: several times as fast as copy.deepcopy and json."""
    return marshal.loads(marshal.dumps(item))


def merged(live: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    base = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


def updated(before: Object | None, after: Object, manager: str, subresource: str = "") -> list[Fields]:
    """The managedFields after a write that is no apply. Managed fields that the write itself gives count."""
    managed = after["metadata"].get("managedFields")
    if managed is None:
        managed = (before or {"metadata": {}})["metadata"].get("managedFields") or []
    if managed == [{}] or (before is not None and not managed):
        return []  # cleared: not tracked until somebody applies
    old, new = _content(before or {}), _content(after)
    changed = _changed(old, new, "") or {}
    entries = [_with(entry, _existing(_minus(entry["fieldsV1"], changed), new, "")) for entry in managed]
    own = _entry(manager, "Update", after.get("apiVersion", "v1"), subresource)
    return _added(entries, own, changed)


def applied(live: Object | None, said: Object, manager: str, subresource: str = "") -> Object:
    """The object after an apply by force."""
    base = live or {"metadata": {}}
    own = _entry(manager, "Apply", base.get("apiVersion", "v1"), subresource)
    entries = base["metadata"].get("managedFields") or []
    if live is not None and not entries:
        first = _entry(BEFORE_FIRST_APPLY, "Update", own["apiVersion"], "")
        entries = [{**first, "fieldsV1": _fields(_content(live), "")}]
    others = [entry for entry in entries if not _same(entry, own)]
    last = next((entry["fieldsV1"] for entry in entries if _same(entry, own)), {})
    new = _fields(_content(said), "")
    before = _content(base)
    result = _merge(before, _content(said), "")
    changed = _changed(before, result, "") or {}
    others = [_with(entry, _minus(entry["fieldsV1"], changed)) for entry in others]
    for path in _leaves(_difference(last, new)):
        if not any(_has(entry["fieldsV1"], path) for entry in others):
            result = _removed(result, path, "")
    others = [_with(entry, _existing(entry["fieldsV1"], result, "")) for entry in others]
    metadata = {key: value for key, value in base["metadata"].items() if key in UNOWNED or key == "deletionTimestamp"}
    managed = _added([entry for entry in others if entry["fieldsV1"]], own, new)
    kept = {key: value for key, value in base.items() if key in ("apiVersion", "kind")}
    return {**kept, **result, "metadata": {**metadata, **result.get("metadata", {}), "managedFields": managed}}


def _content(item: Object) -> Object:
    metadata = item.get("metadata", {})
    kept = {key: value for key, value in metadata.items() if key not in UNOWNED and key != "deletionTimestamp"}
    content = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata")}
    return content | ({"metadata": kept} if kept else {})


def _entry(manager: str, operation: str, version: str, subresource: str) -> Fields:
    entry = {"manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1"}
    return entry | ({"subresource": subresource} if subresource else {}) | {"fieldsV1": {}}


def _same(entry: Fields, other: Fields) -> bool:
    keys = ("manager", "operation", "subresource")
    return [entry.get(key) for key in keys] == [other.get(key) for key in keys]


def _with(entry: Fields, fields: Fields) -> Fields:
    return {**entry, "fieldsV1": fields}


def _added(entries: list[Fields], own: Fields, fields: Fields) -> list[Fields]:
    """The entries with these fields in the manager's own: an apply says all of them, another write adds some."""
    before = next((entry for entry in entries if _same(entry, own)), None)
    if before is not None:
        fields = fields if own["operation"] == "Apply" else _union(before["fieldsV1"], fields)
    rest = [entry for entry in entries if entry is not before and entry["fieldsV1"]]
    return sorted(
        [*rest, _with(own, fields)] if fields else rest, key=lambda entry: (entry["operation"], entry["manager"])
    )


# Values as elements of a path.


def _keys(name: str, items: list[Any]) -> tuple[str, ...]:
    if name == "ports":
        first = "containerPort" if all("containerPort" in item for item in items) else "port"
        return (first, "protocol")
    return MAP_LISTS.get(name, ())


def _split(value: Any, name: str) -> dict[str, tuple[Any, str]] | None:
    """Children by path element, with the name their type goes by; None: a leaf."""
    if isinstance(value, dict) and name not in ATOMIC_MAPS:
        return {f"f:{key}": (below, key) for key, below in value.items()}
    if isinstance(value, list) and name in SET_LISTS:
        return {f"v:{json.dumps(item)}": (item, "") for item in value}
    if isinstance(value, list) and (keys := _keys(name, value)) and all(isinstance(item, dict) for item in value):
        return {_key(item, keys): (item, "") for item in value}
    return None


def _key(item: Object, keys: tuple[str, ...]) -> str:
    default = {"protocol": "TCP"}
    return "k:" + json.dumps({key: item.get(key, default.get(key)) for key in keys}, separators=(",", ":"))


def _joined(before: Any, name: str, children: dict[str, Any]) -> Any:
    if isinstance(before, dict):
        return {element[2:]: value for element, value in children.items()}
    return list(children.values())


def _fields(value: Any, name: str) -> Fields:
    children = _split(value, name)
    if not children:
        return {}
    found = {element: _fields(below, key) for element, (below, key) in children.items()}
    return {element: {".": {}, **below} if element.startswith("k:") else below for element, below in found.items()}


def _changed(before: Any, after: Any, name: str) -> Fields | None:
    """Paths whose value is new or another one; None: nothing."""
    if before == after:
        return None
    old, new = _split(before, name), _split(after, name)
    if old is None or new is None or isinstance(before, dict) != isinstance(after, dict):
        return {} if not new else {".": {}, **_fields(after, name)} if name else _fields(after, name)
    found: Fields = {}
    for element, (below, key) in new.items():
        if element not in old:
            whole = _fields(below, key)
            found[element] = {".": {}, **whole} if whole else {}
        elif (rest := _changed(old[element][0], below, key)) is not None:
            found[element] = rest
    return found or None


def _merge(live: Any, said: Any, name: str) -> Any:
    new = _split(said, name)
    if new is None:
        return clone(said)
    old = _split(live, name) or {}
    children = {e: _merge(old[e][0] if e in old else None, below, key) for e, (below, key) in new.items()}
    rest = {element: clone(below) for element, (below, _) in old.items() if element not in new}
    return _joined(said, name, {**rest, **children} if isinstance(said, dict) else {**children, **rest})


def _removed(value: Any, path: tuple[str, ...], name: str) -> Any:
    children = _split(value, name)
    element, *rest = path
    if children is None or element not in children:
        return value
    kept = {key: below for key, (below, _) in children.items()}
    if not rest or rest == ["."]:
        del kept[element]
    else:
        below, key = children[element]
        kept[element] = _removed(below, tuple(rest), key)
        if kept[element] in ({}, []) and below not in ({}, []):
            del kept[element]
    return _joined(value, name, kept)


def _existing(fields: Fields, value: Any, name: str) -> Fields:
    """The paths that the value still has."""
    children = _split(value, name)
    if children is None:
        return {}
    kept: Fields = {}
    for element, below in fields.items():
        if element == ".":
            kept["."] = {}
        elif element in children:
            kept[element] = _existing(below, *children[element])
    return kept


# Sets of paths.


def _difference(fields: Fields, others: Fields) -> Fields:
    found: Fields = {}
    for element, below in fields.items():
        if element not in others:
            found[element] = below
        elif below and (rest := _difference(below, others[element])):
            found[element] = rest
    return found


def _minus(fields: Fields, removed: Fields) -> Fields:
    """Without the paths, and without maps that only led to them."""
    kept: Fields = {}
    for element, below in fields.items():
        if element not in removed:
            kept[element] = below
        elif below and removed[element] and (rest := _minus(below, removed[element])):
            kept[element] = rest
    return kept


def _union(fields: Fields, more: Fields) -> Fields:
    found = dict(fields)
    for element, below in more.items():
        found[element] = _union(found[element], below) if element in found else below
    return found


def _leaves(fields: Fields, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for element, below in fields.items():
        path = (*before, element)
        found += [path] if not below.keys() - {"."} else _leaves(below, path)
    return found


def _has(fields: Fields, path: tuple[str, ...]) -> bool:
    for element in path:
        if element not in fields:
            return False
        fields = fields[element]
    return True
