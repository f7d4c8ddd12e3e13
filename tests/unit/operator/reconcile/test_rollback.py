"""A roll-out that does not complete by its deadline, in each form: the old version serves, the candidate goes."""

import pytest
from tests.unit.operator.reconcile.world import World, trained

from labelloop_operator.api import names
from labelloop_operator.core.observed import PodProblem

FORMS = [
    pytest.param("CrashLoopBackOff", "back-off 10s restarting failed container", "does not start", id="crash loop"),
    pytest.param("ImagePullBackOff", "not found", "cannot be pulled", id="image"),
    pytest.param("ErrImagePull", "unauthorized", "cannot be pulled", id="image, no access"),
    pytest.param("CreateContainerConfigError", "secret not found", "cannot be configured", id="configuration"),
    pytest.param("Unschedulable", "0/3 nodes are available", "no node takes the pods", id="no node"),
    # Golden predictions that are wrong show as a pod that runs and is never ready (serving/loading.py).
    pytest.param("", "", "run without becoming ready", id="readiness or golden predictions"),
]


def refusing(reason: str, message: str) -> tuple[World, str]:
    """A world whose second model does not come up; gives the version that serves."""
    world = trained()
    serving = world.trained_version()
    world.annotate(3)
    version = world.trained_version()
    world.bad_images.add(world.trained_image())
    if reason:
        owner = names.deployment_name("intents", version)
        world.pod_problems = (PodProblem(owner, reason, message),)
    return world, serving


@pytest.mark.parametrize(("reason", "message", "told"), FORMS)
def test_the_old_version_serves_on_and_the_candidate_goes(reason: str, message: str, told: str) -> None:
    world, serving = refusing(reason, message)
    version, image = world.trained_version(), world.trained_image()
    world.settle()
    assert world.selected() == names.revision(serving)
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == serving
    assert [name for kind, name in world.objects if kind == "Deployment"] == [names.deployment_name("intents", serving)]
    assert [(item.version, item.image) for item in world.typed.model.refused] == [(version, image)]
    assert world.condition("RolloutSucceeded") == ("False", "ProgressDeadlineExceeded")
    assert told in world.message("RolloutSucceeded")
    assert message in world.message("RolloutSucceeded")
    assert [item.title for item in world.backends] == [serving]
    assert world.event_reasons().count("RolloutFailed") == 1
    assert image not in world.registry.removed


@pytest.mark.parametrize(("reason", "message", "told"), FORMS[:1])
def test_a_refused_digest_is_remembered_until_a_person_asks(reason: str, message: str, told: str) -> None:
    world, serving = refusing(reason, message)
    world.settle()
    refused = world.typed.model.refused[0]
    world.status["training"]["cut"] = {"size": 0}
    world.settle()
    assert world.condition("RolloutSucceeded") == ("False", "RefusedBefore")
    assert world.selected() == names.revision(serving)
    world.bad_images.clear()
    world.press_start_training()
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == refused.version
    assert not world.typed.model.refused


def test_any_version_of_the_history_can_be_pinned_and_holds() -> None:
    world = World()
    world.settle()
    versions = []
    for _ in range(4):
        world.annotate(3)
        world.settle()
        versions.append(world.trained_version())
    for version in (versions[0], versions[2], versions[1], versions[3]):
        world.edit(model={"pin": version})
        world.settle()
        assert world.selected() == names.revision(version)
        world.annotate(3)
        world.settle()
        assert world.selected() == names.revision(version)
        assert (world.typed.training.next or "").startswith("Pinned")
        assert not set(world.registry.removed) & {item.image for item in world.typed.model.history}
    assert len(world.jobs_created) == 4
