"""Fields that other clients added to an object of ours, read from `metadata.managedFields`.

Server-side apply keeps every field that another manager owns, so applying a manifest again does not remove it. To
remove one, the operator first takes over its ownership (as Flux and client-go's `csaupgrade` do) and then applies its
manifest: the API server drops what a manager owned and no longer applies.

Fields set by a mutating admission webhook during a request of ours are owned by nobody or by our own manager. They are
never reported here, so there is no fight with webhooks.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labelloop_operator.api.names import FIELD_MANAGER
from labelloop_operator.kubernetes.kinds import JOB, Kind

Object = Mapping[str, Any]
Fields = dict[str, Any]
"""A set of field paths as a tree, in the form of `fieldsV1`."""

_CONTENT = ("f:spec", "f:data", "f:binaryData", "f:immutable")
"""What decides how a child behaves. Metadata is left to others; its own part is compared by value."""
_RESTARTED_AT = ("f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt")
"""Set by `kubectl rollout restart`. Removing it would replace the pods a second time."""
_DERIVED: Mapping[str, str] = {"f:serviceAccountName": "f:serviceAccount"}
"""Fields that the API server sets next to another one, without an owner, and derives that one from again."""
OWNERS_CLEARED = "metadata.managedFields"
"""Reported when nothing shows what we own: somebody cleared managedFields. Applying makes owners be recorded again."""
_BEFORE_FIRST_APPLY = "before-first-apply"
"""Owns all that an object held when its managedFields were empty and somebody applied."""
_JOB_FIELDS = frozenset({"f:ttlSecondsAfterFinished", "f:template"})
"""Most of a Job is immutable. The pod template can be changed while the Job is suspended."""


def added_by_others(kind: Kind, item: Object) -> dict[str, str]:
    """Paths of the fields that other managers own and ours does not, with the manager of each."""
    managed = item["metadata"].get("managedFields") or ()
    ours = _ours(managed)
    if not ours:
        return {OWNERS_CLEARED: ""}
    found: dict[str, str] = {}
    for entry in managed:
        if entry.get("manager") != FIELD_MANAGER:
            found |= dict.fromkeys(_paths(_added(kind, entry, ours)), str(entry.get("manager", "")))
    return found


def taken_over(kind: Kind, item: Object) -> list[Fields]:
    """The object's managedFields with every field that others added owned by us instead."""
    managed = item["metadata"].get("managedFields") or []
    ours = _ours(managed)
    applied = next((dict(entry) for entry in managed if _is_our_apply(entry)), None) or {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": kind.api_version,
        "fieldsType": "FieldsV1",
    }
    fields: Fields = applied.get("fieldsV1", {})
    left: list[Fields] = []
    for entry in managed:
        if _is_our_apply(entry):
            continue
        added = _added(kind, entry, ours) if entry.get("manager") != FIELD_MANAGER else {}
        fields = _union(fields, _with_derived(added))
        rest = _minus(entry.get("fieldsV1", {}), added)
        if rest:
            left.append({**entry, "fieldsV1": rest})
    return [{**applied, "fieldsV1": fields}, *left]


def _ours(managed: Iterable[Object]) -> Fields:
    """What we apply, and what we or a webhook wrote in a request of ours."""
    ours: Fields = {}
    for entry in managed:
        if entry.get("manager") == FIELD_MANAGER and not entry.get("subresource"):
            ours = _union(ours, entry.get("fieldsV1", {}))
    return ours


def _is_our_apply(entry: Object) -> bool:
    return (entry.get("manager"), entry.get("operation"), entry.get("subresource")) == (FIELD_MANAGER, "Apply", None)


def _added(kind: Kind, entry: Object, ours: Fields) -> Fields:
    """What of an entry's content is not ours."""
    fields = entry.get("fieldsV1", {})
    content = {key: fields[key] for key in _CONTENT if key in fields}
    if kind is JOB:
        first = entry.get("manager") == _BEFORE_FIRST_APPLY
        allowed = _JOB_FIELDS - {"f:template"} if first else _JOB_FIELDS
        content = {"f:spec": {key: value for key, value in content.get("f:spec", {}).items() if key in allowed}}
    return _without(_difference(content, ours), _RESTARTED_AT)


def _difference(fields: Fields, others: Fields) -> Fields:
    found: Fields = {}
    for key, below in fields.items():
        if key == ".":  # the map or list item itself, which both have
            continue
        if key not in others:
            found[key] = below
        elif rest := _difference(below, others[key]):
            found[key] = rest
    return found


def _without(fields: Fields, path: tuple[str, ...]) -> Fields:
    """The fields but for one, and for the maps that only lead to it."""
    key, *rest = path
    if key not in fields:
        return fields
    below = _without(fields[key], tuple(rest)) if rest else {}
    kept = {name: value for name, value in fields.items() if name != key}
    return {**kept, key: below} if below.keys() - {"."} else kept


def _minus(fields: Fields, removed: Fields) -> Fields:
    """The fields without those removed, and without what is empty then."""
    kept: Fields = {}
    for key, below in fields.items():
        if key not in removed:
            kept[key] = below
        elif removed[key] and (rest := _minus(below, removed[key])):
            kept[key] = rest
    return {} if not kept.keys() - {"."} else kept


def _union(fields: Fields, more: Fields) -> Fields:
    merged = dict(fields)
    for key, below in more.items():
        merged[key] = _union(merged[key], below) if key in merged else below
    return merged


def _with_derived(fields: Fields) -> Fields:
    found = {key: _with_derived(below) for key, below in fields.items()}
    return found | {derived: {} for name, derived in _DERIVED.items() if name in fields}


def _paths(fields: Fields, before: str = "") -> Iterator[str]:
    """Readable paths of the leaves: `spec.template.spec.containers[name=backend].env[name=A]`."""
    for key, below in fields.items():
        path = f"{before}{_readable(key)}".removeprefix(".")
        whole_item = key.startswith("k:") and "." in below  # an added item of a list is named, not its fields
        if below.keys() - {"."} and not whole_item:
            yield from _paths(below, path)
        elif key != ".":
            yield path


def _readable(key: str) -> str:
    kind, _, name = key.partition(":")
    if kind == "f":
        return f".{name}"
    plain = name.translate(str.maketrans("", "", '{}"')).replace(":", "=")
    return f"[{plain}]"
