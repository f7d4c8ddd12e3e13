"""A minimal client of the cluster's API, for what the harness itself asks."""

import http.client
import json
import ssl
from typing import Any

from labcluster.errors import ClusterError
from labcluster.layout import API_PORT, Layout

_TIMEOUT = 60.0
_PROBE_TIMEOUT = 5.0
"""A connection that a starting API server has accepted too early may never be answered: ask again."""


class Api:
    """The API server as the administrator sees it; never through a proxy of the caller's environment."""

    def __init__(self, layout: Layout) -> None:
        self._address = layout.node_address
        self._context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        self._context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout: float = _TIMEOUT
    ) -> tuple[int, bytes]:
        """One request; gives status and body."""
        connection = http.client.HTTPSConnection(self._address, API_PORT, context=self._context, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            return self.request("GET", "/readyz", timeout=_PROBE_TIMEOUT)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path: str) -> dict[str, Any] | None:
        """An object, or None while there is none."""
        status, body = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise ClusterError(f"GET {path}: {status} {body.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Create an object."""
        status, answer = self.request("POST", path, body)
        if status not in (200, 201, 202):
            raise ClusterError(f"POST {path}: {status} {answer.decode(errors='replace')}")


def has_condition(resource: dict[str, Any] | None, kind: str) -> bool:
    """Whether a condition of an object is True."""
    conditions = (resource or {}).get("status", {}).get("conditions", [])
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)
