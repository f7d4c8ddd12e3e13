"""Whether a live object still is what we want: then server-side apply is skipped, and a quiet resource costs no write.

Three questions together: was exactly this manifest applied last (a digest in an annotation; it also notices what we
want no more), does the live object still cover it (it notices what others changed or removed), and did others add
fields.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from labelloop_operator.api import names
from labelloop_operator.api.names import ADDED_BY_OTHERS
from labelloop_operator.kubernetes.service_drift import misrouted

Manifest = Mapping[str, Any]

ANNOTATION_MANIFEST = f"{names.GROUP}/manifest"
_MERGE_KEYS = ("mountPath", "name", "containerPort", "port", "type", "uid")
_QUANTITY_MAPS = frozenset({"limits", "requests"})


def with_hash(manifest: Manifest) -> dict[str, Any]:
    """The manifest with its own digest as an annotation."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION_MANIFEST: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def matches(manifest: Manifest, live: Manifest) -> bool:
    """Whether the live object covers the manifest, and others added nothing."""
    return is_superset(_content(manifest), live) and not _added(manifest, live)


def differences(manifest: Manifest, live: Manifest) -> dict[str, str]:
    """Paths of the fields that keep a live object from being in place, with the manager of each, if known."""
    managers = live.get(ADDED_BY_OTHERS) or {}
    found = [path.removeprefix(".") for path in _differences(_content(manifest), live, "", "")]
    return {path: _manager(path, managers) for path in (*found, *_added(manifest, live))}


def _manager(path: str, managers: Mapping[str, str]) -> str:
    """Of the field, of what it is a part of, or of a part of it."""
    return next((who for owned, who in managers.items() if path.startswith(owned) or owned.startswith(path)), "")


def _content(manifest: Manifest) -> dict[str, Any]:
    """Lists of the API server leave kind and API version of their items out."""
    return {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind")}


def _added(manifest: Manifest, live: Manifest) -> list[str]:
    """Of a Service by value, whoever owns it."""
    return misrouted(manifest, live) if manifest["kind"] == "Service" else list(live.get(ADDED_BY_OTHERS) or ())


def is_superset(want: object, live: object) -> bool:
    """`want` is a part of `live`. Maps in lists match by a key of theirs; empty and null count as absent."""
    return _is_superset(want, live, "")


def _is_superset(want: object, live: object, key: str) -> bool:
    """Every value of every child goes through this in every reconcile: plain types and loops, no abstract classes."""
    if not want and want != 0:  # which False is, too
        return True
    if isinstance(want, dict):
        if not isinstance(live, dict):
            return False
        same = _same_quantity if key in _QUANTITY_MAPS else None
        for name, value in want.items():
            found = live.get(name)
            if not (same(value, found) if same else _is_superset(value, found, name)):
                return False
        return True
    if isinstance(want, (list, tuple)):
        return isinstance(live, (list, tuple)) and _is_superset_list(want, live)
    return _equal(want, live, key)


def _differences(want: object, live: object, key: str, path: str) -> Iterator[str]:
    """Slower than `_covers`, and only asked for a message."""
    if _is_superset(want, live, key):
        return
    if key not in _QUANTITY_MAPS and isinstance(want, dict) and isinstance(live, dict):
        for name, value in want.items():
            yield from _differences(value, live.get(name), name, f"{path}.{name}")
        return
    merge_key = _merge_key(want) if isinstance(want, list) and isinstance(live, list) else None
    if merge_key is None or not isinstance(want, list) or not isinstance(live, list):
        yield path
        return
    by_key = {item.get(merge_key): item for item in live if isinstance(item, dict)}
    for item in want:
        yield from _differences(item, by_key.get(item[merge_key]), "", f"{path}[{merge_key}={item[merge_key]}]")


def _merge_key(items: Sequence[Any]) -> str | None:
    return next((key for key in _MERGE_KEYS if all(isinstance(item, dict) and key in item for item in items)), None)


def _is_superset_list(want: Sequence[Any], live: Sequence[Any]) -> bool:
    merge_key = _merge_key(want)
    if merge_key is None:
        return len(want) == len(live) and all(
            _is_superset(one, other, "") for one, other in zip(want, live, strict=True)
        )
    by_key = {item.get(merge_key): item for item in live if isinstance(item, dict)}
    return all(item[merge_key] in by_key and _is_superset(item, by_key[item[merge_key]], "") for item in want)


def _equal(want: object, live: object, key: str) -> bool:
    if want == live and type(want) is type(live):
        return True
    if live is None and want in (False, 0):
        return True  # the API server leaves zero values out
    return key == "sizeLimit" and _same_quantity(want, live)


def _same_quantity(want: object, live: object) -> bool:
    """`1000m` and `1` are the same; the API server stores its own form."""
    if want == live:
        return True
    try:
        return bool(parse_quantity(want) == parse_quantity(live))
    except (ValueError, TypeError, ArithmeticError):
        return False
