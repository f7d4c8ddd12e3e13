"""Training Jobs, reported story by story: names, pods that may not run, retries, a configuration that changes
meanwhile."""

from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator.planning.world import MINIMAL, OPERATOR, World, trained

from labelloop_operator.api import names
from labelloop_operator.planning.observed import PodProblem

QUOTA = 'Error creating: pods "x" is forbidden: exceeded quota: few, requested: pods=1, used: pods=4, limited: pods=4'
REFUSED = ("FailedCreate", QUOTA)
UNSCHEDULABLE = ("Unschedulable", "0/1 nodes are available: 1 node(s) were unschedulable.")
OPEN = names.ANNOTATION_TRAIN_REQUESTED_AT


def stuck(problem: tuple[str, str], **training: Any) -> tuple[World, str]:
    """A world whose first Job has no pod that runs."""
    world = World(spec={**MINIMAL, "training": {"updatesPerTraining": 3, **training}})
    world.settle()
    world.annotate(3)
    world.stuck = True
    world.reconcile()
    (job,) = world.jobs_created
    world.pod_problems = (PodProblem(job, *problem),)
    world.reconcile()
    return world, job


def runs(world: World) -> None:
    world.stuck, world.pod_problems = False, ()
    world.settle()


def test_the_same_data_once_more_make_another_job() -> None:
    world = trained()
    before = list(world.updates)
    world.annotate(3)
    world.settle()
    world.status["training"]["trainedThrough"] = {
        "updatedAt": before[-1].isoformat(),
        "size": len(before),
    }  # as after a restore
    world.settle()
    assert len(world.jobs_created) == len(set(world.jobs_created)) == 3


def test_a_wiped_status_gives_no_name_that_was_used() -> None:
    world = World(outcomes=deque(["Failed"]))
    world.settle()
    world.annotate(3)
    while world.typed.training.last_failure is None:
        world.reconcile()
        world.progress()
    world.reconcile()
    world.status = {}
    world.settle()
    assert len(world.jobs_created) == len(set(world.jobs_created)) == 2


@pytest.mark.parametrize(
    ("problem", "reason", "remedy"),
    [
        (REFUSED, "PodCreationFailed", "quota"),
        (UNSCHEDULABLE, "Unschedulable", "free capacity"),
        (("CreateContainerConfigError", "secret not found"), "ContainerConfigInvalid", "Secrets"),
    ],
)
def test_a_pod_that_does_not_run_is_told_with_kubernetes_words_and_the_remedy(
    problem: tuple[str, str], reason: str, remedy: str
) -> None:
    world, _ = stuck(problem)
    assert world.condition("TrainingSucceeded") == ("Unknown", reason)
    message = world.message("TrainingSucceeded")
    assert problem[1].rstrip(".") in message
    assert remedy in message
    assert "Start Training" in message
    assert world.status["training"]["next"] == f"{reason}: {message}"
    assert world.condition("Ready") == ("True", "Ready")
    warnings = [event for event in world.events if event.reason == reason]
    assert [event.type for event in warnings] == ["Warning"]
    world.reconcile()
    assert [event for event in world.events if event.reason == reason] == warnings, "reported once"
    runs(world)
    assert world.condition("TrainingSucceeded") == ("True", "Trained")
    assert len(world.jobs_created) == 1, "the same Job went on"


@pytest.mark.parametrize(
    "change",
    [
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"podTemplate": {"spec": {"nodeSelector": {"pool": "training"}}}},
    ],
)
def test_an_edit_of_what_the_pod_is_made_of_replaces_a_stuck_job_without_a_pause(change: dict[str, Any]) -> None:
    world, job = stuck(UNSCHEDULABLE)
    world.edit(training={"updatesPerTraining": 3, **change})
    world.reconcile()
    assert world.condition("TrainingSucceeded") == ("Unknown", "JobReplaced")
    world.reconcile()
    world.pod_problems = ()
    world.reconcile()
    assert [name for kind, name in world.objects if kind == "Job"] == world.jobs_created[1:] != [job]
    assert not world.typed.training.consecutive_failures
    assert "TrainingFailed" not in world.event_reasons()
    runs(world)
    assert world.condition("TrainingSucceeded") == ("True", "Trained")
    assert world.typed.training.pending_updates == 0


def test_an_edit_of_something_else_leaves_it() -> None:
    world, job = stuck(UNSCHEDULABLE)
    world.edit(serving={"replicas": 2})
    for _ in range(3):
        world.reconcile()
    assert world.jobs_created == [job]
    assert ("Job", job) in world.objects


