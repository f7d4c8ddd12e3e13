"""A roll-out that does not complete by its deadline, in each form: the old version serves, the candidate goes."""

import pytest
from tests.unit.operator.planning.world import World, trained

from labelloop_operator.api import names
from labelloop_operator.planning.observed import PodProblem

FORMS = [
    pytest.param("CrashLoopBackOff", "back-off 10s restarting failed container", "does not start", id="crash loop"),
    pytest.param("ImagePullBackOff", "not found", "cannot be pulled", id="image"),
    pytest.param("ErrImagePull", "unauthorized", "cannot be pulled", id="image, no access"),
    pytest.param("CreateContainerConfigError", "secret not found", "cannot be configured", id="configuration"),
    pytest.param("Unschedulable", "0/3 nodes are available", "no node takes the pods", id="no node"),
    # Golden predictions that are wrong show as a pod that runs and is never ready (prediction/model_loading.py).
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


def pass_deadline(world: World) -> None:
    """Eight minutes: the deadline passes, and what follows is done. A later attempt is in test_jobs.py."""
    for _ in range(120):
        world.reconcile()
        world.progress()
        world.pass_time(4)


@pytest.mark.parametrize(("reason", "message", "told"), FORMS)
def test_the_old_version_serves_on_and_the_candidate_goes(reason: str, message: str, told: str) -> None:
    world, serving = refusing(reason, message)
    version, image = world.trained_version(), world.trained_image()
    pass_deadline(world)
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
    world.status["training"]["trainedThrough"] = {"annotations": 0}
    world.settle()
    assert world.condition("RolloutSucceeded") == ("False", "PreviouslyRejected")
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
        world.edit(model={"pinnedVersion": version})
        world.settle()
        assert world.selected() == names.revision(version)
        world.annotate(3)
        world.settle()
        assert world.selected() == names.revision(version)
        assert (world.typed.training.next or "").startswith("Pinned")
        assert not set(world.registry.removed) & {item.image for item in world.typed.model.history}
    assert len(world.jobs_created) == 4


def broken(world: World, reason: str = "ImagePullBackOff") -> str:
    """The active version loses all its pods, and none comes up again; gives the version."""
    assert world.typed.model.active is not None
    active = world.typed.model.active
    world.bad_images.add(active.image)
    world.deployment(active.version)["status"]["availableReplicas"] = 0
    world.pod_problems = (PodProblem(names.deployment_name("intents", active.version), reason, "details"),)
    return active.version


def twice_trained() -> World:
    world = trained()
    world.annotate(3)
    world.settle()
    return world


def test_an_active_version_that_does_not_serve_is_rolled_back_to_the_one_before() -> None:
    world = twice_trained()
    earlier = world.typed.model.history[0].version
    failed = broken(world)
    world.reconcile()
    world.progress()
    world.pass_time(299)
    world.reconcile()
    assert world.typed.model.candidate is None
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == world.answering() == earlier
    assert [(item.version, item.reason) for item in world.typed.model.refused] == [(failed, "RolledBack")]
    assert failed not in [item.version for item in world.typed.model.history]
    assert world.condition("RolloutSucceeded") == ("False", "RolledBack")
    assert "Start Training" in world.message("RolloutSucceeded")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.event_reasons().count("RolledBack") == 1
    assert [item.title for item in world.backends] == [earlier]


def test_a_new_training_follows_a_rollback() -> None:
    world = twice_trained()
    broken(world)
    world.settle()
    world.annotate(3)
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == world.answering() == world.trained_version()
    assert world.condition("RolloutSucceeded") == ("True", "Promoted")


def test_nothing_alternates_when_no_version_serves() -> None:
    world = twice_trained()
    history = [item.version for item in world.typed.model.history]
    failed = broken(world)
    world.bad_images |= {item.image for item in world.typed.model.history}
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == failed
    assert world.deployment(failed)
    assert sorted(item.version for item in world.typed.model.refused) == sorted(history)
    assert "no earlier version is left" in world.message("Serving")
    assert world.condition("Ready") == ("False", "ImagePullFailed")
    writes = world.writes
    world.pass_time(10_000)
    world.settle()
    assert world.writes == writes


def test_a_version_that_recovers_meanwhile_stays() -> None:
    world = twice_trained()
    failed = broken(world)
    world.bad_images |= {item.image for item in world.typed.model.history}
    while world.typed.model.candidate is None:
        planned = world.reconcile()
        world.progress()
        world.pass_time(planned.requeue_after or 1.0)
    assert world.typed.model.candidate.rollback
    world.bad_images.clear()
    world.pod_problems = ()
    world.progress()
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == failed
    assert not world.typed.model.refused
    assert world.condition("RolloutSucceeded") == ("True", "Promoted")


@pytest.mark.parametrize(
    ("changes", "remark"),
    [({"suspend": True}, "spec.suspend"), ({"model": {"pinnedVersion": "active"}}, "spec.model.pinnedVersion")],
    ids=["suspended", "pinned"],
)
def test_a_person_s_word_stops_a_rollback(changes: dict[str, object], remark: str) -> None:
    world = twice_trained()
    assert world.typed.model.active is not None
    version = world.typed.model.active.version
    world.edit(**({"model": {"pinnedVersion": version}} if "model" in changes else changes))
    world.settle()
    broken(world)
    world.settle()
    assert world.typed.model.active.version == version
    assert remark in world.message("Serving")
    assert world.condition("Ready")[0] == "False"


@pytest.mark.parametrize("reason", ["Unschedulable", "CreateContainerConfigError"])
def test_a_cause_that_all_versions_share_is_no_reason_to_roll_back(reason: str) -> None:
    world = twice_trained()
    version = broken(world, reason)
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == version
    assert list(world.by_revision()) == [names.revision(version)]
    assert "not rolled back: the same cause would stop any other version" in world.message("Serving")
