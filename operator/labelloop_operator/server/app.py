"""What backends relay from Label Studio (docs/internals/interfaces.md 4.1): hints, and requests to train.

A request to train counts only once it stands on the resource, so the annotation is written before the answer, by
whichever replica got it. Hints are for the leader: others hand them on.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from labelloop_operator.api import names
from labelloop_operator.api.times import parse_time
from labelloop_operator.controller.derived_secrets import constant_time_equal, relay_secret
from labelloop_operator.controller.gatherer import parse_resource
from labelloop_operator.kubernetes.api_errors import ApiError, NotLeading
from labelloop_operator.kubernetes.cache import Cache, Object
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import BACKEND
from labelloop_operator.label_studio.project_ref import Hint, Key
from labelloop_operator.label_studio.watch import LabelStudioWatch
from labelloop_operator.ops.health import Health, Verdict
from labelloop_operator.ops.logging import resource_fields
from labelloop_operator.ops.metrics import Metrics
from labelloop_operator.planning.observed import Resource
from labelloop_operator.server.forwarding import Peer
from labelloop_operator.server.rate_limits import RateLimit
from labelloop_operator.server.unread_bodies import close_unread

_LOG = logging.getLogger(__name__)

REQUEST_MANAGER = "labelloop-request"
"""Field manager of the annotation: not the one that applies whole manifests, or each would undo the other."""
BODY_LIMIT = 1024 * 1024
MAX_ANNOTATIONS = 1000
"""Of one hint; backends tell no more (labelloop.serving.webhook_events)."""
MAX_ACTION = 100
SHUTDOWN_TIMEOUT = 1.0
"""Seconds that requests under way have to end."""
RATE = 20.0
BURST = 100.0
_LOOKUPS = "lookups"
"""Bucket of all reads of resources together, by a replica that has no cache to answer from."""


_UNAUTHENTICATED = "strangers"
"""Bucket of all requests together that name a resource and bring another bearer than its own."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """A request is answered with this status, reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


