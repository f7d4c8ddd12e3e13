"""Another base image, reported story by story: same version, another image, no training."""

import pytest
from tests.unit.operator.planning.world import MINIMAL, OPERATOR, World, trained

from labelloop_operator.api import names

BASE = "registry/backend:2"


def kinds(world: World) -> list[str]:
    """What kinds of Jobs were made, in order."""
    return [name.split("-")[2] for name in world.jobs_created]


def image(world: World) -> str | None:
    active = world.typed.model.active
    return active.image if active else None


def test_a_trained_model_moves_to_the_new_base_without_a_training() -> None:
    world = trained()
    version, before = world.trained_version(), image(world)
    promoted_at = world.typed.model.active and world.typed.model.active.at
    world.edit(image=BASE)
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert (active.version, active.image, active.base_image) == (version, world.rebased_image(version, BASE), BASE)
    assert active.image != before
    assert active.at == promoted_at
    assert kinds(world) == ["train", "base"]
    assert world.selected() == names.revision(version)
    assert [name for kind, name in world.objects if kind in ("Deployment", "Job")] == [
        names.deployment_name("intents", version)
    ]
    assert world.deployment(version)["spec"]["template"]["spec"]["containers"][0]["image"] == active.image
    assert world.condition("Rebased") == ("True", "Rebased")
    assert world.event_reasons().count("Rebased") == 1
    assert [item.version for item in world.typed.model.history] == [names.cold_version(OPERATOR.backend_image)]


def test_nothing_is_said_of_bases_before_one_changes() -> None:
    world = trained()
    assert "Rebased" not in [str(item.type) for item in world.typed.conditions]
    assert world.typed.model.active is not None
    assert world.typed.model.active.base_image == OPERATOR.backend_image


