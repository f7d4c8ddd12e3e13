"""What a thousand resources ask of one Label Studio, and what one that is down or slow costs itself and others."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from tests.fakes.virtual_network import virtually

from labelloop.label_studio import Credentials, Unreachable
from labelloop.label_studio.protocol import Request, Response
from labelloop.label_studio.responses import check
from labelloop_operator.api.status import Cut
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.project_ref import PollIntervals, ProjectRef
from labelloop_operator.label_studio.registration_operations import Owner
from labelloop_operator.label_studio.watch import LabelStudioWatch

POLL, SCAN = 30.0, 1200.0
SETTLED, WINDOW = 60.0, 2400.0
"""After a minute everything was read once; in forty each project has its unconditional look."""
RESOURCES = 1000


class Servers:
    """Label Studios by address, whose projects rest; `behave` may delay or fail a request."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, Request]] = []
        self.annotations: Counter[int] = Counter()
        self.behave: Callable[[str], Coroutine[Any, Any, None]] | None = None

    async def exchange(self, client: LabelStudio, request: Request) -> Response:
        self.asked.append((asyncio.get_running_loop().time(), client.address, request))
        if self.behave is not None:
            await self.behave(client.address)
        return Response(200, {}, json.dumps(self._answer(request)).encode(), client.address + request.path)

    def _answer(self, request: Request) -> Any:
        query = dict(request.query)
        if request.path == "/api/tasks":
            return {"tasks": [], "total": 0}
        if request.path in ("/api/webhooks/", "/api/ml"):
            return []
        if request.path == "/api/version":
            return {"release": "1.23.2"}
        if "ids" in query:
            return {"results": [self._project(int(number)) for number in query["ids"].split(",")]}
        return self._project(int(request.path.rpartition("/")[2]))

    def _project(self, number: int) -> dict[str, Any]:
        return {
            "id": number,
            "title": f"project {number}",
            "created_at": "2026-11-22T05:00:00.000000Z",
            "label_config": '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
            '<Choice value="billing"/><Choice value="login"/></Choices></View>',
            "model_version": "",
            "task_number": 5,
            "total_annotations_number": self.annotations[number],
            "skipped_annotations_number": 0,
        }

    def since(self, start: float, address: str = "http://one") -> list[float]:
        return [at for at, where, _ in self.asked if where == address and at >= start]


class Watching:
    def __init__(self) -> None:
        self.watch = LabelStudioWatch(PollIntervals(POLL, SCAN), lambda key, delay: None)

    async def observe(self, number: int, url: str = "http://one") -> None:
        owner = Owner(f"uid-{number}", number, f"http://r{number}-ml.team-a.svc.cluster.local:9090")
        await self.watch.observe(
            ("team-a", f"r{number}"), ProjectRef(Credentials(url, "token"), owner, "s3cret", Cut())
        )

    def pending(self, number: int) -> int | None:
        facts = self.watch.facts(("team-a", f"r{number}"))
        return facts.pending.total if facts and facts.pending else None


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    made = Servers()

    async def exchange(client: LabelStudio, request: Request) -> Response:
        return await made.exchange(client, request)

    monkeypatch.setattr(LabelStudio, "_exchange", exchange)
    return made


