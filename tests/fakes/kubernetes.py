"""An API server as far as the operator uses one: paged lists, watches, server-side apply, status, finalizers.

Ownership of fields is kept as in tests/fakes/server_side_apply.py. There are custom resources, Services, Deployments,
Jobs, Secrets, Pods, Leases, Events and Namespaces.
"""

import asyncio
import json
import uuid
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.fakes.server_side_apply import applied, clone, merged, updated
from tests.fakes.validation import Refused, defaulted, validate

Object = dict[str, Any]
Place = tuple[str, str, str]
Selector = tuple[str, str]
"""Of labels and of fields."""
"""Plural, namespace, name."""

GROUPS = {
    "v1": {"services": "Service", "secrets": "Secret", "pods": "Pod", "namespaces": "Namespace"},
    "apps/v1": {"deployments": "Deployment"},
    "batch/v1": {"jobs": "Job"},
    "coordination.k8s.io/v1": {"leases": "Lease"},
    "discovery.k8s.io/v1": {"endpointslices": "EndpointSlice"},
    "events.k8s.io/v1": {"events": "Event"},
    "labelloop.dev/v1alpha1": {"labelstudiobackends": "LabelStudioBackend"},
}


@dataclass
class Refusal:
    """Answers the next matching requests: `times` of them, or all (None)."""

    method: str
    plural: str
    status: int
    message: str
    times: int | None = None
    after: bool = False
    """The request is carried out, but its answer is lost."""


@dataclass(frozen=True)
class Seen:
    """One request."""

    method: str
    plural: str
    name: str
    subresource: str
    manager: str
    watch: bool = False

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


OTHER = "kubectl-edit"
"""The field manager of what a test changes."""

Interceptor = Callable[[web.Request, Seen, Callable[[], Awaitable[web.StreamResponse]]], Awaitable[web.StreamResponse]]
"""Answers a request instead of the server; the last argument carries it out."""