def test_the_old_image_serves_until_every_new_pod_answers() -> None:
    world = World(spec={**MINIMAL, "training": {"updatesPerTraining": 3}, "serving": {"replicas": 2}})
    world.settle()
    world.annotate(3)
    world.settle()
    version, before = world.trained_version(), image(world)
    world.edit(image=BASE)
    while world.typed.model.candidate is None or world.typed.model.candidate.at is None:
        world.progress()
        world.reconcile()
    for status in (
        {"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2},
        {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 3},
    ):
        live = world.deployment(version)
        live["status"] = {"observedGeneration": live["metadata"]["generation"], **status}
        world.reconcile()
        assert image(world) == before
    world.settle()
    assert image(world) == world.rebased_image(version, BASE)


@pytest.mark.parametrize("late", [False, True])
def test_a_rebased_image_that_does_not_serve_goes_back(late: bool) -> None:
    world = trained()
    version, before = world.trained_version(), image(world)
    bad = world.rebased_image(version, BASE)
    world.bad_images.add(bad)
    world.edit(image=BASE)
    world.settle()
    assert image(world) == before
    assert world.typed.model.candidate is None
    assert world.deployment(version)["spec"]["template"]["spec"]["containers"][0]["image"] == before
    assert [item.image for item in world.typed.model.refused] == [bad]
    assert world.condition("Rebased") == ("False", "ProgressDeadlineExceeded")
    assert "The image before it keeps serving" in world.message("RolloutSucceeded")
    assert kinds(world) == ["train", "base"]
    if late:
        # Fixed, and the resource edited: another chance, by the same digest.
        world.bad_images.clear()
        world.edit(serving={"replicas": 2})
        world.settle()
        assert image(world) == bad
    else:
        world.edit(image=OPERATOR.backend_image)
        world.settle()
        assert world.condition("Rebased") == ("True", "Rebased")
        assert image(world) == before


def test_other_answers_need_a_training_which_then_uses_the_new_base() -> None:
    world = trained()
    before = image(world)
    world.rebases.append("NeedsTraining")
    world.edit(image=BASE)
    world.settle()
    assert image(world) == before
    assert world.condition("Rebased") == ("False", "RebaseNeedsTraining")
    assert "golden prediction 3" in world.message("Rebased")
    assert "RebaseNeedsTraining" in world.event_reasons()
    world.edit(serving={"replicas": 2})
    world.settle()
    assert kinds(world) == ["train", "base"], "the answers would be no others"
    world.annotate(3)
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert (active.version, active.base_image) == (world.trained_version(), BASE)
    assert world.condition("Rebased") == ("True", "Rebased")


def test_after_that_even_the_same_version_is_trained_again_when_asked_for() -> None:
    world = trained()
    world.rebases.append("NeedsTraining")
    world.edit(image=BASE)
    world.settle()
    world.press_start_training()
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert active.base_image == BASE
    assert kinds(world) == ["train", "base", "train"]


def test_a_registry_that_does_not_answer_is_asked_again_under_another_name() -> None:
    world = trained()
    world.rebases.extend(["Failed", "Failed"])
    world.edit(image=BASE)
    world.settle()
    assert kinds(world) == ["train", "base", "base", "base"]
    assert len(set(world.jobs_created)) == 4
    assert world.condition("Rebased") == ("True", "Rebased")
    assert world.typed.training.consecutive_failures == 0


def test_while_it_waits_the_condition_says_why_and_until_when() -> None:
    world = trained()
    world.rebases.append("Failed")
    world.edit(image=BASE)
    for _ in range(6):
        world.reconcile()
        world.progress()
    assert world.condition("Rebased") == ("False", "BackingOff")
    assert "RegistryUnreachable: registry:5000 does not answer." in world.message("Rebased")


def test_suspended_resources_keep_their_image() -> None:
    world = trained()
    before = image(world)
    world.edit(image=BASE, suspend=True)
    world.settle()
    assert (image(world), kinds(world)) == (before, ["train"])
    assert world.condition("Rebased") == ("Unknown", "Suspended")
    world.edit(suspend=False)
    world.settle()
    assert kinds(world) == ["train", "base"]
    assert image(world) != before


def test_a_cold_resource_rolls_the_new_base_out() -> None:
    world = World()
    world.settle()
    world.edit(image=BASE)
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == names.cold_version(BASE)
    assert not world.jobs_created
    assert "Rebased" not in [str(item.type) for item in world.typed.conditions]


def test_a_training_that_is_due_makes_the_rebase_needless() -> None:
    world = trained()
    world.edit(image=BASE)
    world.annotate(3)
    world.settle()
    assert kinds(world) == ["train", "train"]
    assert world.typed.model.active is not None
    assert world.typed.model.active.base_image == BASE


def test_a_base_that_changes_again_on_the_way_ends_at_the_last_one() -> None:
    world = trained()
    world.edit(image=BASE)
    for _ in range(3):
        world.reconcile()
    world.edit(image="registry/backend:3")
    world.settle()
    assert image(world) == world.rebased_image(world.trained_version(), "registry/backend:3")
    assert not world.live_jobs()


def test_a_pinned_version_comes_with_its_own_base_and_is_then_moved() -> None:
    world = trained()
    first = world.trained_version()
    world.edit(image=BASE)
    world.annotate(3)
    world.settle()
    second = world.trained_version()
    world.edit(model={"pinnedVersion": first})
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert (active.version, active.image) == (first, world.rebased_image(first, BASE))
    assert second in [item.version for item in world.typed.model.history]
    promoted = [event.note for event in world.events if event.reason == "Promoted"]
    assert promoted[-1].startswith(
        f"{first} is the active version (registry:5000/labelloop/team-a/intents@sha256:{first})"
    )


def test_a_version_whose_base_is_not_known_is_moved_once() -> None:
    world = trained()
    before = image(world)
    del world.status["model"]["active"]["baseImage"]
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert (active.image, active.base_image) == (before, OPERATOR.backend_image)
    assert kinds(world) == ["train", "base"]


def moved(kill_after: int | None, bad: bool) -> tuple[object, ...]:
    """The end of a change of the base image, with the operator killed after one of its writes."""
    world = trained()
    if bad:
        world.bad_images.add(world.rebased_image(world.trained_version(), BASE))
    world.edit(image=BASE)
    world.kill_after = None if kill_after is None else world.writes + kill_after
    world.settle()
    status = world.typed
    killed = kill_after is None or world.writes >= (world.kill_after or 0)
    return (
        killed,
        image(world),
        status.model.active and status.model.active.base_image,
        sorted(world.objects),
        [(item.type, item.status, item.reason) for item in status.conditions],
        [item.image for item in status.model.refused],
        len(set(world.jobs_created)),
    )


@pytest.mark.parametrize("bad", [False, True])
def test_killed_after_any_write_it_ends_the_same(bad: bool) -> None:
    want, writes = moved(None, bad), 0
    while True:
        writes += 1
        end = moved(writes, bad)
        assert end[1:] == want[1:], f"killed after write {writes}"
        if not end[0] or writes > 40:
            break
    assert 5 < writes < 40
