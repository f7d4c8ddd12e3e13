"""What is in the registry on a resource's account, reported story by story."""

from typing import Any

import pytest
from tests.unit.operator.planning.world import MINIMAL, World

from labelloop_operator.api import names
from labelloop_operator.api.registry_status import SNAPSHOTS_KEPT
from labelloop_operator.planning.actions import RemoveImages, TagPromoted

BASE = "registry/backend:2"


def rounds(world: World, number: int) -> list[str]:
    """So many trainings; gives the images in their order."""
    images = []
    for _ in range(number):
        world.annotate(3)
        world.settle()
        assert world.typed.model.active is not None
        images.append(world.typed.model.active.image)
    return images


def small(limit: int = 1) -> World:
    world = World(spec={**MINIMAL, "training": {"updatesPerTraining": 3}, "model": {"historyLimit": limit}})
    world.settle()
    return world


def images_of(removed: frozenset[str]) -> set[str]:
    return {item for item in removed if "/snapshot@" not in item}


def named(world: World) -> set[str]:
    model = world.typed.model
    return {item.image for item in (model.active, model.candidate, *model.history, *model.refused) if item}


def test_what_comes_into_service_is_tagged() -> None:
    world = small()
    assert world.registry.promoted is None
    first, second = rounds(world, 2)
    assert world.registry.promoted == second
    assert world.typed.registry.promoted == second
    world.edit(model={"pinnedVersion": world.typed.model.history[0].version})
    world.settle()
    assert world.registry.promoted == first


def test_what_falls_out_of_the_history_is_deleted_and_nothing_else() -> None:
    world = small(limit=2)
    images = rounds(world, 5)
    assert images_of(world.registry.removed) == set(images[:2])
    assert not world.typed.registry.pending_deletion
    assert named(world) >= set(images[2:])


def test_a_lower_limit_takes_effect_at_once() -> None:
    world = small(limit=5)
    images = rounds(world, 4)
    assert not images_of(world.registry.removed)
    world.edit(model={"historyLimit": 1})
    world.settle()
    assert images_of(world.registry.removed) == set(images[:2])


def test_base_images_are_never_deleted() -> None:
    world = small(limit=0)
    rounds(world, 2)
    assert not [item for item in world.registry.removed if item.startswith("registry/backend")]


def test_older_snapshots_go_under_a_limit_of_their_own() -> None:
    world = small(limit=20)
    rounds(world, SNAPSHOTS_KEPT + 2)
    removed = [item for item in world.registry.removed if "/snapshot@" in item]
    assert len(removed) == 2
    assert len(world.typed.registry.snapshots) == SNAPSHOTS_KEPT
    assert world.typed.training.snapshot == world.typed.registry.snapshots[0]


def test_a_registry_that_deletes_nothing_is_told_of_once_and_asked_again_after_an_edit() -> None:
    world = small(limit=0)
    world.undeletable = "the registry registry:5000 answers 405: allow deletion there"
    rounds(world, 3)
    assert world.event_reasons().count("ImageDeletionFailed") == 1
    assert world.typed.registry.deletion_error == world.undeletable
    assert not world.registry.removed
    assert not [item for item in world.plan().actions if isinstance(item, RemoveImages)]
    world.undeletable = None
    world.edit(serving={"replicas": 2})
    world.settle()
    assert len(images_of(world.registry.removed)) == 2
    assert world.typed.registry.deletion_error is None


def test_nothing_is_deleted_while_a_job_may_push_it_again() -> None:
    world = small(limit=0)
    rounds(world, 2)
    world.status["registry"]["pendingDeletion"] = ["registry:5000/labelloop/team-a/intents@sha256:9"]
    world.press_start_training()
    world.reconcile()
    assert world.live_jobs()
    assert not [item for item in world.plan().actions if isinstance(item, RemoveImages)]
    world.settle()
    assert "registry:5000/labelloop/team-a/intents@sha256:9" in world.registry.removed


