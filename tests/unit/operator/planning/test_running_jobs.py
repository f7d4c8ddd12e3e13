"""Jobs of trainings and rebases that somebody changes while they run: what is planned then."""

import pytest
from tests.unit.operator.planning.world import UID, World, trained

from labelloop_operator.planning.actions import Apply, Emit


def running(rebase: bool) -> tuple[World, str]:
    """A world with a Job that runs, and its name."""
    world = trained()
    if rebase:
        world.edit(image="registry/backend:2")
    else:
        world.annotate(3)
    while not world.jobs_created[1:]:
        world.reconcile()
    world.reconcile()
    return world, world.jobs_created[-1]


@pytest.mark.parametrize("rebase", [False, True])
def test_a_suspended_job_goes_on(rebase: bool) -> None:
    world, name = running(rebase)
    assert set_right(world, name) == ([], [])
    job = world.objects["Job", name]
    component = job["metadata"]["labels"].pop("app.kubernetes.io/component")
    job["spec"]["suspend"] = True
    (wanted,), (event,) = set_right(world, name)
    assert wanted.manifest["spec"].items() <= {**job["spec"], "suspend": False}.items()
    assert wanted.manifest["metadata"]["uid"] == job["metadata"]["uid"]
    assert wanted.manifest["metadata"]["labels"]["app.kubernetes.io/component"] == component
    assert event.note.startswith(f"Job {name}: metadata.labels, spec.suspend did not agree")


def test_a_deadline_that_is_edited_holds_for_the_job_that_runs_and_is_no_news() -> None:
    world, name = running(rebase=False)
    world.edit(training={"updatesPerTraining": 3, "deadline": "2h"})
    (wanted,), events = set_right(world, name)
    assert wanted.manifest["spec"]["activeDeadlineSeconds"] == 7200
    assert events == []


def test_what_is_not_ours_or_goes_is_left_alone() -> None:
    world, name = running(rebase=False)
    job = world.objects["Job", name]
    job["spec"]["suspend"] = True
    job["metadata"]["deletionTimestamp"] = "2026-11-22T06:00:00Z"
    assert set_right(world, name) == ([], [])
    del job["metadata"]["deletionTimestamp"]
    assert job["metadata"]["ownerReferences"][0].pop("uid") == UID
    assert set_right(world, name) == ([], [])


def set_right(world: World, name: str) -> tuple[list[Apply], list[Emit]]:
    """What is applied to the Job, and reported it."""
    actions = world.plan().actions
    applied = [item for item in actions if isinstance(item, Apply) and item.manifest["metadata"]["name"] == name]
    return applied, [item for item in actions if isinstance(item, Emit)]
