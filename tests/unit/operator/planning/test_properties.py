"""What holds whatever people do and whenever the operator is killed."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.operator.planning.world import Killed, World

from labelloop_operator.api import names
from labelloop_operator.api.status import Status
from labelloop_operator.planning.plan import plan

Deed = tuple[str, Callable[[World], Any]]

DEEDS: list[Deed] = [
    ("annotate 1", lambda world: world.annotate(1)),
    ("annotate 3", lambda world: world.annotate(3)),
    ("press Start Training", World.press_start_training),
    ("two replicas", lambda world: world.edit(serving={"replicas": 2})),
    ("another base image", lambda world: world.edit(image="registry/backend:2")),
    ("a base image that does not start", lambda world: world.edit(image="registry/backend:bad")),
    ("suspend", lambda world: world.edit(suspend=True)),
    ("resume", lambda world: world.edit(suspend=False)),
    ("the next training fails", lambda world: world.outcomes.append("Failed")),
    ("the next training has not enough data", lambda world: world.outcomes.append("NotEnoughData")),
    ("the next model does not start", lambda world: world.bad_images.add(world.trained_image())),
    ("the next rebase fails", lambda world: world.rebases.append("Failed")),
    ("the next rebase needs a training", lambda world: world.rebases.append("NeedsTraining")),
    ("the rebased image does not start", lambda world: _rebased_image_is_bad(world)),
    ("wait", lambda world: world.settle()),
    ("one reconcile", lambda world: _try(world)),
    ("the cluster continues", World.progress),
    ("a minute passes", lambda world: world.pass_time(60)),
    ("the webhook is deleted", lambda world: world.webhooks.clear()),
    ("the Service is deleted", lambda world: world.objects.pop(("Service", "intents-ml"), None)),
]
STORIES = st.lists(st.sampled_from(DEEDS), max_size=12)
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _rebased_image_is_bad(world: World) -> None:
    world.bad_images.add(world.rebased_image(world.trained_version(), "registry/backend:2"))


def _try(world: World) -> None:
    try:
        world.reconcile()
    except Killed:
        world.kill_after = None


def new_world() -> World:
    world = World(bad_images={"registry/backend:bad"})
    world.on_write = check
    return world


def check(world: World) -> None:
    """After every single write."""
    assert len(world.live_jobs()) <= 1, "two Jobs at a time"
    selected = world.selected()
    deployments = {
        item["metadata"]["labels"][names.LABEL_REVISION]: item
        for (kind, _), item in world.objects.items()
        if kind == "Deployment"
    }
    served = getattr(world, "served", None)
    if selected is not None and selected != served:
        live = deployments.get(selected)
        assert live is not None, "the Service selects a Deployment that is not there"
        available = live["status"].get("availableReplicas", 0)
        if served is not None:
            assert available >= live["spec"]["replicas"], "the Service was switched to pods that do not all serve"
        if available:
            world.served = selected  # type: ignore[attr-defined]
    if served is not None and selected is not None:
        assert selected in deployments, "the Deployment that serves was deleted"
    if world.routed is not None and not world.gone:
        assert world.routed in deployments, "the Deployment that answers was deleted"
    active = world.typed.model.active
    known = getattr(world, "active", None)
    if active is not None and active.version != known:
        if known is not None:
            assert world.answering() == active.version, "a version was promoted that does not answer"
        world.active = active.version  # type: ignore[attr-defined]


def tell(world: World, story: list[Deed]) -> None:
    for _, deed in story:
        deed(world)


def outcome(world: World) -> dict[str, Any]:
    """The end state, without times and names that depend on when something happened."""
    status = world.typed
    active = status.model.active
    return {
        "active": active and (active.version, active.image, dict(active.metrics)),
        "selected": world.selected(),
        "objects": sorted(key for key in world.objects if key[0] != "Job"),
        "cut": status.training.cut and status.training.cut.size,
        "pending": status.training.pending_updates,
        "handled": status.training.handled_request,
        "jobs": len(set(world.jobs_created)),
        "titles": [item.title for item in world.backends],
        "webhooks": len(world.webhooks),
        "conditions": [(item.type, item.status, item.reason) for item in status.conditions],
        "refused": [item.image for item in status.model.refused],
        "history": [item.version for item in status.model.history],
    }


@SETTINGS
@given(STORIES)
def test_every_story_settles_and_keeps_its_promises(story: list[Deed]) -> None:
    world = new_world()
    tell(world, story)
    world.settle()
    assert world.typed.model.candidate is None or world.spec.get("suspend")
    assert not world.live_jobs()
    if not world.spec.get("suspend"):
        pending = world.typed.training.pending_updates
        assert pending is not None
        assert pending < 3
    writes = world.writes
    world.reconcile()
    assert world.writes == writes, "a settled world is written to"


@SETTINGS
@given(STORIES)
def test_the_same_input_gives_the_same_plan(story: list[Deed]) -> None:
    world = new_world()
    tell(world, story)
    observed = deepcopy(world.observe())
    first = plan(world.observe(), world.now)
    assert first == plan(observed, world.now)
    assert Status.from_dict(first.status.to_dict()) == first.status


LIFE: list[Deed] = [
    ("wait", World.settle),
    ("annotate", lambda world: world.annotate(3)),
    ("wait", World.settle),
    ("fail once", lambda world: world.outcomes.append("Failed")),
    ("annotate", lambda world: world.annotate(3)),
    ("wait", World.settle),
    ("press", World.press_start_training),
    ("wait", World.settle),
    ("base image", lambda world: world.edit(serving={"replicas": 2})),
    ("wait", World.settle),
]


def test_killed_after_any_single_write_the_end_is_the_same() -> None:
    undisturbed = new_world()
    tell(undisturbed, LIFE)
    assert len(undisturbed.jobs_created) == 4
    for write in range(1, undisturbed.writes + 1):
        world = new_world()
        world.kill_after = write
        tell(world, LIFE)
        assert outcome(world) == outcome(undisturbed), f"killed after write {write}"


@SETTINGS
@given(story=STORIES, write=st.integers(min_value=1, max_value=80))
def test_killed_anywhere_in_any_story_it_settles_and_keeps_its_promises(story: list[Deed], write: int) -> None:
    world = new_world()
    world.kill_after = write
    tell(world, story)
    world.settle()
    assert not world.live_jobs()
    assert world.selected() is not None
    if not world.spec.get("suspend"):
        assert (world.typed.training.pending_updates or 0) < 3


@SETTINGS
@given(STORIES)
def test_a_wiped_status_loses_nothing(story: list[Deed]) -> None:
    world = new_world()
    tell(world, story)
    world.settle()
    before, jobs = outcome(world), len(world.jobs_created)
    world.status = {}
    world.settle()
    after = outcome(world)
    kept = ("active", "selected", "cut", "pending", "handled", "titles", "webhooks")
    if not world.spec.get("suspend") and len(world.jobs_created) == jobs:
        assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert (after["pending"] or 0) < 3 or world.spec.get("suspend")


@SETTINGS
@given(STORIES)
def test_a_deleted_resource_goes_and_leaves_nothing_in_label_studio(story: list[Deed]) -> None:
    world = new_world()
    tell(world, story)
    world.delete()
    world.settle()
    assert world.gone or not world.finalizers
    if world.gone:
        assert (world.backends, world.webhooks) == ([], [])
