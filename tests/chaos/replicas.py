"""Replicas of the operator with a real Lease and a real port each, which can be killed or cut off one by one."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
from aiohttp import web
from tests.fakes.kubernetes import Seen
from tests.fakes.operator import KEY, NAME, NAMESPACE, Operator, connect
from tests.fakes.scene import Scene

from labelloop_operator.controller.derived_secrets import relay_secret
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.leader_election import Leader
from labelloop_operator.ops.health import Health
from labelloop_operator.server.app import Receiver
from labelloop_operator.server.rate_limits import RateLimit

TRAIN = f"/v1/backends/{NAMESPACE}/{NAME}/train"


class Replica:
    """One pod of the operator: waits for the Lease, leads, and is gone when it loses it."""

    def __init__(self, made: Scene, name: str, ended: Callable[["Replica"], None]) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self._api = self._named(connect(made.api))
        self.leader = Leader(self._api, "labelloop", "operator", name, loop.time)
        self._operator = Operator(made.api, made.world.pace, made.now, 60.0, self.leader.is_leader)
        self._named(self._operator.kubernetes)
        self._health = Health(900.0, leading=self.leader.is_leader)
        receiver = Receiver(
            self._operator.cache,
            self._operator.watch,
            self._api.require_leadership(lambda: not self.leader.lost()),
            KEY,
            self._health,
            self._operator.metrics,
            self.leader.is_leader,
            RateLimit(20.0, 100.0, loop.time),
            made.now,
        )
        self._server = receiver.runner()
        self._ended = ended
        self._life = asyncio.create_task(self._live())
        self.address = ""

    def _named(self, kubernetes: Kubernetes) -> Kubernetes:
        kubernetes._api.default_headers["User-Agent"] = self.name
        return kubernetes

    async def _live(self) -> None:
        try:
            await self._server.setup()
            await web.TCPSite(self._server, "127.0.0.1", 0).start()
            self.address = f"http://127.0.0.1:{self._server.addresses[0][1]}"
            await self.leader.acquire()
            holding = asyncio.create_task(self.leader.renew_until_lost())
            try:
                await self._operator.start()
                self._health.prefilled = True
                await holding
            finally:
                holding.cancel()
        finally:
            self.address = ""
            await self._operator.crash()
            await self._server.cleanup()
            await self._api.close()
            self._ended(self)

    def kill(self) -> None:
        """SIGKILL: nothing is released or written any more."""
        self._life.cancel()

    async def gone(self) -> None:
        await asyncio.gather(self._life, return_exceptions=True)


class Replicas:
    """Two replicas; one that ended starts again, under a new name, after a while."""

    def __init__(self, made: Scene, random: Random) -> None:
        self._scene = made
        self._random = random
        self._alive: list[Replica] = []
        self._born = 0
        self._starts: set[asyncio.Task[None]] = set()
        self._doomed: str | None = None
        self._dead: set[str] = set()
        self._cut: set[str] = set()
        self.deaths = 0
        made.api.interceptor = self._intercept

    def start(self) -> None:
        for _ in range(2):
            self._bear()

    def _bear(self) -> None:
        self._born += 1
        self._alive.append(Replica(self._scene, f"operator-{self._born}", self._on_end))

    def _on_end(self, replica: Replica) -> None:
        self._alive.remove(replica)
        self._dead.add(replica.name)
        self.deaths += 1
        self._starts.add(asyncio.create_task(self._start_again(self._random.uniform(1.0, 5.0))))

    async def _start_again(self, pause: float) -> None:
        await asyncio.sleep(pause)
        self._bear()

    @property
    def leader(self) -> Replica | None:
        return next((replica for replica in self._alive if replica.leader.is_leader()), None)

    def doom(self) -> None:
        """The leader dies around one of its next writes."""
        if self.leader is not None:
            self._doomed = self.leader.name

    async def cut_off(self, seconds: float) -> None:
        """The leader reaches the API server no more."""
        if self.leader is not None:
            name = self.leader.name
            self._cut.add(name)
            await asyncio.sleep(seconds)
            self._cut.discard(name)

    async def press(self, session: aiohttp.ClientSession) -> bool:
        """Start Training, relayed to whichever replica: whether it was accepted."""
        reachable = [replica.address for replica in self._alive if replica.address]
        if not reachable:
            return False
        uid = self._scene.world.found()["metadata"]["uid"]
        headers = {"Authorization": f"Bearer {relay_secret(KEY, uid)}"}
        try:
            async with session.post(self._random.choice(reachable) + TRAIN, json={}, headers=headers) as answer:
                return answer.status == 202
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def stop(self) -> None:
        for task in self._starts:
            task.cancel()
        dying = list(self._alive)
        for replica in dying:
            replica.kill()
        for replica in dying:
            await replica.gone()
        for task in self._starts:
            task.cancel()

    async def _intercept(self, request: web.Request, seen: Seen, carry_out: Callable[[], Any]) -> web.StreamResponse:
        name = request.headers["User-Agent"]
        while name in self._cut:  # noqa: ASYNC110 - virtual seconds
            await asyncio.sleep(0.5)
        if name in self._dead:
            return web.Response(status=502)
        if not seen.is_write or name != self._doomed or self._random.random() < 0.5:
            return await carry_out()
        if self._random.random() < 0.5:
            await carry_out()
        self._doomed = None
        self._dead.add(name)
        for replica in self._alive:
            if replica.name == name:
                replica.kill()
        return web.Response(status=502)