def test_a_thousand_resources_at_rest_cost_two_requests_a_second_at_most(servers: Servers) -> None:
    async def rest() -> None:
        watching = Watching()
        for number in range(1, RESOURCES + 1):
            await watching.observe(number)
        await asyncio.sleep(SETTLED)
        assert all(watching.pending(number) == 0 for number in range(1, RESOURCES + 1))
        looked: Counter[str] = Counter()
        await asyncio.sleep(WINDOW)
        for at, _, request in servers.asked:
            if at >= SETTLED and request.path == "/api/tasks":
                looked[dict(request.query)["project"]] += 1
        await watching.watch.close()
        asked = servers.since(SETTLED)
        assert len(asked) / WINDOW <= 2.0
        minutes = Counter(int(at // 60) for at in asked)
        assert max(minutes.values()) <= 2 * 2.0 * 60, "looks must not come in bursts"
        assert len(looked) == RESOURCES
        assert min(looked.values()) >= 1, "every project is looked at, hints or not"

    virtually(rest())


def test_one_counters_request_serves_a_hundred_resources_of_a_server_and_token(servers: Servers) -> None:
    async def rest() -> None:
        watching = Watching()
        for number in range(1, 101):
            await watching.observe(number)
        await asyncio.sleep(300.0)
        start = len(servers.asked)
        await asyncio.sleep(5 * POLL)
        asked = [request for _, _, request in servers.asked[start:]]
        await watching.watch.close()
        shared = [request for request in asked if dict(request.query).get("ids", "").count(",") == 99]
        assert 5 <= len(shared) <= 6
        assert len(shared) == sum(request.path == "/api/webhooks/" for request in asked)

    virtually(rest())


def test_a_project_that_joins_a_known_label_studio_does_not_wait_for_the_next_poll(servers: Servers) -> None:
    async def join() -> None:
        watching = Watching()
        await watching.observe(1)
        await asyncio.sleep(POLL / 3)
        await watching.observe(2)
        await watching.observe(3)
        start = len(servers.asked)
        await asyncio.sleep(POLL / 5)
        asked = [request for _, _, request in servers.asked[start:]]
        for number in (2, 3):
            facts = watching.watch.facts(("team-a", f"r{number}"))
            assert facts is not None
            assert facts.registration_known
        await watching.watch.close()
        assert sum(request.path == "/api/webhooks/" for request in asked) == 1, "they share one poll"

    virtually(join())


def test_while_held_nothing_is_asked_and_afterwards_everything(servers: Servers) -> None:
    async def held() -> None:
        watching = Watching()
        watching.watch.hold()
        await watching.observe(1)
        await asyncio.sleep(4 * POLL)
        assert not servers.asked
        watching.watch.begin()
        await asyncio.sleep(POLL / 5)
        facts = watching.watch.facts(("team-a", "r1"))
        assert watching.pending(1) == 0
        assert facts is not None
        assert facts.registration_known
        await watching.watch.close()

    virtually(held())


def test_a_server_that_says_how_long_to_leave_it_alone_is_left_alone(servers: Servers) -> None:
    async def busy(_: str) -> None:
        check(Response(503, {"retry-after": "200"}, b"", "http://one"), "")

    async def tell() -> None:
        watching = Watching()
        await watching.observe(1)
        await asyncio.sleep(SETTLED)
        servers.behave = busy
        broke = asyncio.get_running_loop().time()
        await asyncio.sleep(POLL + 200.0)
        refused = servers.since(broke)
        assert all(200.0 <= later - earlier <= 240.0 for earlier, later in pairwise(refused[1:]))
        assert len(refused) <= 2, "a scan, perhaps, and one poll"
        servers.behave = None
        await asyncio.sleep(200.0)
        facts = watching.watch.facts(("team-a", "r1"))
        assert facts is not None
        assert facts.problem is None
        await watching.watch.close()

    virtually(tell())


@pytest.mark.parametrize("seconds", [0.0, 30.0], ids=["dead", "slow"])
def test_a_server_that_does_not_answer_is_asked_seldom_and_delays_no_other(servers: Servers, seconds: float) -> None:
    async def fail(address: str) -> None:
        if address == "http://one":
            await asyncio.sleep(seconds)
            raise Unreachable("no answer")

    async def tell() -> None:
        watching = Watching()
        for number in range(1, RESOURCES + 1):
            await watching.observe(number)
        await watching.observe(RESOURCES + 1, "http://two")
        await asyncio.sleep(SETTLED)
        servers.behave = fail
        broke = asyncio.get_running_loop().time()
        await asyncio.sleep(600.0)
        assert len(servers.since(broke + 300.0)) <= 5
        servers.annotations[RESOURCES + 1] = 3
        await asyncio.sleep(2 * POLL)
        assert watching.pending(RESOURCES + 1) == 3
        facts = watching.watch.facts(("team-a", "r1"))
        assert facts is not None
        assert facts.problem is not None
        servers.behave = None
        servers.annotations[1] = 3
        await asyncio.sleep(6 * POLL)
        assert watching.pending(1) == 3
        assert all(item.problem is None for item in (watching.watch.facts(("team-a", "r2")),) if item)
        await watching.watch.close()

    virtually(tell())
