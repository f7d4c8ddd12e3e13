"""A resource, or its whole namespace, deleted in every state: it goes, and nothing of it stays in Label Studio."""

from collections.abc import Awaitable, Callable

import pytest
from tests.chaos.plans import OTHER_IMAGE, served, trained
from tests.fakes.scene import NAME, NAMESPACE, Scene, scene
from tests.fakes.virtual_network import virtually

State = Callable[[Scene], Awaitable[None]]


async def just_applied(made: Scene) -> None:
    made.apply()


async def registering(made: Scene) -> None:
    made.apply()
    await made.until(lambda: made.label_studio.webhooks or made.label_studio.backends)


async def training(made: Scene) -> None:
    await served(made)
    made.jobs_run = False
    made.annotate()
    await made.until(lambda: made.api.all("jobs"))


async def rolling_out(made: Scene) -> None:
    await served(made)
    made.annotate()
    made.bad_images.add(made.image_to_come())
    await made.until(lambda: len(made.api.all("deployments")) == 2)


async def failed(made: Scene) -> None:
    await served(made)
    made.outcomes.extend(["Failed"] * 50)
    made.annotate()
    await made.until(lambda: made.world.training.get("consecutiveFailures", 0) > 2)


async def rolled_back(made: Scene) -> None:
    await served(made)
    made.apply(rollout={"progressDeadline": "30s"})
    made.annotate()
    made.bad_images.add(made.image_to_come())
    await made.until(lambda: made.model.get("rejected"))


async def moving(made: Scene) -> None:
    """A Job puts the trained model on another base image."""
    await trained(made)
    made.jobs_run = False
    made.apply(image=OTHER_IMAGE)
    await made.until(lambda: made.api.all("jobs"))


async def invalid(made: Scene) -> None:
    await trained(made)
    made.apply(training={"updatesPerTraining": 0})
    await made.until(lambda: made.world.condition("Ready") == ("False", "InvalidSpec"))


async def suspended(made: Scene) -> None:
    await trained(made)
    made.apply(suspend=True)
    made.annotate()
    await made.settle()


async def pinned(made: Scene) -> None:
    await trained(made)
    made.apply(model={"pinnedVersion": made.model["history"][0]["version"]})
    await made.settle()


async def not_registered(made: Scene) -> None:
    made.apply(labelStudio={"register": False})
    await made.settle()


async def no_more_registered(made: Scene) -> None:
    await served(made)
    made.apply(labelStudio={"register": False})
    await made.settle()


STATES = (
    just_applied, registering, served, training, rolling_out, failed, rolled_back, moving, invalid, suspended, trained,
    pinned, not_registered, no_more_registered,
)  # fmt: skip


def delete_namespace(made: Scene) -> None:
    """What the namespace controller does: everything at once, whatever depends on what."""
    for plural in ("secrets", "services", "jobs", "deployments"):
        for item in made.api.all(plural):
            made.api.delete(plural, NAMESPACE, item["metadata"]["name"], at=made.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    if made.world.found():
        made.delete()


def emptied(made: Scene) -> bool:
    """Nothing is left in the namespace, and nothing of the resource in Label Studio."""
    left = [plural for plural in ("labelstudiobackends", "secrets", "services", "jobs", "deployments")
            if [item for item in made.api.all(plural) if item["metadata"]["name"] != "label-studio"]]  # fmt: skip
    return not left and not made.label_studio.webhooks and not made.label_studio.backends


async def deleted(state: State, how: Callable[[Scene], None], operator_away: bool) -> None:
    async with scene() as made:
        await made.start_operator()
        await state(made)
        if operator_away:
            await made.world.crash()
            how(made)
            await made.start_operator()
        else:
            how(made)
        patience = 40.0  # virtual seconds: less than the time-out at which Label Studio is given up
        await made.until(lambda: emptied(made), patience)
        assert not [item for item in made.api.all("events") if "Incomplete" in item["reason"]]


@pytest.mark.chaos_case("14", "15")
@pytest.mark.parametrize("operator_away", [False, True], ids=["operator there", "operator away"])
@pytest.mark.parametrize("how", [Scene.delete, delete_namespace], ids=["resource", "namespace"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_deleted_in_every_state(state: State, how: Callable[[Scene], None], operator_away: bool) -> None:
    virtually(deleted(state, how, operator_away))


@pytest.mark.chaos_case("9")
def test_a_relay_secret_deleted_by_a_person_is_made_anew() -> None:
    async def story() -> None:
        async with scene() as made:
            await made.start_operator()
            await served(made)
            before = made.api.find("secrets", NAMESPACE, f"{NAME}-ml-relay")
            made.api.delete("secrets", NAMESPACE, f"{NAME}-ml-relay")
            await made.until(lambda: not_going(made) not in (None, (before or {})["metadata"]["uid"]))

    def not_going(made: Scene) -> str | None:
        found = made.api.find("secrets", NAMESPACE, f"{NAME}-ml-relay")
        return None if found is None or "deletionTimestamp" in found["metadata"] else found["metadata"]["uid"]

    virtually(story())
