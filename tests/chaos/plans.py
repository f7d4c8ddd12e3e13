"""What a resource goes through: for each plan how things stand before, and what is then done."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from tests.fakes.scene import NAME, NAMESPACE, POLL, QUIET, Json, Scene, scene
from tests.fakes.virtual_network import virtually

OTHER_IMAGE = "registry.example/backend@sha256:" + "1" * 64
OTHER_SECRET = {"metadata": {"name": "basic"}, "data": {"username": "dXNlcg==", "password": "cGFzcw=="}}

Doing = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Plan:
    """`quiet`: virtual seconds without a write after which it has come to its end."""

    before: Doing
    act: Doing
    quiet: float = QUIET


Start = tuple[Scene, datetime]
"""How things stand before a plan, and since when."""


@cache
def prepared(before: Doing) -> Start:
    """Made once: most tests of a plan begin where others do."""

    async def stand() -> Start:
        async with scene() as made:
            await made.start_operator()
            await before(made)
            return made, made.now()

    return virtually(stand())


@asynccontextmanager
async def standing(start: Start) -> AsyncIterator[Scene]:
    """A world where things stand so already, and an operator that has found that nothing is to be done."""
    async with scene() as made:
        made.go_on_from(*start)
        await made.start_operator()
        await made.settle(2 * POLL)
        yield made


def told(plan: Plan, prepare: Callable[[Scene], Any] = lambda _: None, quiet: float = 0.0) -> Coroutine[Any, Any, Json]:
    """The end state of a plan in a world of its own, `prepare`d right before the plan acts.

    `quiet`: virtual seconds without a write beyond the plan's own.
    """
    start = prepared(plan.before)

    async def end() -> Json:
        async with standing(start) as made:
            prepare(made)
            await plan.act(made)
            await made.settle(plan.quiet + quiet)
            return made.end_state()

    return end()


async def nothing(_: Scene) -> None:
    """Nothing was ever there."""


async def served(scene: Scene) -> None:
    """The cold start serves and is registered."""
    scene.apply()
    await scene.settle()


async def trained(scene: Scene) -> None:
    """One training was rolled out."""
    await served(scene)
    scene.annotate()
    await scene.settle()


async def trained_twice(scene: Scene) -> None:
    """There is a version to go back to."""
    await trained(scene)
    scene.annotate()
    await scene.settle()


def _does(*deeds: Callable[[Scene], Any]) -> Doing:
    async def act(scene: Scene) -> None:
        for deed in deeds:
            deed(scene)

    return act


def _next_training(outcome: str) -> Doing:
    return _does(lambda scene: scene.outcomes.append(outcome), Scene.annotate)


async def _roll_out_that_never_serves(scene: Scene) -> None:
    scene.apply(rollout={"progressDeadline": "30s"})
    scene.annotate()
    scene.bad_images.add(scene.image_to_come())


async def _pin_first(scene: Scene) -> None:
    scene.apply(model={"pinnedVersion": scene.model["history"][0]["version"]})


def _find_promoted(scene: Scene) -> None:
    """The namespace was lost: the same resource is applied in a fresh cluster, with the same registry."""
    scene.annotate()
    told = {**scene.result("Trained"), "project": 7, "base_image": OTHER_IMAGE}
    scene.world.registry.results["promoted"] = told
    scene.apply(image=OTHER_IMAGE)


async def _suspend_and_resume(scene: Scene) -> None:
    scene.apply(suspend=True)
    scene.annotate()
    scene.press_start_training("2026-11-22T06:30:00.000001Z")
    await scene.settle()
    scene.apply()


async def _registration_off_and_on(scene: Scene) -> None:
    scene.apply(labelStudio={"register": False})
    await scene.settle()
    scene.apply()


async def _invalid_and_back(scene: Scene) -> None:
    scene.apply(training={"updatesPerTraining": 0})
    await scene.settle()
    scene.apply(serving={"replicas": 2})


def _basic_auth(scene: Scene) -> None:
    scene.api.put("secrets", OTHER_SECRET, NAMESPACE)
    scene.apply(serving={"basicAuthSecretRef": {"name": "basic"}, "replicas": 2})


def _lose_everything(scene: Scene) -> None:
    """Somebody deletes what can be deleted, in the cluster and in Label Studio."""
    scene.api.remove("services", NAMESPACE, f"{NAME}-ml")
    for item in scene.api.all("deployments"):
        scene.api.remove("deployments", NAMESPACE, item["metadata"]["name"])
    scene.label_studio.webhooks.clear()


PLANS = {
    "first deployment": Plan(nothing, _does(Scene.apply)),
    "first training": Plan(served, _does(Scene.annotate)),
    "second training": Plan(trained, _does(Scene.annotate)),
    "training that fails once": Plan(served, _next_training("Failed")),
    "training without enough data": Plan(served, _next_training("NotEnoughData")),
    "training refused by the gate": Plan(trained, _next_training("Refused")),
    "roll-out that never serves": Plan(trained, _roll_out_that_never_serves, quiet=40.0),
    "Start Training": Plan(
        trained,
        _does(lambda scene: scene.annotate(1), lambda scene: scene.press_start_training("2026-11-22")),
    ),
    "pin": Plan(trained_twice, _pin_first),
    "suspend and resume": Plan(served, _suspend_and_resume),
    "registration off and on": Plan(trained, _registration_off_and_on),
    "another base image": Plan(served, _does(lambda scene: scene.apply(image=OTHER_IMAGE))),
    "another base image under a trained model": Plan(trained, _does(lambda scene: scene.apply(image=OTHER_IMAGE))),
    "history cut short": Plan(trained_twice, _does(lambda scene: scene.apply(model={"historyLimit": 0}))),
    "found again in the registry": Plan(nothing, _does(_find_promoted)),
    "invalid and back": Plan(served, _invalid_and_back),
    "basic auth and replicas": Plan(trained, _does(_basic_auth)),
    "everything lost": Plan(trained, _does(_lose_everything)),
    "deletion": Plan(trained, _does(Scene.delete)),
    "deletion during a training": Plan(trained, _does(Scene.annotate, Scene.delete)),
}