def test_a_job_whose_pod_runs_is_not_ended_by_an_edit_nor_by_start_training() -> None:
    world, job = stuck(UNSCHEDULABLE)
    world.pod_problems = ()
    world.edit(training={"updatesPerTraining": 3, "resources": {"limits": {"memory": "1Gi"}}})
    world.press_start_training()
    for _ in range(3):
        world.reconcile()
    assert ("Job", job) in world.objects
    assert world.condition("TrainingSucceeded") == ("Unknown", "TrainingRunning")


@pytest.mark.parametrize("requested", [False, True])
def test_start_training_replaces_a_stuck_job_and_is_answered_by_the_next(requested: bool) -> None:
    world = World()
    world.settle()
    world.annotate(1 if requested else 3)
    if requested:
        world.press_start_training()
    world.stuck = True
    world.reconcile()
    (first,) = world.jobs_created
    world.pod_problems = (PodProblem(first, *REFUSED),)
    world.reconcile()
    world.press_start_training()
    world.reconcile()
    runs(world)
    assert len(set(world.jobs_created)) == 2
    assert world.condition("TrainingSucceeded") == ("True", "Trained")
    assert world.typed.training.handled_request == world.annotations[OPEN]


def test_a_request_is_not_lost_when_an_edit_replaces_its_job() -> None:
    world = World()
    world.settle()
    world.annotate(1)
    world.press_start_training()
    world.stuck = True
    world.reconcile()
    world.pod_problems = (PodProblem(world.jobs_created[0], *REFUSED),)
    world.reconcile()
    world.edit(training={"updatesPerTraining": 3, "resources": {"limits": {"memory": "1Gi"}}})
    world.reconcile()
    runs(world)
    assert len(set(world.jobs_created)) == 2
    assert world.condition("TrainingSucceeded") == ("True", "Trained")


def test_a_deadline_that_passes_without_a_pod_does_not_ask_for_a_longer_one() -> None:
    world, job = stuck(UNSCHEDULABLE, deadline="20s")
    late = {"outcome": "Failed", "reason": "DeadlineExceeded", "message": "raise spec.training.deadline."}
    world.objects["Job", job]["status"] = {"result": late}
    world.reconcile()
    assert world.condition("TrainingSucceeded") == ("False", "Unschedulable")
    message = world.message("TrainingSucceeded")
    assert "could not start within 20 s" in message
    assert "raise" not in message
    assert world.typed.training.last_failure is not None
    assert world.typed.training.last_failure.reason == "Unschedulable"


def failed() -> World:
    """A world that waits for its retry."""
    world = World(spec={**MINIMAL, "training": {"updatesPerTraining": 3, "backoff": "10m"}})
    world.outcomes.append("Failed")
    world.settle()
    world.annotate(3)
    while world.typed.training.next_not_before is None:
        world.reconcile()
        world.progress()
    world.reconcile()
    world.reconcile()
    assert len(world.jobs_created) == 1
    return world


def test_a_fixed_cause_ends_the_pause_before_a_retry() -> None:
    for fix in ("plain_http", "secret"):
        world = failed()
        if fix == "plain_http":
            world.operator = replace(OPERATOR, registry_plain_http=False)
        else:
            world.secret_versions = ("label-studio=2",)
        world.reconcile()
        assert len(world.jobs_created) == 2, fix


def test_while_a_retry_waits_it_looks_again_for_a_fixed_secret() -> None:
    assert 0 < (failed().plan().requeue_after or 0) <= 60


def test_what_a_failed_job_pushed_is_deleted_and_what_is_kept_stays_named() -> None:
    world = trained()
    world.outcomes.append("Failed")
    world.annotate(3)
    world.settle()
    first = world.jobs_created[1]
    (uid,) = {item.rpartition(first + "-")[2] for item in world.registry.removed if first in item}
    repository = "registry:5000/labelloop/team-a/intents"
    assert {item for item in world.registry.removed if first in item} == {
        f"{repository}:{first}-{uid}",
        f"{repository}/snapshot:{first}-{uid}",
    }
    assert uid.startswith("uid-")
    assert not world.typed.registry.pending_deletion


def test_what_a_deleted_job_pushed_is_deleted() -> None:
    world = trained()
    world.annotate(3)
    world.reconcile()
    world.reconcile()
    job = world.jobs_created[-1]
    uid = world.objects["Job", job]["metadata"]["uid"]
    del world.objects["Job", job]
    world.settle()
    assert f"registry:5000/labelloop/team-a/intents/snapshot:{job}-{uid}" in world.registry.removed


