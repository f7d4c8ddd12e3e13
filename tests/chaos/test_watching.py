"""What the operator sees of the cluster is late, old, incomplete or nothing at all for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import certifi
import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from tests.chaos.plans import PLANS, served, told, trained
from tests.fakes.kubernetes import FakeKubernetes, Seen
from tests.fakes.scene import NAME, NAMESPACE, Json, Killer, Scene, reset, scene
from tests.fakes.virtual_network import virtually

from labelloop_operator.kubernetes.client import Kubernetes

RESYNC = 60.0
SILENCE = 75.0
CarryOut = Callable[[], Awaitable[web.StreamResponse]]


@pytest.mark.chaos_case("3")
@pytest.mark.parametrize("name", ["first deployment", "second training", "deletion", "everything lost"])
def test_any_one_lost_event_is_healed(name: str) -> None:
    plan, versions = PLANS[name], list[int]()

    def note(made: Scene) -> None:
        made.api.withheld = lambda version, _: versions.append(version) or False  # type: ignore[func-returns-value]

    want = virtually(told(plan, note, RESYNC))
    assert len(set(versions)) > 3
    for lost in sorted(set(versions)):

        def withhold(made: Scene, lost: int = lost) -> None:
            made.api.withheld = lambda version, _: version == lost

        assert virtually(told(plan, withhold, RESYNC)) == want, f"lost the event of version {lost}"


class OldLists:
    """The first lists after a start are those of an earlier moment; watches bring the rest three seconds later."""

    def __init__(self, made: Scene, version: int) -> None:
        self.made, self.version = made, version
        self.until = asyncio.get_running_loop().time() + 3.0

    async def answer(self, request: web.Request, seen: Seen, carry_out: CarryOut) -> web.StreamResponse:
        late = self.until - asyncio.get_running_loop().time()
        if late > 0 and request.method == "GET" and not seen.name and seen.plural != "pods":
            if not seen.watch:
                items = self.made.api.as_of(self.version, seen.plural)
                return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": items})
            await asyncio.sleep(late)
        return await carry_out()


async def started_late(version: int | None) -> tuple[Json, int, list[str], int, int]:
    """The state after a restart whose first lists were old; Jobs, switches, first and last version before it."""
    async with scene() as made:
        await made.start_operator()
        await served(made)
        first = made.api.version
        await PLANS["first training"].act(made)
        await made.settle()
        last = made.api.version
        await made.world.crash()
        if version is not None:
            made.api.interceptor = OldLists(made, version).answer
        await made.start_operator()
        await made.settle()
        return made.end_state(), len(made.jobs), made.selected, first, last


@pytest.mark.chaos_case("4")
def test_an_old_first_list_starts_no_second_training_and_no_way_back() -> None:
    want, jobs, selected, first, last = virtually(started_late(None))
    assert (jobs, len(selected)) == (1, 2)
    for version in range(first, last + 1):
        assert virtually(started_late(version))[:3] == (want, jobs, selected), f"lists of version {version}"


class Outage:
    """From the Nth write on the API server is away (connections refused), or frozen (requests wait, and are
    carried out when nobody waits for the answer any more)."""

    def __init__(self, at: int, seconds: float, frozen: bool) -> None:
        self.at, self.seconds, self.frozen = at, seconds, frozen
        self.writes = 0
        self.ends: float | None = None

    async def answer(self, request: web.Request, _: Seen, carry_out: CarryOut) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        self.writes += request.method != "GET"
        if self.writes >= self.at and self.ends is None:
            self.ends = loop.time() + self.seconds
        if self.ends is not None and loop.time() < self.ends:
            if not self.frozen:
                return reset(request)
            await asyncio.sleep(self.ends - loop.time())
        return await carry_out()


@pytest.mark.chaos_case("5")
@pytest.mark.parametrize(("seconds", "frozen"), [(30.0, False), (90.0, True)], ids=["away 30 s", "frozen 90 s"])
@pytest.mark.parametrize("name", ["second training", "roll-out that never serves"])
def test_an_api_server_that_is_away_at_any_write(name: str, seconds: float, frozen: bool) -> None:
    plan, counted = PLANS[name], Killer()
    want = virtually(told(plan, lambda made: made.count_writes(counted)))
    for write in range(1, counted.writes + 1):

        def prepare(made: Scene, write: int = write) -> None:
            outage = Outage(write, seconds, frozen)
            made.api.interceptor = outage.answer

        end = virtually(told(plan, prepare, quiet=seconds + SILENCE))
        assert end == want, f"from write {write} of {counted.writes} on"


async def noticed_through_silence() -> float:
    async with scene() as made:
        made.world.resync = None
        await made.start_operator()
        await trained(made)
        deaf_until = asyncio.get_running_loop().time() + 20.0
        made.api.withheld = lambda *_: asyncio.get_running_loop().time() < deaf_until
        made.apply(serving={"replicas": 2})
        return await made.until(
            lambda: {item["spec"]["replicas"] for item in made.api.all("deployments")} == {2}, patience=300.0
        )


@pytest.mark.chaos_case("6")
def test_a_silent_watch_is_given_up() -> None:
    assert 20.0 < virtually(noticed_through_silence()) <= SILENCE + 1.0


async def rotated(write_token: Callable[[str], object]) -> None:
    async with scene() as made:
        accepted = "old"

        async def answer(request: web.Request, _: Seen, carry_out: CarryOut) -> web.StreamResponse:
            if request.headers.get("Authorization") != f"bearer {accepted}":
                return web.json_response({"kind": "Status", "code": 401, "reason": "Unauthorized"}, status=401)
            return await carry_out()

        made.api.interceptor = answer
        await made.start_operator()
        await trained(made)
        accepted = "new"  # half a minute before kubelet brings it
        made.api.drop_watches()
        made.annotate()
        await made.pass_time(30.0)
        write_token("new")
        await made.until(lambda: made.active == made.version_to_come(), patience=120.0)
        made.api.remove("services", NAMESPACE, f"{NAME}-ml")
        await made.until(lambda: made.api.find("services", NAMESPACE, f"{NAME}-ml"), patience=120.0)


@pytest.mark.chaos_case("7")
def test_a_new_token_is_taken_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, certificate = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("old")
    certificate.write_text(Path(certifi.where()).read_text())
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}

    def connect(api: FakeKubernetes) -> Kubernetes:
        """With the official client's way of reading a pod's token, every minute; here each request is a minute late."""
        configuration = Configuration()
        loader = InClusterConfigLoader(str(token), str(certificate), True, environment)
        loader._token_refresh_period = timedelta(0)
        loader.load_and_set(configuration)
        configuration.host = loader.host = api.url
        return Kubernetes(ApiClient(configuration=configuration))

    monkeypatch.setattr("tests.fakes.operator.connect", connect)
    virtually(rotated(token.write_text))