@pytest.mark.parametrize(
    "foreign",
    [
        "registry:5000/labelloop/team-b/intents@sha256:9",
        "registry:5000/labelloop/team-a/intents:latest",
        "registry:5000/labelloop/team-a/intents2@sha256:9",
    ],
)
def test_images_elsewhere_are_not_touched(foreign: str) -> None:
    world = small()
    rounds(world, 1)
    world.status["registry"]["pendingDeletion"] = [foreign]
    world.settle()
    assert foreign not in world.registry.removed


def test_an_image_that_comes_back_into_service_is_no_longer_discarded() -> None:
    world = small()
    (image,) = rounds(world, 1)
    world.status["registry"]["pendingDeletion"] = [image]
    world.reconcile()
    assert not world.typed.registry.pending_deletion
    assert image not in world.registry.removed


def test_the_old_image_of_a_rebased_version_goes() -> None:
    world = small()
    (image,) = rounds(world, 1)
    world.edit(image=BASE)
    world.settle()
    assert image in world.registry.removed
    assert world.registry.promoted not in (None, image)


def test_deleted_is_only_what_was_discarded_on_record() -> None:
    """Killed between the two, the status must not name as history what is gone."""
    world = small(limit=0)
    rounds(world, 1)
    world.annotate(3)
    for _ in range(40):
        planned = world.plan()
        asked = {image for item in planned.actions if isinstance(item, RemoveImages) for image in item.images}
        assert not asked & named(world)
        assert asked <= set(world.typed.registry.pending_deletion)
        world.reconcile()
        world.progress()
        world.pass_time(5)
    assert world.registry.removed


def promoted(world: World, **changes: Any) -> dict[str, Any]:
    """What the promoted image of a resource in another cluster says."""
    return {
        "outcome": "Trained",
        "reason": "Trained",
        "message": "312 tasks",
        "version": "model-0123456789ab",
        "image": "registry:5000/labelloop/team-a/intents@sha256:42",
        "dataset_digest": "sha256:7",
        "project": 7,
        "cut": {"updated_at": world.now.isoformat(), "size": len(world.updates)},
        "metrics": {"accuracy": 0.71},
        "snapshot": "registry:5000/labelloop/team-a/intents/snapshot@sha256:43",
        "base_image": "registry/backend:1",
        **changes,
    }


def test_a_fresh_cluster_serves_what_was_promoted_last_without_a_training() -> None:
    world = World()
    world.annotate(6)
    world.promoted = promoted(world)
    world.annotate(2)
    world.settle()
    active, training = world.typed.model.active, world.typed.training
    assert active is not None
    assert (active.version, active.image) == ("model-0123456789ab", "registry:5000/labelloop/team-a/intents@sha256:42")
    assert active.metrics == {"accuracy": "0.71"}
    assert not world.jobs_created
    assert training.cut is not None
    assert (training.cut.size, training.pending_updates) == (6, 2)
    assert training.snapshot == "registry:5000/labelloop/team-a/intents/snapshot@sha256:43"
    assert world.condition("Ready") == ("True", "Ready")
    assert "found in the registry" in world.message("RolloutSucceeded")
    assert [item.title for item in world.backends] == ["model-0123456789ab"]
    assert world.selected() == names.revision("model-0123456789ab")
    world.annotate(1)
    world.settle()
    assert len(world.jobs_created) == 1


@pytest.mark.parametrize(
    "changes",
    [{"project": 8}, {"project": None}, {"image": None}, {"cut": None}, {"outcome": "Failed"}, {"version": 5}],
)
def test_what_is_not_this_project_s_model_does_not_serve(changes: dict[str, Any]) -> None:
    world = World()
    world.promoted = promoted(world, **changes)
    world.settle()
    assert world.typed.model.active is not None
    assert names.is_cold(world.typed.model.active.version)
    assert not [item for item in world.plan().actions if isinstance(item, TagPromoted)]


def test_on_another_base_image_what_was_found_is_moved() -> None:
    world = World(spec={**MINIMAL, "image": BASE})
    world.promoted = promoted(world)
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert (active.version, active.base_image) == ("model-0123456789ab", BASE)
    assert [name.split("-")[2] for name in world.jobs_created] == ["base"]
