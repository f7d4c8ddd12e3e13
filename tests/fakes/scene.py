"""One resource in virtual time: the operator over HTTP against the fakes, and a cluster that continues around it.

What the other controllers do happens between two looks at the world: pods serve (unless their image is bad), Jobs end
as the story says, what belongs to a deleted resource is collected. After every look what must never happen is checked.
"""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from tests.fakes.kubernetes import Seen
from tests.fakes.operator import IMAGE, NAME, NAMESPACE, World, world

from labelloop_operator.label_studio.project_ref import PollIntervals

Json = dict[str, Any]

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LOOK = 0.25
"""Virtual seconds between two looks."""
PATIENCE = 3600.0
"""Virtual seconds until a story counts as stuck."""
QUIET = 25.0
"""Virtual seconds without a write after which nothing more is to come: longer than draining and two polls."""
POLL = 5.0
BACKENDS = "labelstudiobackends"
THEIRS = "theirs"
"""What another client puts in the place of a value of ours."""
PLACE = (BACKENDS, NAMESPACE, NAME)
_JOB_TAG = re.compile(rf":{NAME}-ml-(?:train|base)-[0-9a-f]{{10}}-[0-9a-f-]{{36}}$")
"""What a Job pushes is tagged with its name and uid, which differ from life to life."""


class Killer:
    """Kills the operator before or after its Nth write, to the API server or to Label Studio."""

    def __init__(self, kill_at: int | None = None, after: bool = False) -> None:
        self.kill_at = kill_at
        self.after = after
        self.writes = 0
        self.dead = False
        self.world: Callable[[], object] = lambda: None
        """What the state of the world is known by."""
        self._before: dict[int, object] = {}
        self._after: dict[int, object] = {}

    async def watch(self, request: web.Request, carry_out: Callable[[], Any]) -> web.StreamResponse:
        """Let a request through, or kill its sender."""
        if self.dead:
            return reset(request)
        if request.method == "GET":
            return await carry_out()
        self.writes += 1
        if self.writes != self.kill_at:
            return await self._watched(self.writes, carry_out)
        if self.after:
            await carry_out()
        self.dead = True
        return reset(request)

    async def _watched(self, write: int, carry_out: Callable[[], Any]) -> web.StreamResponse:
        self._before[write] = self.world()
        answer = await carry_out()
        self._after[write] = self.world()
        return answer

    def kills(self) -> list["Killer"]:
        """Killers around every write there was. Before a write is left out when it is also after the one before."""
        numbers = range(1, self.writes + 1)
        before = [Killer(at) for at in numbers if self._before[at] != self._after.get(at - 1, self)]
        return [*before, *(Killer(at, after=True) for at in numbers)]


def reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def image_of(version: str, base: str) -> str:
    """An image is its base and one layer with the model, so it is the same one whoever makes it."""
    said = version if base == IMAGE else version + base
    return f"registry.example/models/team-a/intents@sha256:{hashlib.sha256(said.encode()).hexdigest()}"


def is_training(job: Json) -> bool:
    """Or else it puts a model on another base image."""
    return "-ml-train-" in job["metadata"]["name"]


def predicts(job: Json) -> bool:
    """Whether a Job writes predictions into Label Studio."""
    return "-ml-pred-" in job["metadata"]["name"]


