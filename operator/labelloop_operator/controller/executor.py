"""Does what a plan says on the Kubernetes API: idempotent, and skipped when the cluster shows it as done."""

import asyncio
from dataclasses import dataclass
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.names import ADDED_BY_OTHERS
from labelloop_operator.api.spec import Problem
from labelloop_operator.builders.relay_secret import still_kept
from labelloop_operator.controller.repair_backoff import Fields, Key, Repairs, listed
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.child_restore import restore
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.drift import ANNOTATION_MANIFEST, differences, matches, with_hash
from labelloop_operator.kubernetes.kinds import BACKEND, CHILD_KINDS, JOB, SECRET, Kind, kind_named
from labelloop_operator.kubernetes.managed_fields import added_by_others
from labelloop_operator.planning.actions import Apply, Create, Delete, Emit, ReleaseRelaySecret, SetFinalizer
from labelloop_operator.planning.observed import Conflict, Manifest
from labelloop_operator.planning.ownership import is_ours

RECHECK = 600.0
"""Seconds after which an object that is not watched (the relay Secret) is looked at again."""

KubernetesAction = Apply | Create | Delete | SetFinalizer | ReleaseRelaySecret


class ConflictFound(Exception):  # noqa: N818 - a state, not a fault
    """An object has the name of one of ours and is controlled by somebody else."""

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(f"{conflict.kind} {conflict.name} is not ours")
        self.conflict = conflict


@dataclass
class ResourceHandle:
    """The resource that is worked on. `version` follows our own writes, so that the status write is guarded by it.

    `current`: the API server said in this reconcile that there is no newer one.
    """

    namespace: str
    name: str
    uid: str
    version: str
    finalizers: tuple[str, ...]
    current: bool = False


def handle_for(item: Manifest) -> ResourceHandle:
    """The resource as the cache holds it."""
    metadata = item["metadata"]
    finalizers = tuple(metadata.get("finalizers") or ())
    return ResourceHandle(
        metadata["namespace"], metadata["name"], metadata["uid"], metadata["resourceVersion"], finalizers
    )


