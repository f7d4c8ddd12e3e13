"""The Kubernetes API through the official client: log-in and transport are its, the few calls we need are here.

Objects stay plain dictionaries: the client's typed models cost 35 MiB and know nothing of our own resource.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

import aiohttp
from kubernetes.aio import client as kubernetes_client
from kubernetes.aio import config as kubernetes_config

from labelloop_operator.api.names import FIELD_MANAGER
from labelloop_operator.kubernetes.api_errors import ApiError, NotLeading
from labelloop_operator.kubernetes.kinds import Kind, Manifest

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
PAGE_SIZE = 100
"""Objects in a page of a list; read in one piece, a thousand would take more memory than the operator otherwise."""

CALL_TIMEOUT = 20.0
CONNECT_TIMEOUT = 5.0
SILENCE_LIMIT = 75.0
"""Seconds without a byte after which a watch counts as dead; bookmarks arrive about once a minute."""
WATCH_SECONDS = 290

Object = dict[str, Any]


class Page(NamedTuple):
    """A part of a list, and the resource version of the whole."""

    items: list[Object]
    version: str


class Kubernetes:
    """Calls to one API server. Every write asks `may_write` first: a replica that lost its lease does no harm."""

    def __init__(self, api: kubernetes_client.ApiClient, may_write: Callable[[], bool] = lambda: True) -> None:
        self._api = api
        self._may_write = may_write

    @classmethod
    async def connect(cls) -> "Kubernetes":
        """Log in with the pod's service account, or outside a cluster with the kubeconfig (KUBECONFIG)."""
        configuration = kubernetes_client.Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        else:
            await kubernetes_config.load_kube_config(client_configuration=configuration)
        configuration.client_session_kwargs = {"trust_env": False}
        return cls(kubernetes_client.ApiClient(configuration=configuration))

    def require_leadership(self, may_write: Callable[[], bool]) -> "Kubernetes":
        """The same connection, whose writes are refused with NotLeading unless `may_write` says yes."""
        return Kubernetes(self._api, may_write)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """One object, or None when there is none."""
        try:
            return await self._call("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> list[Object]:
        """All objects."""
        return [item async for page in self.pages(kind, namespace, selector, fields) for item in page.items]

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        """All objects page by page: no more than one page need be in memory."""
        token = ""
        while True:
            query = {"limit": str(PAGE_SIZE), "labelSelector": selector, "fieldSelector": fields, "continue": token}
            page = await self._call("GET", kind.path(namespace), query={k: v for k, v in query.items() if v})
            yield Page(page["items"], page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str, fields: str = ""
    ) -> AsyncIterator[Object]:
        """Watch events after `version`, bookmarks included, until the server ends the stream.

        ApiError 410 when `version` is too old, also when the server says so inside the stream.
        """
        path = kind.path(namespace)
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
            "labelSelector": selector,
            "fieldSelector": fields,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE_LIMIT)
        response = await self._send(
            "GET", path, {k: v for k, v in query.items() if v}, None, "application/json", timeout
        )
        try:
            if response.status >= 400:
                raise _refusal("WATCH", path, response, await response.read())
            async for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise ApiError(
                        "WATCH", path, status.get("code", 500), status.get("reason", ""), status.get("message", "")
                    )
                yield event
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer("WATCH", path, error) from error
        finally:
            response.close()

    async def apply(self, kind: Kind, manifest: Manifest, subresource: str | None = None) -> Object:
        """Server-side apply of a full manifest by our field manager, with force."""
        metadata = manifest["metadata"]
        path = kind.path(metadata.get("namespace"), metadata["name"], subresource)
        return await self._write("PATCH", path, manifest, APPLY, {"fieldManager": FIELD_MANAGER, "force": "true"})

    async def create(self, kind: Kind, manifest: Manifest) -> Object:
        """Create an object; ApiError 409 when one of that name exists."""
        path = kind.path(manifest["metadata"].get("namespace"))
        return await self._write("POST", path, manifest, query={"fieldManager": FIELD_MANAGER})

    async def replace(self, kind: Kind, manifest: Manifest) -> Object:
        """Replace an object whose resource version is still the given one; ApiError 409 otherwise."""
        metadata = manifest["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"])
        return await self._write("PUT", path, manifest, query={"fieldManager": FIELD_MANAGER})

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest, field_manager: str) -> Object:
        """JSON merge patch. With `metadata.resourceVersion` in it: ApiError 409 when the object has changed since."""
        return await self._write("PATCH", kind.path(namespace, name), patch, MERGE, {"fieldManager": field_manager})

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str, propagation: str = "Background") -> None:
        """Delete the object with this uid. Gone already, or replaced by a successor: success."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
        }
        try:
            await self._write("DELETE", kind.path(namespace, name), options)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            live = await self.get(kind, namespace, name)
            if live is not None and live["metadata"]["uid"] == uid:
                raise  # a conflict of another kind: it is still there

    async def _write(
        self,
        method: str,
        path: str,
        body: Manifest,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        if not self._may_write():
            raise NotLeading(f"{method} {path}")
        return await self._call(method, path, body, content_type, query)

    async def _call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        response = await self._send(method, path, query or {}, body, content_type, timeout)
        try:
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _no_answer(method, path, error) from error
        if response.status >= 400:
            raise _refusal(method, path, response, data)
        try:
            answer = json.loads(data)
        except ValueError:
            raise ApiError(
                method, path, 0, "Unknown", "the answer is not JSON; is this a Kubernetes API server?"
            ) from None
        return answer if isinstance(answer, dict) else {}

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None,
        content_type: str,
        patience: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """One request over the official client: it adds the token, read again every minute inside a cluster."""
        # The client's documented (connect, read) tuple fails with this aiohttp; a ClientTimeout goes through unharmed.
        try:
            _, url, headers, _, _ = await self._api.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
            )
            headers["Content-Type"] = content_type
            answer = await self._api.rest_client.request(
                method, url, headers=headers, body=None if body is None else dict(body), _request_timeout=patience
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _no_answer(method, path, error) from error
        response: aiohttp.ClientResponse = answer.response
        return response


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own line reader refuses lines above its buffer."""
    rest = b""
    async for chunk in response.content.iter_any():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if line:
                yield line


def _refusal(method: str, path: str, response: aiohttp.ClientResponse, body: bytes) -> ApiError:
    return ApiError.from_answer(method, path, response.status, body, response.headers.get("Retry-After", ""))


def _no_answer(method: str, path: str, error: BaseException) -> ApiError:
    told = (
        "timed out" if isinstance(error, (TimeoutError, asyncio.TimeoutError)) else str(error) or type(error).__name__
    )
    return ApiError(method, path, 0, "Unreachable", told)