class Scene:
    """What people do, and what can be seen."""

    def __init__(self, made: World) -> None:
        self.world = made
        self.api, self.label_studio = made.api, made.label_studio
        self.skew = timedelta()
        self.outcomes: deque[str] = deque()
        """What the next Jobs come to: Failed, NotEnoughData, Refused; Trained when nothing is said."""
        self.bad_images: set[str] = set()
        self.jobs: set[str] = set()
        """uids of all trainings ever seen."""
        self.selected: list[str] = []
        """Revisions that the Service ever selected, in order."""
        self.killer = Killer()
        self.lives = 1
        self.jobs_run = True
        self._gone_on = -1
        made.pace = PollIntervals(poll=POLL, scan=60.0)
        made.clock = self.now
        made.resync = 60.0

    def go_on_from(self, earlier: "Scene", at: datetime) -> None:
        """Stand where another scene stood, at that time."""
        self.api.become(earlier.api)
        self.label_studio.become(earlier.label_studio)
        self.world.connection()
        self.world.registry = earlier.world.registry.copy()
        self.jobs, self.selected = set(earlier.jobs), list(earlier.selected)
        self.skew += at - self.now()

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time()) + self.skew

    # people

    def apply(self, **spec: Any) -> None:
        """Apply the resource, with a training every three updates."""
        training = {"updatesPerTraining": 3, "backoff": "2s", **spec.pop("training", {})}
        connection = {"connectionSecretRef": {"name": "label-studio"}, "project": 7}
        wanted = {"labelStudio": connection | spec.pop("labelStudio", {}), "training": training, "predictions": {}}
        wanted |= spec
        if self.world.found():
            self.api.patch(*PLACE, lambda live: live.update(spec=wanted))
        else:
            self.world.resource(**wanted)

    def annotate(self, count: int = 3) -> None:
        self.label_studio.annotate(7, count)

    def press_start_training(self, request: str) -> None:
        self.api.patch(
            *PLACE,
            lambda live: (
                live["metadata"].setdefault("annotations", {}).update({"labelloop.dev/train-requested-at": request})
            ),
        )

    def delete(self) -> None:
        self.api.delete(*PLACE, at=self.now().strftime("%Y-%m-%dT%H:%M:%SZ"))

    # the operator

    async def start_operator(self) -> None:
        await self.world.run()

    def count_writes(self, killer: Killer) -> None:
        """From now on the killer watches the operator."""
        self.killer = killer
        killer.world = self._state

        async def from_operator(request: web.Request, _: Seen, carry_out: Any) -> web.StreamResponse:
            return await killer.watch(request, carry_out)

        self.api.interceptor = from_operator
        self.label_studio.interceptor = killer.watch

    def _state(self) -> object:
        registry = self.world.registry
        return self.now(), self.api.version, len(registry.promoted), len(registry.removed)

    async def restart_operator(self) -> None:
        """SIGKILL, and the next life."""
        await self.world.crash()
        self.killer.dead = False
        self.lives += 1
        await self.world.run()

    # time

    async def until(self, condition: Callable[[], object], patience: float = PATIENCE) -> float:
        """Go on until it holds; the virtual seconds that took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not condition():
            assert loop.time() - began < patience, f"life {self.lives}: {self.world.found().get('status')}"
            await self.step()
        return loop.time() - began

    async def step(self, seconds: float = LOOK) -> None:
        if self.killer.dead:
            await self.restart_operator()
        if self.api.version != self._gone_on:
            self.go_on()
            self.check()
            self._gone_on = self.api.version
        await asyncio.sleep(seconds)

    async def act_until_write(self, act: "Callable[[Scene], Awaitable[None]]", write: int, kill: bool = False) -> int:
        """Act and go on until the operator's Nth write from then on, before which it may be killed.

        Returns how many writes there were: all that came at the same moment as the Nth.
        """
        killer = Killer(write if kill else None)
        self.count_writes(killer)
        await act(self)
        while killer.writes < write:
            await self.step(0.05)
        return killer.writes

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / LOOK)):
            await self.step()

    async def settle(self, quiet: float = QUIET) -> None:
        """Go on until nothing was written for so long."""
        loop = asyncio.get_running_loop()
        began = changed = loop.time()
        version = -1
        while loop.time() - changed < quiet or self.killer.dead:
            assert loop.time() - began < PATIENCE, f"does not settle: {self.world.found().get('status')}"
            await self.step()
            seen = self.api.version + self.killer.writes
            if seen != version:
                version, changed = seen, loop.time()

    # the rest of the cluster

    def go_on(self) -> None:
        """One look of the other controllers."""
        for item in self.api.all("deployments"):
            self._run_pods(item)
        for item in self.api.all("jobs"):
            if not item.get("status") and self.jobs_run:
                self.end_job(item, self.outcomes.popleft() if self.outcomes and is_training(item) else "Trained")
        if not self.world.found():
            for plural in ("deployments", "services", "jobs", "secrets"):
                for item in self.api.all(plural):
                    if item["metadata"].get("ownerReferences"):
                        self.api.remove(plural, NAMESPACE, item["metadata"]["name"])

    def _run_pods(self, item: Json) -> None:
        image = item["spec"]["template"]["spec"]["containers"][0]["image"]
        count = item["spec"].get("replicas", 1)
        serving = 0 if image in self.bad_images else count
        status = {
            "observedGeneration": item["metadata"]["generation"], "replicas": count, "updatedReplicas": count,
            "readyReplicas": serving, "availableReplicas": serving,
        }  # fmt: skip
        self.api.patch("deployments", NAMESPACE, item["metadata"]["name"], lambda live: live.update(status=status))

    def end_job(self, item: Json, outcome: str) -> None:
        name = item["metadata"]["name"]
        if is_training(item):
            told = self.result(outcome)
        else:
            told = self.predicted(item) if predicts(item) else self.rebased(item)
        self.world.job_ends(name, told, failed=told["outcome"] == "Failed")

    def predicted(self, job: Json) -> Json:
        """Termination message of a prediction Job."""
        version = job["spec"]["template"]["metadata"]["annotations"]["labelloop.dev/model-version"]
        return {"outcome": "Predicted", "reason": "Predicted", "message": "wrote 1", "version": version, "written": 1}

    def rebased(self, job: Json) -> Json:
        """What a rebase's Job says: the same version, in another image when its base is another one."""
        said = job["spec"]["template"]["metadata"]["annotations"]
        version = said["labelloop.dev/model-version"]
        return {
            "outcome": "Rebased",
            "reason": "Rebased",
            "message": "same answers",
            "version": version,
            "image": image_of(version, said["labelloop.dev/base-image"]),
        }

    def result(self, outcome: str) -> Json:
        """A training's termination message now."""
        found = [a for task in self.label_studio.projects[7].tasks.values() for a in task.annotations.values()]
        newest = max((annotation.updated_at for annotation in found), default=None)
        cut = {"updated_at": newest.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if newest else None, "size": len(found)}
        told: Json = {"format": 1, "outcome": outcome, "reason": outcome, "message": outcome.lower()}
        if outcome == "Failed":
            return told | {"reason": "RegistryUnreachable", "message": "registry.example does not answer"}
        if outcome == "NotEnoughData":
            return told | {"reason": "TooFewLabels", "message": "one label only", "cut": cut}
        refused = outcome == "Refused"
        gate = {"accepted": not refused, "reason": "WorseThanActive" if refused else "Passed", "message": "0.6, 0.7"}
        return told | {
            "reason": "WorseThanActive" if refused else "Trained",
            "gate": gate,
            "version": self.version_to_come(),
            "image": self.image_to_come(),
            "dataset_digest": "sha256:1",
            "cut": cut,
            "metrics": {"accuracy": 0.7},
            "snapshot": "registry.example/models/team-a/intents/snapshot@sha256:" + "2" * 64,
        }

    def version_to_come(self) -> str:
        """What a training now makes: it depends on the number of annotations only."""
        count = sum(len(task.annotations) for task in self.label_studio.projects[7].tasks.values())
        return "model-" + hashlib.sha256(str(count).encode()).hexdigest()[:12]

    def image_to_come(self) -> str:
        return image_of(self.version_to_come(), IMAGE)

    # what is seen

    def check(self) -> None:
        """What never happens, whatever does."""
        running = [item for item in self.api.all("jobs") if not item.get("status") and not predicts(item)]
        assert len(running) <= 1, "two trainings at a time"
        self.jobs |= {item["metadata"]["uid"] for item in self.api.all("jobs") if is_training(item)}
        service = self.api.find("services", NAMESPACE, f"{NAME}-ml")
        revision = (service or {}).get("spec", {}).get("selector", {}).get("labelloop.dev/revision")
        if revision in (None, THEIRS):
            return
        named = self.api.find("deployments", NAMESPACE, f"{NAME}-ml-{revision}")
        if self.selected[-1:] != [revision]:
            if self.selected:
                assert named is not None, "the Service was switched to pods that are not there"
                assert named["status"]["availableReplicas"] >= named["spec"]["replicas"], "switched to pods not ready"
            self.selected.append(revision)

    @property
    def model(self) -> Json:
        return self.world.found().get("status", {}).get("model", {})

    @property
    def active(self) -> str:
        return self.model.get("active", {}).get("version", "")

    def end_state(self) -> Json:
        """What must be equal, whatever happened on the way: no times, no generated ids."""
        found = self.world.found()
        status = found.get("status", {})
        training = status.get("training", {})
        return {
            "finalizers": found.get("metadata", {}).get("finalizers"),
            "conditions": [(item["type"], item["status"], item["reason"]) for item in status.get("conditions", [])],
            "active": self.active,
            "candidate": self.model.get("candidate", {}).get("version"),
            "history": [item["version"] for item in self.model.get("history", [])],
            "refused": [item["image"] for item in self.model.get("rejected", [])],
            "training": {
                key: training.get(key)
                for key in ("trainedThrough", "pendingUpdates", "lastHandledTrainRequest", "lastOutcome")
            },
            "children": self.children(),
            "backends": [(item["url"], item["title"]) for item in self.label_studio.backends.values()],
            "webhooks": [(item["url"], sorted(item["actions"])) for item in self.label_studio.webhooks.values()],
            "trainings": len(self.jobs),
            "predictions": status.get("predictions", {}).get("version"),
            "promoted": self.world.registry.promoted[-1:],
            "removed": sorted({_JOB_TAG.sub(":JOB", image) for image in self.world.registry.removed}),
        }

    def children(self) -> Json:
        """Specs of what the operator made, by kind and name."""
        found: Json = {}
        for plural in ("deployments", "services", "jobs"):
            for item in self.api.all(plural):
                labels = item["metadata"].get("labels")
                found[f"{plural}/{item['metadata']['name']}"] = {"spec": item["spec"], "labels": labels}
        for item in self.api.all("secrets"):
            found[f"secrets/{item['metadata']['name']}"] = sorted(item.get("data") or item.get("stringData") or ())
        return found


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with world() as made:
        yield Scene(made)
