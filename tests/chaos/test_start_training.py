"""Start Training pressed 100 times while leaders are killed or cut off: each 2xx comes to exactly one training."""

import asyncio
from random import Random
from typing import Any

import aiohttp
import pytest
from tests.chaos.plans import trained
from tests.chaos.replicas import Replicas
from tests.fakes.scene import Scene, is_training, scene
from tests.fakes.virtual_network import virtually

PRESSES = 100
PRESSED = "2026-11-22T06:30:00.000001Z"
REQUEST_ID = "labelloop.dev/request-id"


def is_ready(made: Scene) -> bool:
    return made.world.condition("Ready") == ("True", "Ready")


class Presses:
    """What was pressed, and what came of it."""

    def __init__(self, made: Scene) -> None:
        self._scene = made
        self.accepted: list[tuple[str, int]] = []
        """Not earlier than this time, and not before this version of the API server's state."""

    def now(self) -> tuple[str, int]:
        return self._scene.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"), self._scene.api.version

    def jobs(self) -> list[tuple[str, int]]:
        """Request and version of every training Job ever made, in order."""
        history = self._scene.api._history
        made = [(item, version) for version, type_, plural, item in history if (type_, plural) == ("ADDED", "jobs")]
        return [(item["metadata"]["annotations"][REQUEST_ID], version) for item, version in made if is_training(item)]

    def handled(self) -> bool:
        asked = self._scene.world.found()["metadata"]["annotations"]["labelloop.dev/train-requested-at"]
        return bool(self._scene.world.training.get("lastHandledTrainRequest") == asked)

    def check(self) -> None:
        jobs = self.jobs()
        requests = [request for request, _ in jobs]
        assert len(set(requests)) == len(requests), "two trainings for one request"
        for at, version in self.accepted:
            assert any(request >= at and made > version for request, made in jobs), f"no training for {at}"


async def pressed(seed: int) -> dict[str, int]:
    async with scene() as made, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        random = Random(seed)
        replicas, presses = Replicas(made, random), Presses(made)
        replicas.start()
        made.apply(training={"updatesPerTraining": 100_000})
        made.annotate(3)
        await made.until(lambda: is_ready(made))

        async def press() -> None:
            await asyncio.sleep(random.uniform(0.0, 240.0))
            before = presses.now()
            if await replicas.press(session):
                presses.accepted.append(before)

        async def trouble() -> None:
            for _ in range(6):
                await asyncio.sleep(random.uniform(5.0, 40.0))
                if random.random() < 0.7:
                    replicas.doom()
                else:
                    await replicas.cut_off(random.uniform(5.0, 40.0))

        waiting = {asyncio.create_task(press()) for _ in range(PRESSES)} | {asyncio.create_task(trouble())}
        while not all(task.done() for task in waiting):
            made.jobs_run = random.random() < 0.3
            made.annotate(random.randrange(2))
            await made.step()
        for task in waiting:
            task.result()
        made.jobs_run = True
        await made.until(lambda: presses.handled() and not made.api.all("jobs") and is_ready(made))
        await made.pass_time(60.0)  # nothing more comes of it
        presses.check()
        assert is_ready(made)
        told = {"accepted": len(presses.accepted), "jobs": len(presses.jobs()), "deaths": replicas.deaths}
        await replicas.stop()
        return told


@pytest.mark.chaos_case("20")
@pytest.mark.parametrize("seed", range(2))
def test_each_accepted_press_comes_to_one_training(seed: int) -> None:
    told = virtually(pressed(seed))
    assert told["deaths"] >= 3, "hardly anything happened"
    assert told["accepted"] >= PRESSES / 2, "hardly anything was accepted"
    assert told["jobs"] <= PRESSES


@pytest.mark.parametrize(
    ("spec", "broken", "reason"),
    [
        ({"suspend": True}, None, "Suspended"),
        ({"model": {"pinnedVersion": "first"}}, None, "Pinned"),
        ({"training": {"updatesPerTraining": 0}}, None, "InvalidSpec"),
        ({}, 502, "LabelStudioUnreachable"),
        ({"rollout": {"progressDeadline": "10m"}}, None, "WaitingForRollout"),
    ],
    ids=["suspended", "pinned", "invalid", "Label Studio down", "rolling out"],
)
def test_an_accepted_press_that_cannot_be_followed_says_why_and_is_followed_later(
    spec: dict[str, Any], broken: int | None, reason: str
) -> None:
    async def story() -> None:
        async with scene() as made:
            await made.start_operator()
            await trained(made)
            if reason == "Pinned":
                spec["model"] = {"pinnedVersion": made.active}
            if reason == "WaitingForRollout":
                made.annotate()
                made.bad_images.add(made.image_to_come())
                await made.until(lambda: made.model.get("candidate"))
            if broken is not None:  # before that is noticed a training starts, and tells it itself
                made.label_studio.broken = broken
                await made.until(lambda: made.world.condition("Ready") == ("False", reason))
            trainings = len(made.jobs)
            made.apply(**spec)
            made.press_start_training(PRESSED)
            await made.until(lambda: made.world.training.get("next", "").startswith(f"{reason}: "))
            await made.pass_time(120.0)
            assert made.world.training["next"].startswith(f"{reason}: ")
            assert (len(made.jobs), made.world.training.get("lastHandledTrainRequest")) == (trainings, None)
            made.label_studio.broken = None
            made.bad_images.clear()
            made.apply()
            await made.until(lambda: made.world.training.get("lastHandledTrainRequest") == PRESSED, 180.0)
            await made.settle()
            assert len(made.jobs) == trainings + 1

    virtually(story())
