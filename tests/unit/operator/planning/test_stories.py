"""The loop, reported story by story on the in-memory cluster."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.operator.planning.world import EPOCH, MINIMAL, OPERATOR, UID, World

from labelloop_operator.api import names
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.label_studio_objects import RegisteredBackend
from labelloop_operator.api.spec import Problem
from labelloop_operator.planning.actions import Apply, Create, Delete, EnsureBackend, EnsureWebhook
from labelloop_operator.planning.observed import Conflict, ConnectionFacts, PodProblem
from labelloop_operator.planning.plan import plan

COLD = names.cold_version(OPERATOR.backend_image)


def served() -> World:
    """A world in which the cold start serves and is registered."""
    world = World()
    world.settle()
    return world


def test_a_new_resource_is_served_and_registered_before_any_training() -> None:
    world = served()
    status = world.typed
    assert status.model.active is not None
    assert (status.model.active.version, status.model.active.image) == (COLD, "registry/backend:1")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.selected() == names.revision(COLD)
    assert [item.title for item in world.backends] == [COLD]
    assert [item.url for item in world.webhooks] == ["http://intents-ml.team-a.svc.cluster.local:9090/webhook"]
    assert status.url == "http://intents-ml.team-a.svc.cluster.local:9090"
    assert (status.replicas, status.selector) == (
        1,
        f"labelloop.dev/backend=intents,labelloop.dev/revision={names.revision(COLD)}",
    )
    assert world.condition("TrainingSucceeded") == ("Unknown", "WaitingForUpdates")
    assert not world.jobs_created


def test_the_finalizer_stands_before_anything_is_made_in_label_studio() -> None:
    world = World()
    world.reconcile()
    assert world.finalizers == (names.FINALIZER,)
    assert not world.backends


def test_a_settled_world_is_left_alone() -> None:
    world = served()
    writes = world.writes
    world.reconcile()
    assert world.writes == writes


@pytest.mark.parametrize(("updates", "jobs"), [(2, 0), (3, 1), (7, 1)])
def test_the_nth_update_starts_exactly_one_job(updates: int, jobs: int) -> None:
    world = served()
    world.annotate(updates)
    world.settle()
    assert len(world.jobs_created) == jobs


def test_a_training_is_rolled_out_and_recorded() -> None:
    world = served()
    world.annotate(3)
    world.settle()
    status = world.typed
    assert status.model.active is not None
    assert status.model.active.version == world.trained_version()
    assert status.model.active.metrics == {"accuracy": "0.71", "macro_f1": "0.6913"}
    assert [item.version for item in status.model.history] == [COLD]
    assert status.model.candidate is None
    assert world.selected() == names.revision(world.trained_version())
    assert [item.title for item in world.backends] == [world.trained_version()]
    assert [name for kind, name in world.objects if kind in ("Deployment", "Job")] == [
        names.deployment_name("intents", world.trained_version())
    ]
    assert status.training.cut is not None
    assert (status.training.cut.size, status.training.pending_updates) == (3, 0)
    assert status.training.snapshot is not None
    assert world.condition("TrainingSucceeded") == ("True", "Trained")
    assert world.condition("RolloutSucceeded") == ("True", "Promoted")
    told = ["Promoted", "Ready", "Registered", "TrainingStarted", "TrainingSucceeded", "RolloutStarted", "Promoted"]
    assert sorted(world.event_reasons()) == sorted([*told, "PredictionsWritten"])


def test_without_snapshots_none_is_on_record() -> None:
    world = World(spec={**MINIMAL, "training": {"updatesPerTraining": 3, "snapshotPolicy": "None"}})
    world.settle()
    world.annotate(3)
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == world.trained_version()
    assert world.typed.training.snapshot is None


def test_the_service_switches_only_when_every_replica_serves_and_the_old_one_drains() -> None:
    world = World(spec={**MINIMAL, "training": {"updatesPerTraining": 3}, "serving": {"replicas": 2}})
    world.settle()
    world.annotate(3)
    while world.typed.model.candidate is None or world.typed.model.candidate.at is None:
        world.reconcile()
        world.progress() if not world.typed.model.candidate else None
    new = world.trained_version()
    world.deployment(new)["status"] = {
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1,
    }  # fmt: skip
    world.reconcile()
    assert world.selected() == names.revision(COLD)
    world.progress()
    planned = world.plan()
    kinds = [(type(action).__name__, getattr(action, "manifest", {}).get("kind")) for action in planned.actions]
    assert kinds.index(("Apply", "Service")) > kinds.index(("Apply", "Deployment"))
    world.reconcile()
    assert world.selected() == names.revision(new)
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == COLD
    world.progress()
    assert world.reconcile().requeue_after is not None
    world.progress()
    world.reconcile()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == new
    promoted = world.now
    world.pass_time(9.9)
    world.reconcile()
    assert world.deployment(COLD)
    world.pass_time(0.2)
    world.reconcile()
    assert ("Deployment", names.deployment_name("intents", COLD)) not in world.objects
    assert world.now - promoted < timedelta(seconds=11)


def test_a_second_round_gives_another_version() -> None:
    world = served()
    world.annotate(3)
    world.settle()
    first = world.trained_version()
    world.annotate(3)
    world.settle()
    active = world.typed.model.active
    assert active is not None
    assert active.version == world.trained_version() != first
    assert [item.version for item in world.typed.model.history] == [first, COLD]
    assert len(world.jobs_created) == 2


@pytest.mark.parametrize(("outcome", "reason"), [("NotEnoughData", "TooFewLabels")])
def test_a_users_problem_moves_the_cut_and_is_told(outcome: str, reason: str) -> None:
    world = served()
    world.outcomes.append(outcome)
    world.annotate(3)
    world.settle()
    assert world.condition("TrainingSucceeded") == ("False", reason)
    assert world.typed.training.pending_updates == 0
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == COLD
    assert len(world.jobs_created) == 1
    assert world.condition("Ready") == ("True", "Ready")


def test_the_same_data_gives_unchanged_and_no_roll_out() -> None:
    world = served()
    world.annotate(3)
    world.settle()
    world.press_start_training()
    world.settle()
    assert world.condition("TrainingSucceeded") == ("True", "Unchanged")
    assert len(world.jobs_created) == 2
    assert world.event_reasons().count("RolloutStarted") == 1


def test_a_technical_failure_is_tried_again_under_a_new_name_after_its_back_off() -> None:
    world = served()
    world.outcomes.extend(["Failed", "Failed"])
    world.annotate(3)
    world.reconcile()
    world.progress()
    world.reconcile()
    training = world.typed.training
    assert world.condition("TrainingSucceeded") == ("False", "RegistryUnreachable")
    assert "registry:5000 does not answer. Failed once; tried again at 20" in world.message("TrainingSucceeded")
    assert (training.consecutive_failures, training.attempt, training.cut and training.cut.size) == (1, 1, 0)
    assert training.next_not_before == world.now + timedelta(seconds=30)
    world.pass_time(29)
    world.reconcile()
    world.reconcile()
    assert len(world.jobs_created) == 1
    world.settle()
    assert len(set(world.jobs_created)) == 3
    assert world.typed.training.consecutive_failures == 0
    assert world.typed.training.last_failure is None
    assert world.condition("TrainingSucceeded") == ("True", "Trained")
    assert world.event_reasons().count("TrainingFailed") == 2


def test_the_back_off_doubles() -> None:
    world = served()
    world.outcomes.extend(["Failed"] * 3)
    world.annotate(3)
    pauses = []
    while len(pauses) < 3:
        failures = world.typed.training.consecutive_failures
        world.reconcile()
        training = world.typed.training
        if training.consecutive_failures > failures:
            assert training.next_not_before is not None
            pauses.append((training.next_not_before - world.now).total_seconds())
            world.pass_time(pauses[-1])
        world.progress()
    assert pauses == [30, 60, 120]


def test_editing_the_resource_ends_the_back_off() -> None:
    world = served()
    world.outcomes.append("Failed")
    world.annotate(3)
    for _ in range(2):
        world.reconcile()
        world.progress()
    world.reconcile()
    assert len(world.jobs_created) == 1
    world.edit(registry={"plainHTTP": False})
    world.reconcile()
    assert len(world.jobs_created) == 2


def test_a_deleted_job_counts_as_a_failure_and_is_made_again() -> None:
    world = served()
    world.annotate(3)
    world.reconcile()
    (name,) = world.jobs_created
    del world.objects["Job", name]
    world.reconcile()
    assert world.condition("TrainingSucceeded") == ("False", "JobDeleted")
    world.settle()
    assert len(set(world.jobs_created)) == 2
    assert world.condition("TrainingSucceeded") == ("True", "Trained")


def test_a_job_goes_only_when_its_outcome_is_on_record() -> None:
    world = served()
    world.annotate(3)
    world.reconcile()
    world.progress()
    assert not [action for action in world.plan().actions if isinstance(action, Delete)]
    world.reconcile()
    assert world.typed.training.last_outcome == "Trained"
    assert [action.kind for action in world.plan().actions if isinstance(action, Delete)] == ["Job"]


def test_start_training_starts_a_job_at_once_and_only_one() -> None:
    world = served()
    world.annotate(1)
    world.press_start_training()
    planned = world.reconcile()
    (job,) = [action.manifest for action in planned.actions if isinstance(action, Create)]
    request = world.annotations[names.ANNOTATION_TRAIN_REQUESTED_AT]
    assert job["metadata"]["annotations"][names.ANNOTATION_REQUEST_ID] == request
    assert world.typed.training.handled_request == request
    world.settle()
    assert len(world.jobs_created) == 1


def test_start_training_pressed_during_a_job_is_not_lost() -> None:
    world = served()
    world.annotate(3)
    world.reconcile()
    world.press_start_training()
    world.settle()
    assert len(world.jobs_created) == 2
    assert world.typed.training.handled_request == world.annotations[names.ANNOTATION_TRAIN_REQUESTED_AT]


def test_start_training_does_not_wait_for_the_back_off() -> None:
    world = served()
    world.outcomes.append("Failed")
    world.annotate(3)
    for _ in range(3):
        world.reconcile()
        world.progress()
    world.press_start_training()
    world.reconcile()
    assert len(world.jobs_created) == 2


def test_suspend_stops_trainings_and_roll_outs_but_not_serving_and_repairs() -> None:
    world = served()
    world.edit(suspend=True)
    world.annotate(5)
    world.press_start_training()
    del world.objects["Service", "intents-ml"]
    world.settle()
    assert not world.jobs_created
    assert world.typed.training.pending_updates == 5
    assert world.condition("Suspended") == ("True", "Suspended")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.selected() == names.revision(COLD)
    world.edit(suspend=False)
    world.settle()
    assert len(world.jobs_created) == 1
    assert world.event_reasons().count("Suspended") == world.event_reasons().count("Resumed") == 1


def test_a_model_trained_while_suspended_waits() -> None:
    world = served()
    world.annotate(3)
    world.reconcile()
    world.edit(suspend=True)
    world.settle()
    candidate = world.typed.model.candidate
    assert candidate is not None
    assert candidate.at is None
    assert world.condition("RolloutSucceeded") == ("Unknown", "Suspended")
    world.pass_time(3600)
    world.edit(suspend=False)
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == candidate.version


def test_a_candidate_that_does_not_start_is_refused_and_what_served_goes_on() -> None:
    world = served()
    world.annotate(3)
    image, version = world.trained_image(), world.trained_version()
    world.bad_images.add(image)
    world.pod_problems = (
        PodProblem(names.deployment_name("intents", version), "ImagePullBackOff", "back-off pulling"),
    )
    started = world.now
    world.settle()
    assert world.now - started > timedelta(minutes=5)
    assert world.selected() == names.revision(COLD)
    assert ("Deployment", names.deployment_name("intents", version)) not in world.objects
    assert [(item.version, item.image, item.reason) for item in world.typed.model.refused] == [
        (version, image, "ProgressDeadlineExceeded")
    ]
    assert world.condition("RolloutSucceeded") == ("False", "ProgressDeadlineExceeded")
    assert "spec.rollout.progressDeadline" in world.message("RolloutSucceeded")
    assert "cannot be pulled" in world.message("RolloutSucceeded")
    assert world.event_reasons().count("RolloutFailed") == 1
    world.bad_images.clear()
    world.pod_problems = ()
    world.press_start_training()
    world.settle()
    assert world.selected() == names.revision(version)
    assert not world.typed.model.refused


def test_a_model_that_the_gate_refuses_is_told_kept_and_not_rolled_out() -> None:
    world = served()
    world.annotate(3)
    world.settle()
    before = world.typed.model.active
    world.outcomes.append("Refused")
    world.annotate(3)
    world.settle()

    status = world.typed
    assert (status.model.active, status.model.candidate) == (before, None)
    assert [(item.version, item.image, item.reason) for item in status.model.refused] == [
        (world.trained_version(), world.trained_image(), "WorseThanActive")
    ]
    assert world.condition("CandidateAccepted") == ("False", "WorseThanActive")
    told = world.message("CandidateAccepted")
    assert "0.610 against 0.710" in told
    assert world.trained_image() in told
    assert "after 3 more updates" in told
    assert world.condition("Ready")[0] == "True"
    (event,) = (event for event in world.events if event.reason == "CandidateRejected")
    assert (event.type, event.note) == ("Warning", told)
    assert "RolloutFailed" not in world.event_reasons()
    assert (status.training.pending_updates, len(world.jobs_created)) == (0, 2)


def test_a_refused_models_updates_do_not_trigger_again_but_the_next_ones_do() -> None:
    world = served()
    world.outcomes.extend(["Trained", "Refused"])
    for updates in (3, 3, 2):
        world.annotate(updates)
        world.settle()
    assert len(world.jobs_created) == 2
    world.annotate(1)
    world.settle()

    assert len(world.jobs_created) == 3
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == world.trained_version()
    assert world.condition("CandidateAccepted") == ("True", "Passed")


def twice_trained() -> tuple[World, str, str]:
    world = served()
    versions = []
    for _ in range(2):
        world.annotate(3)
        world.settle()
        assert world.typed.model.active is not None
        versions.append(world.typed.model.active.version)
    return world, versions[0], versions[1]


def test_a_pin_goes_back_to_an_earlier_version_and_holds_it() -> None:
    world, first, second = twice_trained()
    world.edit(model={"pinnedVersion": first})
    world.settle()
    assert world.selected() == names.revision(first)
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == first
    assert [item.version for item in world.typed.model.history][:1] == [second]

    world.annotate(5)
    world.settle()
    assert len(world.jobs_created) == 2
    assert world.typed.training.next is not None
    assert world.typed.training.next.startswith("Pinned")
    assert first in world.typed.training.next

    world.edit(model={})
    world.settle()
    assert len(world.jobs_created) == 3
    assert world.selected() == names.revision(world.trained_version())


def test_a_pin_to_the_active_version_holds_it_and_drops_what_is_on_its_way() -> None:
    world, _, second = twice_trained()
    world.annotate(3)
    world.bad_images.add(world.trained_image())
    while world.typed.model.candidate is None:
        world.progress()
        world.reconcile()
    world.edit(model={"pinnedVersion": second})
    world.settle()
    assert (world.typed.model.candidate, world.selected()) == (None, names.revision(second))
    deployments = [name for kind, name in world.objects if kind == "Deployment"]
    assert deployments == [names.deployment_name("intents", second)]


def test_an_unknown_pin_is_told_with_the_versions_there_are_and_nothing_moves() -> None:
    world, first, second = twice_trained()
    world.edit(model={"pinnedVersion": "model-ffffffffffff"})
    world.settle()
    assert world.condition("Ready") == ("False", "PinnedVersionUnknown")
    assert all(
        text in world.message("Ready") for text in ("spec.model.pinnedVersion", "model-ffffffffffff", first, second)
    )
    assert world.selected() == names.revision(second)


def test_a_pinned_version_that_does_not_start_leaves_the_other_one_serving_until_the_next_edit() -> None:
    world, first, second = twice_trained()
    image = next(item.image for item in world.typed.model.history if item.version == first)
    world.bad_images.add(image)
    world.edit(model={"pinnedVersion": first})
    world.settle()
    assert world.selected() == names.revision(second)
    assert world.condition("RolloutSucceeded") == ("False", "ProgressDeadlineExceeded")
    world.bad_images.clear()
    world.edit(model={"pinnedVersion": first, "historyLimit": 5})
    world.settle()
    assert world.selected() == names.revision(first)


def test_the_history_is_as_long_as_asked_for() -> None:
    world = served()
    world.edit(model={"historyLimit": 1})
    for _ in range(3):
        world.annotate(3)
        world.settle()
    assert len(world.typed.model.history) == 1


def test_a_wiped_status_keeps_the_history_so_that_one_can_still_go_back() -> None:
    world, first, _ = twice_trained()
    world.status = {}
    world.edit(model={"pinnedVersion": first})
    world.settle()
    assert world.selected() == names.revision(first)


def test_a_minimum_interval_delays_the_next_training() -> None:
    world = served()
    world.edit(training={"updatesPerTraining": 3, "minInterval": "10m"})
    world.annotate(3)
    world.settle()
    finished = world.now
    world.annotate(3)
    world.reconcile()
    assert len(world.jobs_created) == 1
    assert (world.typed.training.next or "").startswith("WaitingForMinInterval")
    world.settle()
    assert len(world.jobs_created) == 2
    assert world.now - finished >= timedelta(minutes=9)


def test_no_training_starts_while_a_candidate_rolls_out() -> None:
    world = served()
    world.annotate(3)
    world.bad_images.add(world.trained_image())
    for _ in range(6):
        world.reconcile()
        world.progress()
    world.annotate(5)
    world.press_start_training()
    world.reconcile()
    assert len(world.jobs_created) == 1
    world.settle()
    assert len(world.jobs_created) == 2


def test_a_changed_base_image_is_rolled_out_before_any_training() -> None:
    world = served()
    world.edit(image="registry/backend:2")
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == names.cold_version("registry/backend:2")
    assert len([kind for kind, _ in world.objects if kind == "Deployment"]) == 1


def test_a_changed_base_image_that_does_not_start_keeps_the_old_one_until_the_next_edit() -> None:
    world = served()
    world.bad_images.add("registry/backend:2")
    world.edit(image="registry/backend:2")
    world.settle()
    assert world.selected() == names.revision(COLD)
    assert world.condition("RolloutSucceeded") == ("False", "ProgressDeadlineExceeded")
    world.bad_images.clear()
    world.edit(serving={"replicas": 2})
    world.settle()
    assert world.selected() == names.revision(names.cold_version("registry/backend:2"))


def test_the_base_image_of_a_trained_model_changes_with_the_next_training() -> None:
    world = served()
    world.annotate(3)
    world.settle()
    world.edit(image="registry/backend:2")
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == world.trained_version()
    world.annotate(3)
    planned = world.plan()
    (job,) = [action.manifest for action in planned.actions if isinstance(action, Create)]
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/backend:2"


def test_a_job_that_cannot_pull_an_image_nobody_wants_any_more_is_replaced() -> None:
    world = served()
    world.annotate(3)
    world.reconcile()
    (job,) = world.jobs_created
    world.pod_problems = (PodProblem(job, "ErrImagePull", "not found"),)
    world.reconcile()
    assert world.condition("TrainingSucceeded") == ("Unknown", "ImagePullFailed")
    assert ("Job", job) in world.objects
    world.edit(image="registry/backend:2")
    world.reconcile()
    assert ("Job", job) in world.objects, "its outcome is recorded first"
    world.reconcile()
    assert ("Job", job) not in world.objects
    world.pod_problems = ()
    world.settle()
    assert world.condition("TrainingSucceeded") == ("True", "Trained")


def test_removed_labels_are_told_until_a_training_finds_none() -> None:
    world = served()
    world.removed_labels = ["old label"]
    world.annotate(3)
    world.settle()
    assert world.condition("LabelConfigSupported") == ("True", "LabelsRemoved")
    assert "old label" in world.message("LabelConfigSupported")
    world.removed_labels = []
    world.annotate(3)
    world.settle()
    assert world.condition("LabelConfigSupported") == ("True", "Supported")


def test_controls_that_are_left_out_are_told_while_others_are_learned() -> None:
    world = served()
    world.label_config_ignored = tuple(f'<Choices name="{name}">: why.' for name in "abcd")
    world.annotate(3)
    world.settle()
    assert world.jobs_created
    conditions = {item["type"]: item for item in world.status["conditions"]}
    message = conditions["LabelConfigSupported"]["message"]
    assert '<Choices name="a">: why.' in message
    assert message.endswith("And 1 more.")


def test_an_unsupported_labelling_configuration_stops_trainings_only() -> None:
    world = served()
    world.label_config_problem = "no Choices tag; add <Choices name=... toName=...>"
    world.annotate(3)
    world.settle()
    assert not world.jobs_created
    assert world.condition("LabelConfigSupported") == ("False", "LabelConfigUnsupported")
    assert world.condition("Ready") == ("False", "LabelConfigUnsupported")
    assert world.condition("Serving") == ("True", "Available")
    world.label_config_problem = None
    world.settle()
    assert len(world.jobs_created) == 1


@pytest.mark.parametrize(
    "reason",
    [
        Reason.UNAUTHORIZED,
        Reason.TOKEN_EXPIRED,
        Reason.PROJECT_NOT_FOUND,
        Reason.LABEL_STUDIO_UNREACHABLE,
        Reason.NOT_LABEL_STUDIO,
        Reason.ADDRESS_BLOCKED,
    ],
)
def test_when_label_studio_cannot_be_asked_serving_goes_on_and_the_reason_is_told(reason: Reason) -> None:
    world = served()
    world.label_studio_problem = Problem("url", "http://ls", "set it right", reason)
    world.annotate(3)
    world.settle()
    assert world.condition("Ready") == world.condition("Registered") == ("False", reason)
    assert world.condition("Serving") == ("True", "Available")
    assert not world.jobs_created
    assert "set it right" in world.message("Ready")
    world.label_studio_problem = None
    world.settle()
    assert world.condition("Ready") == ("True", "Ready")
    assert len(world.jobs_created) == 1


@pytest.mark.parametrize("reason", [Reason.CONNECTION_SECRET_NOT_FOUND, Reason.CONNECTION_SECRET_KEY_MISSING])
def test_a_missing_connection_secret_is_told(reason: Reason) -> None:
    world = World(connection=ConnectionFacts(problem=Problem("spec.labelStudio", "x", "create it", reason)))
    world.settle()
    assert world.condition("Ready") == ("False", reason)
    assert world.condition("Serving") == ("True", "Available")
    assert not world.backends


def test_a_service_of_somebody_else_is_left_alone_and_the_rest_goes_on() -> None:
    world = World(conflicts=(Conflict("Service", "intents-ml"),))
    world.settle()
    assert world.condition("Ready") == ("False", "Conflict")
    assert "Service intents-ml" in world.message("Ready")
    assert ("Service", "intents-ml") not in world.objects
    assert world.deployment(COLD)
    world.conflicts = ()
    world.settle()
    assert world.condition("Ready") == ("True", "Ready")


def test_a_foreign_service_in_the_cache_is_a_conflict_too() -> None:
    world = World()
    world.objects["Service", "intents-ml"] = {
        "kind": "Service", "metadata": {"name": "intents-ml"}, "spec": {"selector": {"app": "x"}}, "status": {},
    }  # fmt: skip
    world.settle()
    assert world.condition("Ready") == ("False", "Conflict")
    assert world.objects["Service", "intents-ml"]["spec"] == {"selector": {"app": "x"}}


def test_an_invalid_spec_touches_nothing() -> None:
    world = served()
    world.annotate(1)
    world.settle()
    assert (world.typed.training.next or "").startswith("WaitingForUpdates: 1 of 3")
    world.edit(training={"updatesPerTraining": 0})
    planned = world.reconcile()
    assert not planned.actions
    assert world.condition("SpecValid") == ("False", "InvalidSpec")
    assert world.typed.training.next == (
        "InvalidSpec: spec.training.updatesPerTraining cannot be used: no training until it is fixed"
    )
    assert world.condition("Ready") == ("False", "InvalidSpec")
    assert "spec.training.updatesPerTraining (0)" in world.message("SpecValid")
    assert world.selected() == names.revision(COLD)


def test_without_any_image_the_spec_is_not_valid() -> None:
    world = World()
    observed = world.observe()
    planned = plan(replace(observed, operator=replace(OPERATOR, backend_image="")), EPOCH)
    assert not planned.actions
    assert "spec.image" in planned.status.conditions[0].message


def test_without_a_registry_everything_but_training_works() -> None:
    world = World()
    world.annotate(3)
    planned = plan(replace(world.observe(), operator=replace(OPERATOR, registry_prefix="")), EPOCH)
    assert [action.manifest["kind"] for action in planned.actions if isinstance(action, Apply)]
    assert not [action for action in planned.actions if isinstance(action, Create)]
    told = {item.type: item.reason for item in planned.status.conditions}
    assert told["TrainingSucceeded"] == "RegistryNotConfigured"


def test_a_failed_kubernetes_write_is_told_and_nothing_else_goes_on_record() -> None:
    world = served()
    world.annotate(3)
    before = world.typed
    world.last_error = Problem("", "", "may not create jobs: grant it", Reason.MISSING_PERMISSION)
    planned = world.plan()
    assert not planned.actions
    assert planned.status.training == before.training
    assert planned.status.conditions[0].reason == "MissingPermission"


def test_a_webhook_deleted_in_label_studio_comes_back() -> None:
    world = served()
    world.webhooks = []
    assert [type(action) for action in world.plan().actions if isinstance(action, EnsureWebhook)]
    world.settle()
    assert len(world.webhooks) == 1
    assert world.condition("Ready") == ("True", "Ready")


def test_the_title_changes_only_after_the_switch() -> None:
    world = served()
    world.annotate(3)
    while world.selected() == names.revision(COLD):
        planned = world.reconcile()
        assert not [action for action in planned.actions if isinstance(action, EnsureBackend)]
        world.progress()
    world.settle()
    assert [item.title for item in world.backends] == [world.trained_version()]


def test_a_failed_registration_is_told_and_asked_for_again() -> None:
    world = served()
    world.webhooks = []
    problem = Problem("url", "http://intents-ml", "set ML_BLOCK_LOCAL_IP=false", Reason.ADDRESS_BLOCKED)
    observed = world.observe()
    assert observed.label_studio is not None
    planned = plan(
        replace(observed, label_studio=replace(observed.label_studio, registration_problem=problem)), world.now
    )
    assert [action for action in planned.actions if isinstance(action, EnsureWebhook)]
    assert {item.type: item.reason for item in planned.status.conditions}["Registered"] == "AddressBlocked"


def test_a_refusal_right_after_the_first_pod_is_ready_is_warned_of_only_when_it_lasts() -> None:
    world = served()
    world.backends, world.webhooks = [], []
    (since,) = [item.last_transition_time for item in world.typed.conditions if item.type == "Serving"]
    refused = Problem("", "", "Can't connect to ML backend, health check failed", Reason.LABEL_STUDIO_REJECTED)
    observed = world.observe()
    assert observed.label_studio is not None
    facts = replace(observed.label_studio, registration_problem=refused, backends=(), webhooks=())

    early = plan(replace(observed, label_studio=facts), since + timedelta(seconds=2))
    assert {item.type: item.reason for item in early.status.conditions}["Registered"] == "Registering"
    assert [action for action in early.actions if isinstance(action, EnsureWebhook)]
    assert not [event for event in early.events if event.type == "Warning"]
    assert early.requeue_after is not None
    assert early.requeue_after <= 13

    late = plan(replace(observed, label_studio=facts), since + timedelta(seconds=15))
    assert {item.type: item.reason for item in late.status.conditions}["Registered"] == "LabelStudioRejected"
    assert [event.reason for event in late.events if event.type == "Warning"] == ["LabelStudioRejected"]


def test_another_backend_that_comes_first_is_named() -> None:
    world = served()
    other = RegisteredBackend(id=0, url="http://other:9090", title="other", model_version=None, ours=False, state="CO")
    world.backends.insert(0, other)
    world.settle()
    assert world.condition("Registered") == ("False", "NotPrimary")
    assert "http://other:9090" in world.message("Registered")
    assert other in world.backends


def test_without_registration_there_is_neither_finalizer_nor_backend() -> None:
    world = World(spec={"labelStudio": {**MINIMAL["labelStudio"], "register": False}})
    world.settle()
    assert not world.finalizers
    assert not world.backends
    assert world.condition("Registered") == ("False", "RegistrationDisabled")
    assert world.condition("Ready") == ("True", "Ready")


def test_switching_registration_off_removes_what_was_made() -> None:
    world = served()
    world.edit(labelStudio={**MINIMAL["labelStudio"], "register": False})
    world.settle()
    assert (world.backends, world.webhooks, world.finalizers) == ([], [], ())
    assert world.typed.label_studio.backend_id is None


def test_switching_registration_off_waits_for_label_studio() -> None:
    world = served()
    world.label_studio_problem = Problem("url", "http://ls", "does not answer", Reason.LABEL_STUDIO_UNREACHABLE)
    world.edit(labelStudio={**MINIMAL["labelStudio"], "register": False})
    world.settle()
    assert world.finalizers == (names.FINALIZER,)
    assert world.typed.label_studio.backend_id is not None
    world.label_studio_problem = None
    world.settle()
    assert (world.backends, world.webhooks, world.finalizers) == ([], [], ())


def test_deletion_leaves_nothing_in_label_studio() -> None:
    world = served()
    world.delete()
    world.settle()
    assert world.gone
    assert (world.backends, world.webhooks) == ([], [])


def test_deletion_with_label_studio_down_ends_in_time_and_says_what_stays() -> None:
    world = served()
    problem = Problem("url", "http://ls", "does not answer", Reason.LABEL_STUDIO_UNREACHABLE)
    world.delete()
    world.label_studio_problem = problem
    planned = world.plan()
    assert planned.requeue_after == pytest.approx(60)
    assert "does not answer" in planned.status.conditions[0].message
    world.pass_time(60)
    world.settle()
    assert world.gone
    (event,) = [event for event in world.events if event.reason == "DeregistrationIncomplete"]
    assert event.type == "Warning"
    assert "ML backend 1 and webhook 1 of project 7" in event.note


def test_deletion_can_skip_label_studio() -> None:
    world = served()
    world.annotations[names.ANNOTATION_SKIP_DEREGISTRATION] = "true"
    world.delete()
    world.reconcile()
    assert world.gone
    assert world.backends


def test_deletion_of_an_invalid_resource_is_not_held_up() -> None:
    world = served()
    world.edit(training={"updatesPerTraining": 0})
    world.delete()
    world.reconcile()
    assert world.gone


def test_repeated_edits_add_up() -> None:
    world = served()
    world.annotate(1)
    observed = world.observe()
    assert observed.label_studio is not None
    assert observed.label_studio.pending is not None
    pending = replace(observed.label_studio.pending, repeat_edits_seen=1)
    facts = replace(observed.label_studio, pending=pending)
    planned = plan(replace(observed, label_studio=facts), world.now)
    assert (planned.status.training.repeat_edits, planned.status.training.pending_updates) == (1, 2)


def test_a_wiped_status_is_restored_without_a_second_training() -> None:
    world = served()
    world.annotate(4)
    world.settle()
    before = world.typed
    world.status = {}
    world.settle()
    assert world.typed.model.active == before.model.active
    assert world.typed.training.cut == before.training.cut
    assert len(world.jobs_created) == 1


def test_a_wiped_status_without_a_record_keeps_the_served_version_and_trains_once_more() -> None:
    world = served()
    world.annotate(4)
    world.settle()
    world.status = {}
    world.objects["Service", "intents-ml"]["metadata"]["annotations"] = {}
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.version == world.trained_version()
    assert world.selected() == names.revision(world.trained_version())
    assert len([name for name in world.jobs_created if "-train-" in name]) == 2
    assert world.condition("TrainingSucceeded") == ("True", "Unchanged")


def test_a_status_wiped_during_a_job_adopts_the_job() -> None:
    world = served()
    world.annotate(3)
    world.reconcile()
    world.status = {}
    world.settle()
    assert len(world.jobs_created) == 1
    assert world.selected() == names.revision(world.trained_version())


def test_nonsense_in_the_status_does_no_harm() -> None:
    world = served()
    world.status = {"conditions": "x", "training": [1], "model": {"active": {"version": 3}}, "replicas": "many"}
    world.settle()
    assert world.condition("Ready") == ("True", "Ready")


def test_conditions_stand_at_the_newest_generation() -> None:
    world = served()
    world.edit(serving={"replicas": 2})
    world.settle()
    assert {item.observed_generation for item in world.typed.conditions} == {2}
    assert world.typed.observed_generation == 2


def test_children_belong_to_the_resource() -> None:
    world = served()
    for manifest in world.objects.values():
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (UID, True, True)
