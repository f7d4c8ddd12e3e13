"""A round follows what the operator records, for the Job is gone before it shows its end."""

import pytest
from tests.unit.operator.planning.world import World
from tools.demo.rounds import recorded_outcome, started_job


def served() -> World:
    world = World()
    world.settle()
    return world


def test_a_training_ends_with_its_outcome_on_record_though_its_job_is_gone() -> None:
    world = served()
    before = world.status
    world.annotate(3)
    world.reconcile()
    job = started_job(world.status, before)
    assert [job] == world.live_jobs()
    assert recorded_outcome(world.status, str(job)) is None
    world.settle()
    assert world.live_jobs() == []
    assert recorded_outcome(world.status, str(job)) == "Trained"


def test_a_failed_training_ends_too() -> None:
    world = served()
    world.outcomes.append("Failed")
    world.annotate(3)
    world.reconcile()
    (job,) = world.live_jobs()
    world.progress()
    world.reconcile()
    assert recorded_outcome(world.status, job) == "Failed"


def test_the_job_of_the_round_before_is_not_this_rounds() -> None:
    world = served()
    world.annotate(3)
    world.settle()
    before = world.status
    assert started_job(before, before) is None
    world.annotate(3)
    world.reconcile()
    job = started_job(world.status, before)
    assert job == world.live_jobs()[0]
    assert recorded_outcome(world.status, str(job)) is None


@pytest.mark.parametrize("status", [{}, {"training": None}, {"training": {"job": "another", "lastOutcome": "Trained"}}])
def test_a_status_that_does_not_know_the_job_has_no_outcome(status: dict[str, object]) -> None:
    assert recorded_outcome(status, "job") is None
