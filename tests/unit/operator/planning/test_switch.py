"""From the switch of the Service to the promotion: what answers decides, whoever pointed the Service where."""

from collections.abc import Callable

import pytest
from tests.unit.operator.planning.world import Killed, World, trained

from labelloop_operator.api import names
from labelloop_operator.planning.observed import PodProblem
from labelloop_operator.policies.rollout_checks import ANSWER_SECONDS, DRAIN_SECONDS


def rolling_out(**changes: object) -> tuple[World, str, str]:
    """A world whose second version was just started; gives the versions that serves and that is to come."""
    world = trained()
    for name, value in changes.items():
        setattr(world, name, value)
    serving = world.trained_version()
    world.annotate(3)
    while not (world.typed.model.candidate and world.typed.model.candidate.at):
        world.reconcile()
        if world.typed.model.candidate is None:
            world.progress()
    return world, serving, world.trained_version()


def active(world: World) -> str:
    assert world.typed.model.active is not None
    return world.typed.model.active.version


def point_service_at(world: World, version: str) -> None:
    """Another client edits the selector."""
    service = world.objects["Service", "intents-ml"]
    selector = names.serving_selector("intents", version)
    world.objects["Service", "intents-ml"] = {**service, "spec": {**service["spec"], "selector": selector}}


def wait_until(world: World, condition: Callable[[], bool], step: float = 0.5) -> float:
    """Seconds until it holds, with a reconcile at each step."""
    began = world.now
    while not condition():
        world.reconcile()
        world.progress()
        world.pass_time(step)
        assert (world.now - began).total_seconds() < 1000, world.status
    return (world.now - began).total_seconds()


def test_the_old_version_stays_until_the_new_one_answers_through_the_service() -> None:
    world, old, new = rolling_out(proxy_lag=60.0)
    wait_until(world, lambda: world.selected() == names.revision(new))
    wait_until(world, lambda: f"{old} answers" in world.message("RolloutSucceeded"))
    assert world.condition("RolloutSucceeded") == ("Unknown", "Switching")
    seconds = wait_until(world, lambda: active(world) == new)
    assert 55 <= seconds <= 62
    assert world.deployment(old)
    assert world.condition("Ready") == ("True", "Ready")
    world.settle()
    assert list(world.by_revision()) == [names.revision(new)]


def test_a_service_that_somebody_points_at_an_unready_candidate_comes_back_and_nothing_is_promoted() -> None:
    world, old, new = rolling_out()
    world.bad_images.add(world.trained_image())
    owner = names.deployment_name("intents", new)
    world.pod_problems = (PodProblem(owner, "CreateContainerConfigError", "configmap missing"),)
    world.progress()
    for _ in range(2):
        point_service_at(world, new)
        world.progress()
        world.reconcile()
        assert world.selected() == names.revision(old)
        assert active(world) == old
        assert world.deployment(old)
    assert world.event_reasons().count("ServiceRestored") == 2
    assert next(event.note for event in world.events if event.reason == "ServiceRestored").count("model-") == 2
    world.settle()
    assert active(world) == old
    assert world.answering() == old
    assert [item.version for item in world.typed.model.refused] == [new]
    assert "configmap missing" in world.message("RolloutSucceeded")


def test_a_service_that_somebody_points_at_a_ready_candidate_counts_once_it_answers() -> None:
    world, _, new = rolling_out()
    world.progress()
    point_service_at(world, new)
    world.settle()
    assert active(world) == new
    assert "ServiceRestored" not in world.event_reasons()


def test_a_candidate_that_stops_being_ready_after_the_switch_is_switched_back_and_refused() -> None:
    world, old, new = rolling_out(proxy_lag=60.0)
    wait_until(world, lambda: world.selected() == names.revision(new))
    world.bad_images.add(world.trained_image())
    world.deployment(new)["status"]["availableReplicas"] = 0
    world.reconcile()
    assert world.selected() == names.revision(old)
    world.settle()
    assert active(world) == world.answering() == old
    assert [item.version for item in world.typed.model.refused] == [new]


def test_a_candidate_behind_which_nothing_answers_is_switched_back_after_seconds() -> None:
    world, old, new = rolling_out()
    world.mute.add(new)
    wait_until(world, lambda: world.selected() == names.revision(new))
    seconds = wait_until(world, lambda: world.selected() == names.revision(old))
    assert seconds <= ANSWER_SECONDS + 2
    world.settle()
    assert active(world) == world.answering() == old
    assert world.typed.model.refused[0].reason == "ServiceUnreachable"
    assert "connection refused" in world.message("RolloutSucceeded")
    assert world.condition("Ready") == ("True", "Ready")
    assert world.event_reasons().count("RolloutFailed") == 1