class Receiver:
    """The operator's HTTP port: relay, probes and metrics."""

    def __init__(
        self,
        cache: Cache,
        watch: LabelStudioWatch,
        kubernetes: Kubernetes,
        key: bytes,
        health: Health,
        metrics: Metrics,
        leading: Callable[[], bool],
        limit: RateLimit | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        peer: Peer | None = None,
    ) -> None:
        self._cache = cache
        self._watch = watch
        self._kubernetes = kubernetes
        self._key = key
        self._health = health
        self._metrics = metrics
        self._leading = leading
        self._limit = limit or RateLimit(RATE, BURST)
        self._clock = clock
        self._peer = peer or Peer(lambda: "")

    def application(self) -> web.Application:
        """Routes of the port."""
        application = web.Application(client_max_size=BODY_LIMIT)
        application.on_response_prepare.append(close_unread)
        application.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._get_metrics),
                web.post("/v1/backends/{namespace}/{name}/hints", self._hints),
                web.post("/v1/backends/{namespace}/{name}/train", self._train),
            ]
        )
        return application

    def runner(self) -> web.AppRunner:
        """The application, to be set up on a port. Backends send plain JSON: nothing is decompressed."""
        return web.AppRunner(
            self.application(), access_log=None, auto_decompress=False, shutdown_timeout=SHUTDOWN_TIMEOUT
        )

    async def _livez(self, _: web.Request) -> web.Response:
        return _verdict(self._health.live())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(self._health.ready())

    async def _get_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _hints(self, request: web.Request) -> web.Response:
        async def handle(key: Key) -> web.Response:
            if not self._leading():
                return await self._forward(request)
            await self._authenticate(request, key)
            self._watch.hint(key, parse_hint(await _body(request)))
            return _accepted()

        return await self._answer("hints", request, handle)

    async def _train(self, request: web.Request) -> web.Response:
        async def handle(key: Key) -> web.Response:
            resource = await self._authenticate(request, key)
            _check_trainable(resource)
            await self._request_training(key, resource)
            return _accepted()

        return await self._answer("train", request, handle)

    async def _answer(
        self, kind: str, request: web.Request, handle: Callable[[Key], Awaitable[web.Response]]
    ) -> web.Response:
        try:
            answer = await handle((request.match_info["namespace"], request.match_info["name"]))
        except Refused as refused:
            answer = web.json_response({"reason": refused.reason, "message": refused.message}, status=refused.status)
        except web.HTTPRequestEntityTooLarge:
            message = f"the body is larger than {BODY_LIMIT} bytes"
            answer = web.json_response({"reason": "TooLarge", "message": message}, status=413)
        self._metrics.hints.labels(kind, str(answer.status)).inc()
        return answer

    async def _forward(self, request: web.Request) -> web.Response:
        answer = await self._peer.forward(request, await request.read())
        if answer is None:
            raise Refused(503, "NotLeading", "this replica does not lead, and the one that does cannot be reached")
        return web.Response(status=answer.status, body=answer.body, content_type="application/json")

    async def _authenticate(self, request: web.Request, key: Key) -> Resource:
        """The resource that the bearer is made for."""
        item = await self._find(key)
        if item is None:
            raise Refused(404, "NotFound", f"there is no LabelStudioBackend {key[0]}/{key[1]}")
        bearer = request.headers.get("Authorization", "")
        if not constant_time_equal(bearer, f"Bearer {relay_secret(self._key, item['metadata']['uid'])}"):
            if not self._limit.allow(_UNAUTHENTICATED):
                raise Refused(429, "TooManyRequests", f"more than {RATE:.0f} requests a second with wrong bearers")
            raise Refused(401, "Unauthorized", "the bearer is not the one of this resource")
        if not self._limit.allow(key):
            raise Refused(429, "TooManyRequests", f"more than {RATE:.0f} requests a second")
        return parse_resource(item)

    async def _find(self, key: Key) -> Object | None:
        """Only the leader has a cache, and only once it is filled; others ask the API server."""
        if self._leading() and self._health.prefilled:
            return self._cache.resource(key)
        if not self._limit.allow(_LOOKUPS):
            raise Refused(429, "TooManyRequests", f"more than {RATE:.0f} requests a second")
        try:
            return await self._kubernetes.get(BACKEND, *key)
        except ApiError as error:
            _LOG.warning("the resource could not be read: %s", error, extra=resource_fields(key))
            raise Refused(503, "NotRead", "the resource could not be read: try again") from None

    async def _request_training(self, key: Key, resource: Resource) -> None:
        requested_at = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        patch = {"metadata": {"uid": resource.uid, "annotations": {names.ANNOTATION_TRAIN_REQUESTED_AT: requested_at}}}
        try:
            item = await self._kubernetes.merge(BACKEND, *key, patch, REQUEST_MANAGER)
        except NotLeading:
            raise Refused(503, "NotLeading", "this replica led and does so no more: try again") from None
        except ApiError as error:
            _LOG.warning("the request to train was not written: %s", error, extra=resource_fields(key))
            raise Refused(503, "NotWritten", "the request could not be written to the resource: try again") from None
        if self._leading():
            self._cache.put(BACKEND, item)
        _LOG.info("training requested", extra=resource_fields(key))


def parse_hint(body: Mapping[str, Any]) -> Hint:
    """A hint from JSON; anything unknown is left out, since a hint is only a reason to look."""
    return Hint(
        action=str(body.get("action", ""))[:MAX_ACTION],
        authenticated=body.get("authenticated") is True,
        annotations=tuple(islice(_annotations(body.get("annotations")), MAX_ANNOTATIONS)),
    )


def _annotations(value: object) -> Iterator[tuple[int, datetime]]:
    for item in value if isinstance(value, list) else ():
        if not isinstance(item, dict):
            continue
        annotation, updated_at = item.get("id"), parse_time(item.get("updated_at"))
        if type(annotation) is int and 0 < annotation < 1 << 63 and updated_at is not None:
            yield annotation, updated_at


def _check_trainable(resource: Resource) -> None:
    if resource.deletion_requested_at is not None:
        raise Refused(409, "Deleting", "the resource is being deleted")
    if resource.spec is None:
        raise Refused(409, "InvalidSpec", "; ".join(str(problem) for problem in resource.problems))
    if resource.spec.suspend:
        raise Refused(409, "Suspended", "spec.suspend is true: set it to false to train")
    if resource.spec.model.pinned_version is not None:
        pin = resource.spec.model.pinned_version
        raise Refused(409, "Pinned", f"spec.model.pinnedVersion holds {pin:.100}: remove it to train")


async def _body(request: web.Request) -> Mapping[str, Any]:
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Refused(400, "BadRequest", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "BadRequest", "the body is not a JSON object")
    return body


def _accepted() -> web.Response:
    return web.json_response({"accepted": True}, status=202)


def _verdict(verdict: Verdict) -> web.Response:
    return web.Response(text=verdict.text() + "\n", status=200 if verdict.ok else 503)