def test_a_configuration_that_was_another_one_for_a_moment_is_trained_on_again_at_once() -> None:
    world = trained()
    active = world.typed.model.active
    world.annotate(3)
    world.read_config, world.removed_labels, world.labels = "for a moment", ["billing"], frozenset({"billing", "login"})
    world.reconcile()
    world.progress()
    world.read_config, world.removed_labels = None, []
    outdated = world.trained_version()
    world.reconcile()
    assert world.condition("TrainingSucceeded") == ("False", "LabelConfigChanged")
    assert "billing" in world.message("TrainingSucceeded")
    assert world.typed.model.candidate is None
    assert world.typed.model.active == active
    assert world.condition("LabelConfigSupported") == ("True", "Supported")
    assert len(world.jobs_created) == 2
    world.annotate(1)  # the same number would give the same version in this world
    world.settle()
    assert len(world.jobs_created) == 3, "at once, not after three more updates"
    assert world.condition("TrainingSucceeded") == ("True", "Trained")
    assert world.rebased_image(outdated, OPERATOR.backend_image) in world.registry.removed


def test_labels_that_nobody_used_hold_no_version_back() -> None:
    world = trained()
    world.annotate(3)
    world.read_config, world.labels = "for a moment", frozenset({"billing", "new"})
    world.reconcile()
    world.progress()
    world.read_config = None
    version = world.trained_version()
    world.settle()
    assert version in [item.version for item in (world.typed.model.active, *world.typed.model.history) if item]
    assert len(world.jobs_created) == 3


def test_a_configuration_that_changes_later_waits_for_the_next_training() -> None:
    world = trained()
    world.label_config_digest = "config-2"
    world.settle()
    assert len(world.jobs_created) == 1


def test_a_trainer_that_always_reads_another_digest_does_not_train_for_ever() -> None:
    world = trained()
    world.read_config = "of another version of the library"
    world.annotate(3)
    world.settle()
    assert len(world.jobs_created) == 3


def test_removed_labels_are_not_told_of_a_configuration_that_has_them_again() -> None:
    world = trained()
    world.annotate(3)
    world.removed_labels = ["billing"]
    world.settle()
    assert world.condition("LabelConfigSupported") == ("True", "LabelsRemoved")
    world.label_config_digest = "with billing again"
    world.settle()
    assert world.condition("LabelConfigSupported") == ("True", "Supported")


@pytest.mark.parametrize("edited", [False, True])
def test_a_stuck_rebase_is_made_again_after_an_edit(edited: bool) -> None:
    world = trained()
    world.edit(image="registry/backend:2")
    world.stuck = True
    world.reconcile()
    job = world.jobs_created[-1]
    uid = world.objects["Job", job]["metadata"]["uid"]
    world.pod_problems = (PodProblem(job, *UNSCHEDULABLE),)
    world.reconcile()
    assert world.condition("Rebased") == ("Unknown", "Unschedulable")
    if edited:
        world.edit(training={"updatesPerTraining": 3, "resources": {"limits": {"memory": "1Gi"}}})
    for _ in range(3):
        world.reconcile()
    assert (world.objects["Job", job]["metadata"]["uid"] == uid) is not edited
    runs(world)
    assert world.condition("Rebased") == ("True", "Rebased")


@pytest.mark.parametrize("problem", [("Unschedulable", "0/1 nodes are available"), ("CrashLoopBackOff", "exit code 1")])
def test_a_version_that_the_cluster_did_not_let_run_is_rolled_out_again_by_itself(problem: tuple[str, str]) -> None:
    world = trained()
    world.annotate(3)
    version, image = world.trained_version(), world.trained_image()
    world.bad_images.add(image)
    world.pod_problems = (PodProblem(names.deployment_name("intents", version), *problem),)
    while not world.typed.model.refused:
        world.reconcile()
        world.progress()
        world.pass_time(30)
    refused_at = world.now
    assert world.typed.model.active is not None
    assert world.typed.model.active.version != version
    world.pod_problems = ()
    world.bad_images.clear()
    while world.typed.model.active.version != version and (world.now - refused_at).total_seconds() < 1000:
        world.reconcile()
        world.progress()
        world.pass_time(1)
    serves = world.typed.model.active.version == version
    assert serves is (problem[0] == "Unschedulable")
    if serves:
        assert world.typed.model.active.metrics == {"accuracy": "0.71", "macro_f1": "0.6913"}
        assert not world.typed.model.refused
        assert len(world.jobs_created) == 2, "without a training"
