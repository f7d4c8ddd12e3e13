"""The operator's HTTP port with the fake API server behind it."""

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.operator import KEY, connect

from labelloop_operator.controller.derived_secrets import relay_secret
from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.kinds import BACKEND
from labelloop_operator.label_studio.project_ref import Hint
from labelloop_operator.ops.health import Health
from labelloop_operator.ops.metrics import Metrics
from labelloop_operator.server.app import Receiver
from labelloop_operator.server.forwarding import Peer
from labelloop_operator.server.rate_limits import RateLimit

NOW = datetime(2026, 11, 22, 6, 0, 0, 123456, tzinfo=UTC)
PATH = "/v1/backends/team-a/intents"


class Hints:
    """Stands where the Label Studio watch is."""

    def __init__(self) -> None:
        self.told: list[tuple[tuple[str, str], Hint]] = []

    def hint(self, key: tuple[str, str], hint: Hint) -> None:
        self.told.append((key, hint))


class Port:
    def __init__(self, api: FakeKubernetes) -> None:
        self.api = api
        self.kubernetes = connect(api)
        self.cache = Cache(lambda _: None)
        self.hints = Hints()
        self.leading = True
        self.health = Health(900)
        self.health.asked(True)
        self.health.prefilled = True
        self.leader_address = ""
        self.peer = Peer(lambda: self.leader_address)
        self.metrics = Metrics()
        self.item = self.resource()
        self.receiver = Receiver(
            self.cache,
            self.hints,  # type: ignore[arg-type]
            self.kubernetes,
            KEY,
            self.health,
            self.metrics,
            lambda: self.leading,
            RateLimit(rate=0, burst=10),
            lambda: NOW,
            self.peer,
        )
        self.client = TestClient(TestServer(self.receiver.application()))

    def resource(self, **spec: Any) -> dict[str, Any]:
        body = {"labelStudio": {"connectionSecretRef": {"name": "s"}, "project": 7}, **spec}
        item = self.api.put("labelstudiobackends", {"metadata": {"name": "intents"}, "spec": body}, "team-a")
        self.cache.put(BACKEND, item)
        return item

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {relay_secret(KEY, self.item['metadata']['uid'])}"}

    async def post(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        async with self.client.post(path, data=data, headers=self.bearer if headers is None else headers) as answer:
            return answer.status, await answer.json()