@dataclass
class FakeKubernetes:
    """State, history and switches of the server."""

    url: str = ""
    missing: set[str] = field(default_factory=set)
    """Plurals that the server does not know."""
    requests: list[Seen] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    oldest: int = 0
    """Watches from before this resource version are refused with 410."""
    interceptor: Interceptor | None = None
    webhook: Callable[[str, Object], None] = lambda plural, item: None
    """A mutating admission webhook: it changes what a request is about to store."""
    withheld: Callable[[int, str], bool] = lambda version, plural: False
    """Whether watches keep the event of this resource version to themselves."""

    def __post_init__(self) -> None:
        self._objects: dict[Place, Object] = {}
        self._history: list[tuple[int, str, str, Object]] = []
        self._version = 100
        self._changed = asyncio.Condition()
        self._watches: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.put("namespaces", {"metadata": {"name": "kube-system"}})

    async def start(self) -> "FakeKubernetes":
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def stop(self) -> None:
        """Nobody listens any more; `start` listens on the same port again."""
        self.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self, folder: Path) -> Path:
        path = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {"token": "secret"}}],
        }
        path.write_text(json.dumps(content))
        return path

    def drop_watches(self) -> None:
        """Cut every watch connection."""
        for task in self._watches:
            task.cancel()

    # What a test does behind the operator's back.

    def put(self, plural: str, item: Object, namespace: str = "") -> Object:
        """Create or replace an object, as other controllers do."""
        item = clone(item)
        metadata = item.setdefault("metadata", {})
        namespace = metadata.get("namespace", namespace)
        if namespace:
            metadata["namespace"] = namespace
        place = (plural, namespace, metadata["name"])
        before = self._objects.get(place)
        metadata.setdefault("uid", before["metadata"]["uid"] if before else str(uuid.uuid4()))
        return self._update(place, item, before, OTHER)

    def patch(
        self, plural: str, namespace: str, name: str, change: Callable[[Object], None], manager: str = OTHER
    ) -> Object:
        """Change an object in place. Refused when the API server would not allow it."""
        place = (plural, namespace, name)
        before = self._objects[place]
        item = clone(before)
        change(item)
        return self._update(place, item, before, manager)

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete at once, whatever finalizers say."""
        self._drop((plural, namespace, name))

    def forget_silently(self, plural: str, namespace: str, name: str) -> None:
        """Delete without telling any watch."""
        del self._objects[plural, namespace, name]

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        found = self._objects.get((plural, namespace, name))
        return clone(found) if found else None

    def all(self, plural: str) -> list[Object]:
        return [clone(self._objects[place]) for place in sorted(self._objects) if place[0] == plural]

    @property
    def version(self) -> int:
        """Resource version of the newest change."""
        return self._version

    def as_of(self, version: int, plural: str) -> list[Object]:
        """All objects of a kind as they were at a resource version."""
        found: dict[tuple[str, str], Object] = {}
        for at, type_, kind, item in self._history:
            if kind == plural and at <= version:
                place = (item["metadata"].get("namespace", ""), item["metadata"]["name"])
                found.pop(place, None)
                if type_ != "DELETED":
                    found[place] = item
        return [clone(found[place]) for place in sorted(found)]

    def become(self, other: "FakeKubernetes") -> None:
        """Hold what the other holds, its history included."""
        self._objects = clone(other._objects)
        self._history, self._version = list(other._history), other._version

    def own(self, place: Place, manager: str, subresource: str, said: Object) -> None:
        """What a field manager applied last, of an object that was put."""
        item = self._objects[place]
        managed = applied(None, said, manager, subresource)["metadata"]["managedFields"]
        others = [entry for entry in item["metadata"].get("managedFields") or [] if entry["manager"] != OTHER]
        item["metadata"]["managedFields"] = [*others, *managed]

    def writes(self) -> list[Seen]:
        """Writes but for those of leases."""
        return [seen for seen in self.requests if seen.is_write and seen.plural != "leases"]

    def refuse(
        self, method: str, plural: str, status: int, message: str, times: int | None = None, after: bool = False
    ) -> Refusal:
        refusal = Refusal(method, plural, status, message, times, after)
        self.refusals.append(refusal)
        return refusal

    # HTTP.

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        if parts == ["api"]:
            return web.json_response({"versions": ["v1"]})
        if parts == ["apis"]:
            return web.json_response(_groups())
        version = "v1" if parts[0] == "api" else "/".join(parts[1:3])
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        if not rest:
            return self._resources(version)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource = (*rest, "", "")[:3]
        if plural in self.missing or plural not in GROUPS.get(version, {}):
            return _status(404, "NotFound", "the server could not find the requested resource")
        try:
            return await self._answer(request, plural, namespace, name, subresource)
        except Refused as refused:
            return _status(422, "Invalid", f"{GROUPS[version][plural]} {name!r} is invalid: {refused}")

    async def _answer(
        self, request: web.Request, plural: str, namespace: str, name: str, subresource: str
    ) -> web.StreamResponse:
        watch = request.query.get("watch") in ("1", "true")
        seen = Seen(request.method, plural, name, subresource, request.query.get("fieldManager", ""), watch)
        self.requests.append(seen)
        refusal = self._refusal(request.method, plural)
        if refusal is not None and not refusal.after:
            return _status(refusal.status, "Refused", refusal.message)

        async def carry_out() -> web.StreamResponse:
            return await self._carry_out(request, (plural, namespace, name), subresource, watch)

        answer = await (self.interceptor(request, seen, carry_out) if self.interceptor else carry_out())
        return answer if refusal is None else _status(refusal.status, "Refused", refusal.message)

    async def _carry_out(self, request: web.Request, place: Place, subresource: str, watch: bool) -> web.StreamResponse:
        plural, namespace, name = place
        if request.method == "GET" and watch:
            return await self._watch(request, plural, namespace)
        if request.method == "GET":
            return self._get(place) if name else self._list(request, plural, namespace)
        body = json.loads(await request.read() or b"{}")
        manager = request.query.get("fieldManager", "unknown")
        if request.method == "POST":
            return self._create(place, body, manager)
        if request.method == "DELETE":
            return self._delete(place, body)
        if request.method == "PUT":
            return self._replace(place, body, manager)
        if request.headers["Content-Type"].startswith("application/merge-patch"):
            return self._merge(place, body, manager)
        return self._apply(place, body, manager, subresource)

    def _refusal(self, method: str, plural: str) -> Refusal | None:
        for refusal in self.refusals:
            if refusal.method == method and refusal.plural in (plural, "*") and refusal.times != 0:
                if refusal.times is not None:
                    refusal.times -= 1
                return refusal
        return None

    def _get(self, place: Place) -> web.Response:
        found = self._objects.get(place)
        return web.json_response(found) if found else _not_found(place)

    def _list(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        found = self._chosen(plural, namespace, _selector(request))
        start, limit = int(request.query.get("continue", "0")), int(request.query.get("limit", "0")) or len(found) or 1
        metadata = {"resourceVersion": str(self._version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        return web.json_response({"kind": "List", "metadata": metadata, "items": found[start : start + limit]})

    def _chosen(self, plural: str, namespace: str, selector: Selector) -> list[Object]:
        return [
            item
            for (kind, where, _), item in sorted(self._objects.items())
            if kind == plural and namespace in ("", where) and _selected(item, selector)
        ]

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        since = int(request.query.get("resourceVersion") or 0)
        if since < self.oldest:
            return _status(410, "Expired", "too old resource version")
        selector = _selector(request)
        response = web.StreamResponse()
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._watches.add(task)
        try:
            await self._stream(response, plural, namespace, selector, since)
        except (asyncio.CancelledError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._watches.discard(task)
        return response

    async def _stream(
        self, response: web.StreamResponse, plural: str, namespace: str, selector: Selector, since: int
    ) -> None:
        while True:
            newer = bisect_right(self._history, since, key=itemgetter(0))
            for version, type_, kind, item in self._history[newer:]:
                where = item["metadata"].get("namespace", "")
                if self.withheld(version, kind):
                    continue
                if kind == plural and namespace in ("", where) and _selected(item, selector):
                    await response.write(json.dumps({"type": type_, "object": item}).encode() + b"\n")
            since = max(since, self._version)
            async with self._changed:
                await self._changed.wait_for(lambda: self._version > since)  # noqa: B023 - waited for at once

    def _create(self, place: Place, body: Object, manager: str) -> web.Response:
        plural, namespace, _ = place
        place = (plural, namespace, body["metadata"]["name"])
        if place in self._objects:
            return _status(409, "AlreadyExists", f"{plural} {place[2]!r} already exists")
        body["metadata"] |= {"uid": str(uuid.uuid4())} | ({"namespace": namespace} if namespace else {})
        self.webhook(plural, body)
        return web.json_response(self._update(place, body, None, manager), status=201)

    def _replace(self, place: Place, body: Object, manager: str) -> web.Response:
        found = self._objects.get(place)
        if found is None:
            return _not_found(place)
        if body["metadata"].get("resourceVersion") not in (None, found["metadata"]["resourceVersion"]):
            return _status(409, "Conflict", "the object has been modified")
        return web.json_response(self._update(place, body, found, manager))

    def _delete(self, place: Place, options: Object) -> web.Response:
        found = self._objects.get(place)
        if found is None:
            return _not_found(place)
        uid = (options.get("preconditions") or {}).get("uid")
        if uid not in (None, found["metadata"]["uid"]):
            return _status(409, "Conflict", "the UID in the precondition does not match")
        self.delete(*place)
        return web.json_response({"kind": "Status", "status": "Success"})

    def delete(self, plural: str, namespace: str, name: str, at: str = "2026-11-22T06:00:00Z") -> None:
        """Delete as a person does: finalizers are waited for."""
        place = (plural, namespace, name)
        found = self._objects[place]
        if not found["metadata"].get("finalizers"):
            self._drop(place)
        elif "deletionTimestamp" not in found["metadata"]:
            self.patch(*place, lambda item: item["metadata"].update(deletionTimestamp=at))

    def _merge(self, place: Place, body: Object, manager: str) -> web.Response:
        found = self._objects.get(place)
        if found is None:
            return _not_found(place)
        said = body.get("metadata", {})
        for key, message in (("uid", "the UID in the precondition does not match"), ("resourceVersion", "modified")):
            if said.get(key) not in (None, found["metadata"][key]):
                return _status(409, "Conflict", message)
        item = clone(merged(found, body))
        self.webhook(place[0], item)
        return web.json_response(self._update(place, item, found, manager))

    def _apply(self, place: Place, body: Object, manager: str, subresource: str) -> web.Response:
        found = self._objects.get(place)
        wanted = body.get("metadata", {})
        if found is None and (subresource or "resourceVersion" in wanted or "uid" in wanted):
            return _not_found(place) if subresource else _status(409, "Conflict", "the object is gone")
        if found is not None:
            if wanted.get("resourceVersion") not in (None, found["metadata"]["resourceVersion"]):
                return _status(409, "Conflict", "the object has been modified")
            if wanted.get("uid") not in (None, found["metadata"]["uid"]):
                return _status(422, "Invalid", "metadata.uid: field is immutable")
        said = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
        said = {"status": said.get("status", {})} if subresource else {**said, "metadata": _ours(wanted)}
        if found is not None and place[0] == "events" and _fixed(found) != _fixed(body):
            return _status(422, "Invalid", "field is immutable")
        item = applied(found, said, manager, subresource)
        if found is None:
            item |= {"apiVersion": body["apiVersion"], "kind": body["kind"]}
            item["metadata"] |= {"name": place[2], "namespace": place[1], "uid": str(uuid.uuid4())}
        if not subresource:
            self.webhook(place[0], item)
        return web.json_response(self._store(place, item, found), status=200 if found else 201)

    def _update(self, place: Place, item: Object, before: Object | None, manager: str) -> Object:
        """Store what was written other than by an apply."""
        item = defaulted(place[0], item, before)
        validate(place[0], item, before)
        item["metadata"]["managedFields"] = updated(before, item, manager)
        return self._store(place, item, before)

    def _store(self, place: Place, item: Object, before: Object | None) -> Object:
        item = defaulted(place[0], item, before)
        validate(place[0], item, before)
        metadata = item["metadata"]
        metadata.setdefault("creationTimestamp", "2026-11-22T06:00:00Z")
        if before is not None and _content(before) == _content(item):
            return before
        old = before["metadata"].get("generation", 1) if before else 0
        same = before is not None and before.get("spec") == item.get("spec")
        metadata["generation"] = old if same else old + 1
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            metadata["resourceVersion"] = before["metadata"]["resourceVersion"] if before else "0"
            self._drop(place, item)
            return item
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        self._objects[place] = item
        self._tell("MODIFIED" if before else "ADDED", place[0], item)
        return item

    def _drop(self, place: Place, last: Object | None = None) -> None:
        item = clone(last or self._objects[place])
        del self._objects[place]
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self._tell("DELETED", place[0], item)

    def _tell(self, type_: str, plural: str, item: Object) -> None:
        self._history.append((self._version, type_, plural, clone(item)))
        if self._runner is not None:
            asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _resources(self, version: str) -> web.Response:
        resources = [
            {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": plural != "namespaces",
             "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}
            for plural, kind in GROUPS.get(version, {}).items()
            if plural not in self.missing
        ]  # fmt: skip
        if not resources:
            return _status(404, "NotFound", "the server could not find the requested resource")
        return web.json_response({"kind": "APIResourceList", "groupVersion": version, "resources": resources})


def _groups() -> Object:
    groups = []
    for version in GROUPS:
        if "/" in version:
            entry = {"groupVersion": version, "version": version.split("/")[1]}
            groups.append({"name": version.split("/")[0], "versions": [entry], "preferredVersion": entry})
    return {"kind": "APIGroupList", "groups": groups}


def _status(code: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code)


def _not_found(place: Place) -> web.Response:
    return _status(404, "NotFound", f"{place[0]} {place[2]!r} not found")


def _selector(request: web.Request) -> Selector:
    return request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")


def _selected(item: Object, selector: Selector) -> bool:
    """Of fields the phase of pods can be asked for, and what an Event is about."""
    wanted, fields = selector
    known = {
        "status.phase": (item.get("status") or {}).get("phase", "Pending"),
        "regarding.uid": (item.get("regarding") or {}).get("uid"),
        "reason": item.get("reason"),
    }
    if any(known[key] != value for key, _, value in (part.partition("=") for part in fields.split(",") if part)):
        return False
    labels = item["metadata"].get("labels") or {}
    for part in filter(None, wanted.split(",")):
        key, equals, value = part.partition("=")
        if key not in labels or (equals and labels[key] != value):
            return False
    return True


def _content(item: Object) -> Object:
    metadata = {key: value for key, value in item["metadata"].items() if key not in ("resourceVersion", "generation")}
    return {**item, "metadata": metadata}


def _fixed(event: Object) -> Object:
    """Only the series of an Event may change."""
    return {key: value for key, value in event.items() if key not in ("metadata", "series", "apiVersion", "kind")}


def _ours(metadata: Object) -> Object:
    return {key: metadata[key] for key in ("labels", "annotations", "finalizers", "ownerReferences") if key in metadata}