def test_a_proxy_that_never_follows_keeps_the_old_version() -> None:
    world, old, new = rolling_out(proxy_lag=1e9)
    wait_until(world, lambda: world.selected() == names.revision(new))
    seconds = wait_until(world, lambda: world.selected() == names.revision(old), step=5.0)
    assert 295 <= seconds <= 310
    assert active(world) == world.answering() == old
    assert f"{old} answers" in world.message("RolloutSucceeded")


def test_a_rebased_image_is_promoted_when_it_answers() -> None:
    world = trained()
    version = world.trained_version()
    world.mute.add(version)
    world.edit(image="registry/backend:2")
    world.settle()
    assert world.typed.model.active is not None
    assert world.typed.model.active.image == world.rebased_image(version, "registry/backend:1")
    assert [item.reason for item in world.typed.model.refused] == ["ServiceUnreachable"]


def test_suspended_after_the_switch_the_service_goes_back_unless_the_candidate_answers_already() -> None:
    world, old, new = rolling_out(proxy_lag=60.0)
    wait_until(world, lambda: world.selected() == names.revision(new))
    world.edit(suspend=True)
    world.settle()
    assert active(world) == world.answering() == old
    world, old, new = rolling_out()
    wait_until(world, lambda: world.selected() == names.revision(new))
    world.reconcile()
    world.progress()
    world.edit(suspend=True)
    world.settle()
    assert active(world) == world.answering() == new


@pytest.mark.parametrize("lag", [0.0, 20.0])
def test_killed_after_any_write_of_a_roll_out_the_end_is_the_same(lag: float) -> None:
    undisturbed, _, new = rolling_out(proxy_lag=lag)
    begun = undisturbed.writes
    undisturbed.settle()
    assert active(undisturbed) == new
    for write in range(begun + 1, undisturbed.writes + 1):
        world, old, new = rolling_out(proxy_lag=lag)
        world.kill_after = write
        while True:
            try:
                world.reconcile()
            except Killed:
                break
            world.progress()
            world.pass_time(0.5)
            assert world.answering() in (old, new)
        world.settle()
        assert (active(world), world.answering()) == (new, new)
        assert world.typed.model.history[0].version == old
        assert not world.typed.model.refused


def test_a_status_wiped_between_switch_and_promotion_comes_back() -> None:
    world, old, new = rolling_out(proxy_lag=20.0)
    wait_until(world, lambda: world.selected() == names.revision(new))
    world.status = {}
    world.reconcile()
    assert active(world) == old
    assert world.selected() == names.revision(new)
    world.settle()
    assert active(world) == world.answering() == new
    assert len(world.jobs_created) == 2


def test_without_probes_ready_pods_count_as_answering() -> None:
    world, _, new = rolling_out()
    world.probe = type(world.probe)(enabled=False)
    world.asked = None
    world.mute.add(new)
    world.settle()
    assert active(world) == new
    assert world.asked is None


def test_a_service_that_does_not_answer_holds_the_roll_out_and_says_so() -> None:
    world = trained()
    old = world.trained_version()
    world.mute.add(old)
    wait_until(world, lambda: world.condition("Ready")[1] == "ServiceUnreachable")
    assert world.condition("Serving") == ("False", "ServiceUnreachable")
    assert world.condition("Registered")[0] == "True"
    world.annotate(3)
    wait_until(world, lambda: world.condition("RolloutSucceeded")[1] == "ServiceUnreachable")
    world.pass_time(1000)
    world.reconcile()
    assert world.selected() == names.revision(old)
    assert world.typed.model.candidate is not None
    world.mute.clear()
    world.settle()
    assert active(world) == world.answering() == world.trained_version()
    assert world.condition("Ready") == ("True", "Ready")


def test_old_pods_are_kept_while_the_active_version_does_not_answer() -> None:
    world, old, new = rolling_out()
    wait_until(world, lambda: active(world) == new)
    world.mute.add(new)
    point_service_at(world, new)  # the route changes, so that nothing is known
    world.probe = type(world.probe)(enabled=True)
    world.pass_time(DRAIN_SECONDS)
    for _ in range(20):
        world.reconcile()
        world.progress()
        world.pass_time(1.0)
    assert world.deployment(old)
    world.mute.clear()
    world.settle()
    assert list(world.by_revision()) == [names.revision(new)]


def test_a_first_version_is_promoted_when_it_answers_and_not_before() -> None:
    world = World(proxy_lag=3.0)
    world.reconcile()
    assert world.condition("RolloutSucceeded") == ("Unknown", "RolloutRunning")
    assert "Promoted" not in world.event_reasons()
    world.progress()
    world.reconcile()
    assert world.condition("Serving") == ("False", "Starting")
    assert "waiting for an answer of http://intents-ml.team-a.svc.cluster.local:9090" in world.message("Serving")
    assert "Promoted" not in world.event_reasons()
    world.settle()
    assert world.condition("RolloutSucceeded") == ("True", "Promoted")
    assert world.event_reasons().count("Promoted") == 1
    assert "ServiceUnreachable" not in world.event_reasons()
