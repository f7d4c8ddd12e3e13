"""Predictions of a new version in Label Studio, story by story."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator.planning.world import MINIMAL, World, trained

from labelloop_operator.api import names
from labelloop_operator.planning.observed import OtherTrainings, PodProblem

WRITTEN = ("True", "PredictionsWritten")


def jobs(world: World) -> list[dict[str, Any]]:
    """Prediction Jobs that exist."""
    return [item for (kind, name), item in world.objects.items() if kind == "Job" and "-ml-pred-" in name]


def until_job(world: World) -> dict[str, Any]:
    """Let a second training roll out, until the prediction Job of its version exists."""
    world.annotate(3)
    for _ in range(200):
        world.reconcile()
        if jobs(world):
            return jobs(world)[0]
        world.progress()
        world.pass_time(0.5)
    raise AssertionError("no Job")


def test_each_version_gets_its_predictions_once() -> None:
    world = trained()
    first = world.trained_version()
    assert world.predicted == [first]
    assert world.condition("PredictionsWritten") == WRITTEN
    world.annotate(3)
    world.settle()
    assert world.predicted == [first, world.trained_version()]
    known = world.typed.predictions
    assert known is not None
    assert (known.version, known.written) == (world.trained_version(), 40)
    assert not jobs(world)
    assert world.event_reasons().count("PredictionsWritten") == 2


def test_the_cold_start_model_writes_none() -> None:
    world = World(spec=MINIMAL)
    world.settle()
    assert not world.predicted
    assert "PredictionsWritten" not in [str(item.type) for item in world.typed.conditions]


def test_it_starts_when_the_version_serves_and_is_registered_under_its_name() -> None:
    world = trained()
    manifest = until_job(world)
    version = manifest["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION]
    assert version == world.trained_version()
    assert [item.title for item in world.backends] == [version]
    assert world.answering() == version


@pytest.mark.parametrize("change", [{"predictions": {"scope": "None"}}, {"labelStudio": {"register": False}}])
def test_switched_off_a_job_that_runs_is_deleted_and_nothing_is_reported(change: dict[str, Any]) -> None:
    world = trained()
    until_job(world)
    connection = {**MINIMAL["labelStudio"], **change.get("labelStudio", {})}
    world.edit(**{**change, "labelStudio": connection})
    world.stuck = True
    world.reconcile()
    assert not jobs(world)
    assert world.typed.predictions is None
    assert "PredictionsWritten" not in [str(item.type) for item in world.typed.conditions]


def test_another_limit_writes_again() -> None:
    world = trained()
    world.edit(predictions={"limit": 20})
    world.settle()
    assert world.predicted == [world.trained_version()] * 2


def test_the_same_project_at_another_address_needs_no_other_predictions() -> None:
    world = trained()
    version = world.trained_version()
    world.connection = replace(world.connection, address="https://label-studio.example")
    world.settle()
    assert world.predicted == [version]
    assert world.condition("PredictionsWritten") == WRITTEN


def test_a_failure_is_reported_and_tried_again_and_at_once_after_an_edit() -> None:
    world = trained()
    world.predictions.extend(["Failed", "Failed"])
    world.annotate(3)
    while world.typed.predictions is None or world.typed.predictions.failures == 0:
        world.reconcile()
        world.progress()
        world.pass_time(0.5)
    world.reconcile()
    assert world.condition("PredictionsWritten") == ("False", "LabelStudioUnreachable")
    assert "Failed once; tried again at" in world.message("PredictionsWritten")
    assert world.condition("Ready")[0] == "True"
    before = world.now
    world.edit(serving={"replicas": 2})
    world.reconcile()
    assert jobs(world)
    assert world.now == before
    world.settle()
    assert world.condition("PredictionsWritten") == WRITTEN
    assert "LabelStudioUnreachable" in world.event_reasons()


def test_a_training_comes_first_and_the_job_goes_on_afterwards() -> None:
    world = trained()
    until_job(world)
    world.stuck = True
    world.annotate(3)
    world.reconcile()
    assert not jobs(world)
    assert world.live_jobs()
    assert world.condition("PredictionsWritten") == ("Unknown", "WaitingForRollout")
    world.stuck = False
    world.settle()
    assert world.predicted[-1] == world.trained_version()


def test_a_job_of_another_version_is_deleted() -> None:
    world = trained()
    manifest = until_job(world)
    manifest["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION] = "model-000000000000"
    manifest["spec"]["template"]["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION] = "model-000000000000"
    uid = manifest["metadata"]["uid"]
    world.stuck = True
    world.reconcile()
    assert uid not in [item["metadata"]["uid"] for item in jobs(world)]


def test_a_result_of_another_version_counts_as_a_failure() -> None:
    world = trained()
    manifest = until_job(world)
    manifest["status"] = {"result": {"outcome": "Predicted", "version": "model-000000000000", "message": "wrote 1"}}
    world.reconcile()
    known = world.typed.predictions
    assert known is not None
    assert known.failures == 1


def test_a_pod_that_cannot_run_is_reported_and_an_edit_makes_another_job() -> None:
    world = trained()
    name = until_job(world)["metadata"]["name"]
    world.stuck = True
    world.pod_problems = (PodProblem(name, "Unschedulable", "0/1 nodes are available"),)
    world.reconcile()
    assert world.condition("PredictionsWritten") == ("False", "Unschedulable")
    assert world.condition("Ready")[0] == "True"
    uid = jobs(world)[0]["metadata"]["uid"]
    world.edit(serving={"replicas": 2})
    world.reconcile()
    world.reconcile()
    assert uid not in [item["metadata"]["uid"] for item in jobs(world)]


def test_it_waits_for_the_jobs_of_other_resources_with_the_same_label_studio() -> None:
    world = trained()
    world.operator = replace(world.operator, trainings_per_label_studio=2)
    world.other_trainings = OtherTrainings(predicting=2)
    world.annotate(3)
    for _ in range(60):
        world.reconcile()
        world.progress()
        world.pass_time(1)
    assert not jobs(world)
    assert world.condition("PredictionsWritten") == ("Unknown", "ConcurrencyLimitReached")
    world.other_trainings = OtherTrainings()
    world.settle()
    assert world.condition("PredictionsWritten") == WRITTEN


def test_killed_after_any_write_the_end_is_the_same() -> None:
    world = trained()
    start = world.writes
    world.annotate(3)
    world.settle()
    for write in range(1, world.writes - start + 1):
        other = trained()
        other.annotate(3)
        other.kill_after = other.writes + write
        other.settle()
        assert other.condition("PredictionsWritten") == WRITTEN, f"killed after write {write}"
        assert other.predicted[-1] == other.trained_version()
        assert not jobs(other)
