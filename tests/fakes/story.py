"""One resource's life from creation to its first trained version, with the operator killed on the way."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.fakes.operator import NAME, NAMESPACE, World, world

from labelloop_operator.watch.target import Pace

_DEADLINE = 120.0


def result(version: str, size: int, updated_at: str) -> dict[str, object]:
    """A training's termination message."""
    return {
        "format": 1,
        "outcome": "Trained",
        "reason": "Trained",
        "message": "trained",
        "version": version,
        "dataset_digest": "sha256:1",
        "cut": {"updated_at": updated_at, "size": size},
        "metrics": {"accuracy": 0.7},
        "image": f"registry.example/models/team-a/intents@sha256:{version[-1] * 64}",
        "snapshot": "registry.example/models/team-a/intents/snapshot@sha256:" + "2" * 64,
    }


class Killed(Exception):  # noqa: N818 - a state
    """Stands for SIGKILL."""


class Story:
    """Told once undisturbed or with a kill around the Nth write to the API server."""

    def __init__(self, made: World, kill_at: int | None = None, after: bool = False) -> None:
        self._world = made
        self._kill_at = kill_at
        self._after = after
        self._writes = 0
        self._dead = False
        self._jobs: set[str] = set()
        self.lives = 1

    async def tell(self) -> dict[str, Any]:
        """The end state: what must be equal, whatever happened on the way."""
        made = self._world
        made.pace = Pace(poll=0.1, scan=60.0)
        made.resource(training={"everyUpdates": 2})
        self._arm(await made.run())
        await self._until(lambda: made.condition("Ready") == ("True", "Ready"))
        last = made.label_studio.annotate(7, 2)[-1]
        await self._until(lambda: bool(self._jobs))
        made.job_ends(next(iter(self._jobs)), result("model-a", 2, last.updated_at.isoformat()))
        await self._until(lambda: made.found()["status"]["model"]["active"]["version"] == "model-a")
        await self._until(lambda: [item["title"] for item in made.label_studio.backends.values()] == ["model-a"])
        await self._until(lambda: not made.api.all("jobs") and len(made.api.all("deployments")) == 1)
        await self._until(lambda: made.training.get("pendingUpdates") == 0)
        await self._until(lambda: made.condition("Ready") == ("True", "Ready"))
        return self._end_state()

    def _arm(self, operator: Any) -> None:
        """Kill this life before or after the Nth write: from then on nothing of it reaches the API server."""
        original = operator.kubernetes._call

        async def call(method: str, *arguments: Any, **options: Any) -> Any:
            if method == "GET" or self._kill_at is None:
                return await original(method, *arguments, **options)
            self._writes += 1
            dead = self._writes >= self._kill_at + self._after
            answer = None if dead else await original(method, *arguments, **options)
            if self._writes >= self._kill_at:
                self._dead = True
                raise Killed
            return answer

        operator.kubernetes._call = call

    async def _until(self, condition: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _DEADLINE
        while not condition():
            assert loop.time() < end, f"life {self.lives}: {self._world.found().get('status')}"
            if self._dead:
                await self._world.crash()
                await self._world.run()
                self._dead = False
                self.lives += 1
            self._world.pods_serve()
            self._jobs |= {item["metadata"]["name"] for item in self._world.api.all("jobs")}
            await asyncio.sleep(0.005)

    def _end_state(self) -> dict[str, Any]:
        made = self._world
        status = made.found()["status"]
        service = made.api.find("services", NAMESPACE, f"{NAME}-ml") or {}
        return {
            "jobs": len(self._jobs),
            "deployments": [item["metadata"]["name"] for item in made.api.all("deployments")],
            "service": service["spec"],
            "secrets": [item["metadata"]["name"] for item in made.api.all("secrets")],
            "finalizers": made.found()["metadata"]["finalizers"],
            "conditions": [(item["type"], item["status"], item["reason"]) for item in status["conditions"]],
            "cut": status["training"]["cut"],
            "versions": [entry["version"] for entry in status["model"]["history"]],
            "backends": [(item["url"], item["title"]) for item in made.label_studio.backends.values()],
            "webhooks": [item["url"] for item in made.label_studio.webhooks.values()],
        }


async def told(kill_at: int | None = None, after: bool = False) -> tuple[dict[str, Any], int]:
    """A story in a world of its own: its end state and the number of lives."""
    async with world() as made:
        story = Story(made, kill_at, after)
        return await story.tell(), story.lives


def fast(set_attribute: Callable[[str, object], None]) -> None:
    """Without the pauses that spare a real Label Studio; takes monkeypatch.setattr."""
    set_attribute("labelloop_operator.policy.rollout.DRAIN_SECONDS", 0)
    set_attribute("labelloop_operator.watch.project.GAP", 0.05)
    set_attribute("labelloop_operator.watch.project.SETTLE", 0.01)
    set_attribute("labelloop_operator.core.engine.WAITING_PAUSE", 0.05)