class Executor:
    """Runs actions; answers to writes go into the cache, so that the next reconcile sees them."""

    def __init__(self, kubernetes: Kubernetes, cache: Cache) -> None:
        self._repairs = Repairs()
        self._kubernetes = kubernetes
        self._cache = cache
        self._checked: dict[tuple[str, str, str], tuple[str, float]] = {}

    async def run(self, subject: ResourceHandle, action: KubernetesAction) -> Emit | None:
        """Run one action; returns the Event of a repair. Raises ApiError, ConflictFound, NotLeading."""
        match action:
            case Apply(manifest):
                return await self._apply(subject, manifest)
            case Create(manifest):
                await self._create(subject, manifest)
            case Delete(kind, namespace, name, uid, propagation):
                await self._delete(kind_named(kind), namespace, name, uid, propagation)
            case SetFinalizer(present):
                await self._set_finalizer(subject, present)
            case ReleaseRelaySecret(name):
                await self._release(subject, name)
        return None

    def recheck(self, namespace: str, name: str) -> None:
        """Look again at what is not watched, at the next apply."""
        self._checked.pop((SECRET.kind, namespace, names.relay_secret_name(name)), None)

    def disputed(self, key: Key) -> tuple[Problem, ...]:
        """Children of the resource that another client keeps changing."""
        return self._repairs.disputed(key, asyncio.get_running_loop().time())

    def look_again_after(self, key: Key) -> float | None:
        """Seconds until a disputed child may be repaired again; None without one."""
        return self._repairs.look_again_after(key, asyncio.get_running_loop().time())

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._repairs.forget(key)

    async def write_status(self, subject: ResourceHandle, status: dict[str, Any]) -> None:
        """The full status, guarded by the resource version. ApiError 404: gone; 409: changed meanwhile."""
        manifest = self._resource(subject, {"resourceVersion": subject.version})
        self._refresh(subject, await self._kubernetes.apply(BACKEND, {**manifest, "status": status}, "status"))

    async def foreign(self, uid: str, namespace: str, conflict: Conflict) -> bool:
        """Whether the object still exists and is still not ours."""
        live = await self._kubernetes.get(kind_named(conflict.kind), namespace, conflict.name)
        return live is not None and not is_ours(live, uid)

    async def _apply(self, subject: ResourceHandle, manifest: Manifest) -> Emit | None:
        kind, wanted = kind_named(manifest["kind"]), with_hash(manifest)
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        digest = wanted["metadata"]["annotations"][ANNOTATION_MANIFEST]
        entry, now = (kind.kind, namespace, name), asyncio.get_running_loop().time()
        known, checked_at = self._checked.get(entry, ("", -RECHECK))
        if kind not in CHILD_KINDS and known == digest and now - checked_at < RECHECK:
            return None
        live = await self._live(kind, namespace, name)
        self._refuse_foreign(subject, kind, name, live)
        if kind is SECRET and live is not None:
            wanted = with_hash(still_kept(manifest, live))
            if live["metadata"].get("deletionTimestamp"):  # somebody deleted it: ours holds it no longer than this
                await self._release(subject, name)
                live = None
        event = None
        if live is None or not matches(wanted, live):
            event = await self._write(subject, kind, wanted, live)
        if kind not in CHILD_KINDS:
            self._checked[entry] = (digest, now)
        return event

    async def _write(self, subject: ResourceHandle, kind: Kind, wanted: Manifest, live: Manifest | None) -> Emit | None:
        """Make the live object what is wanted, unless somebody else changes it again and again."""
        key, child = (subject.namespace, subject.name), f"{kind.kind} {wanted['metadata']['name']}"
        digest, now = wanted["metadata"]["annotations"][ANNOTATION_MANIFEST], asyncio.get_running_loop().time()
        if not self._repairs.allowed(key, child, digest, now):
            return None
        await self._ensure_current(subject)
        fields = {"(deleted)": ""} if live is None else differences(wanted, live)
        made = await restore(self._kubernetes, kind, wanted, live)
        self._remember(kind, made)
        if not matches(wanted, _with_added(kind, made)):
            return None  # a mutating webhook has changed what we wrote: it would do so every time
        self._repairs.wrote(key, child, digest, fields, now)
        return _event_of(kind, child, digest, fields, live)

    async def _create(self, subject: ResourceHandle, manifest: Manifest) -> None:
        kind = kind_named(manifest["kind"])
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        await self._ensure_current(subject)
        try:
            self._remember(kind, await self._kubernetes.create(kind, manifest))
        except ApiError as error:
            if error.status != 409:
                raise
            live = await self._kubernetes.get(kind, namespace, name)
            self._refuse_foreign(subject, kind, name, live)
            if live is None:
                raise
            self._remember(kind, live)

    async def _delete(self, kind: Kind, namespace: str, name: str, uid: str, propagation: str) -> None:
        live = self._cache.child(kind, namespace, name) if kind in CHILD_KINDS else None
        if live is not None and live["metadata"].get("deletionTimestamp") is not None:
            return
        await self._kubernetes.delete(kind, namespace, name, uid, propagation)
        self._checked.pop((kind.kind, namespace, name), None)
        if live is not None and live["metadata"]["uid"] == uid:
            self._cache.going(kind, namespace, name)

    async def _release(self, subject: ResourceHandle, name: str) -> None:
        """Apply the Secret with nothing in it: our finalizer goes, and our values."""
        live = await self._kubernetes.get(SECRET, subject.namespace, name)
        if live is None or not is_ours(live, subject.uid):
            return
        if names.FINALIZER not in (live["metadata"].get("finalizers") or ()):
            return
        metadata = {"name": name, "namespace": subject.namespace, "uid": live["metadata"]["uid"]}
        metadata["ownerReferences"] = live["metadata"]["ownerReferences"]
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
        try:
            await self._kubernetes.apply(SECRET, manifest)
        except ApiError as error:
            if error.status not in (404, 409):  # gone meanwhile, or replaced
                raise
        self._checked.pop((SECRET.kind, subject.namespace, name), None)

    async def _set_finalizer(self, subject: ResourceHandle, present: bool) -> None:
        """Our whole manifest of the resource: applying it without the finalizer drops ours, and nobody else's."""
        if (names.FINALIZER in subject.finalizers) == present:
            return
        manifest = self._resource(subject, {"uid": subject.uid, "resourceVersion": subject.version})
        if present:
            manifest["metadata"]["finalizers"] = [names.FINALIZER]
        try:
            item = await self._kubernetes.apply(BACKEND, manifest)
            self._refresh(subject, item)
            if not item["metadata"].get("finalizers") and item["metadata"].get("deletionTimestamp"):
                self._cache.remove(BACKEND, item)  # gone with this very write, which moves no resource version
        except ApiError as error:
            gone = error.status == 404 or (error.status == 409 and await self._gone(subject))
            if present or not gone:
                raise

    async def _ensure_current(self, subject: ResourceHandle) -> None:
        """A plan made from a resource that has moved on must not touch its children: a training whose outcome is in
        the newer status would run again, and the Service go back to the version before. ApiError 409: plan again."""
        if subject.current:
            return
        live = await self._kubernetes.get(BACKEND, subject.namespace, subject.name)
        if live is not None:
            self._cache.put(BACKEND, live)
            if (live["metadata"]["uid"], live["metadata"]["resourceVersion"]) == (subject.uid, subject.version):
                subject.current = True
                return
        path = BACKEND.path(subject.namespace, subject.name)
        raise ApiError("GET", path, 409, "Conflict", "the resource has changed since it was looked at")

    async def _gone(self, subject: ResourceHandle) -> bool:
        live = await self._kubernetes.get(BACKEND, subject.namespace, subject.name)
        return live is None or live["metadata"]["uid"] != subject.uid

    async def _live(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """From the cache; what it does not know is read, since a foreign object carries none of our labels."""
        cached = self._cache.child(kind, namespace, name) if kind in CHILD_KINDS else None
        live = cached or await self._kubernetes.get(kind, namespace, name)
        return live if live is None or cached else _with_added(kind, live)

    def _refuse_foreign(self, subject: ResourceHandle, kind: Kind, name: str, live: Manifest | None) -> None:
        if live is not None and not is_ours(live, subject.uid):
            raise ConflictFound(Conflict(kind.kind, name))

    def _remember(self, kind: Kind, item: Manifest) -> None:
        if kind in CHILD_KINDS:
            self._cache.put(kind, item)

    def _refresh(self, subject: ResourceHandle, item: Manifest) -> None:
        subject.version = item["metadata"]["resourceVersion"]
        subject.current = True
        subject.finalizers = tuple(item["metadata"].get("finalizers") or ())
        self._cache.put(BACKEND, item)

    @staticmethod
    def _resource(subject: ResourceHandle, metadata: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": BACKEND.api_version,
            "kind": BACKEND.kind,
            "metadata": {"name": subject.name, "namespace": subject.namespace, **metadata},
        }


def _with_added(kind: Kind, item: Manifest) -> Manifest:
    """An object from the API server, as `drift` looks at it."""
    return {**item, ADDED_BY_OTHERS: added_by_others(kind, item)}


def _event_of(kind: Kind, child: str, digest: str, fields: Fields, live: Manifest | None) -> Emit | None:
    """The Event of a repair: none when the manifest changed, or when the plan has one of its own (for Jobs)."""
    if live is None or kind is JOB or (live["metadata"].get("annotations") or {}).get(ANNOTATION_MANIFEST) != digest:
        return None
    note = f"{child}: {listed(fields)} did not agree with the resource and is restored"
    return Emit("Warning", str(Reason.CHILD_RESTORED), note)
