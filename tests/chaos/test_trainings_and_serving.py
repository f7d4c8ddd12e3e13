"""Drift, trainings that go wrong in every way, versions that do not start, registries that are away."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.chaos.plans import PLANS, trained
from tests.fakes.scene import NAME, NAMESPACE, Scene, scene
from tests.fakes.virtual_network import virtually

Deed = Callable[[Scene, dict[str, Any]], None]


def _remove(made: Scene, item: dict[str, Any]) -> None:
    made.api.remove(_plural(made, item), NAMESPACE, item["metadata"]["name"])


def _plural(made: Scene, item: dict[str, Any]) -> str:
    name = item["metadata"]["name"]
    return next(p for p in ("services", "deployments", "secrets") if made.api.find(p, NAMESPACE, name) is not None)


def _change_spec(made: Scene, item: dict[str, Any]) -> None:
    def change(live: dict[str, Any]) -> None:
        if "spec" in live and "template" in live["spec"]:
            live["spec"]["template"]["spec"]["containers"][0]["image"] = "theirs:1"
        elif "spec" in live:
            live["spec"]["selector"] = {"app": "theirs"}
        else:
            live["data"] = {"relay": "theirs"}

    made.api.patch(_plural(made, item), NAMESPACE, item["metadata"]["name"], change)


def _drop_labels(made: Scene, item: dict[str, Any]) -> None:
    made.api.patch(
        _plural(made, item), NAMESPACE, item["metadata"]["name"], lambda live: live["metadata"].update(labels={})
    )


async def drifted(plural: str, deed: Deed) -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        before = made.children()
        (item,) = [item for item in made.api.all(plural) if item["metadata"].get("ownerReferences")]
        place = (plural, NAMESPACE, item["metadata"]["name"])
        made.api.patch(*place, lambda live: live["metadata"].setdefault("annotations", {}).update(theirs="kept"))
        deed(made, item)
        if plural == "secrets":  # not watched: the first look ten minutes after the last one tells
            await made.pass_time(600.0)
            made.label_studio.webhooks.clear()
        await made.settle(70.0)  # what lost its labels is out of sight until the next complete list
        assert made.children().keys() == before.keys()
        for name, child in before.items():
            assert _within(child, made.children()[name]), name
        live = made.api.find(*place)
        assert live is not None
        if deed is not _remove:
            assert live["metadata"]["annotations"]["theirs"] == "kept"


def _within(wanted: Any, live: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(key in live and _within(value, live[key]) for key, value in wanted.items())
    return bool(wanted == live)


@pytest.mark.chaos_case("9")
@pytest.mark.parametrize("deed", [_remove, _change_spec, _drop_labels])
@pytest.mark.parametrize("plural", ["services", "deployments", "secrets"])
def test_what_others_do_to_children_is_set_right(plural: str, deed: Deed) -> None:
    virtually(drifted(plural, deed))


def _change_job(**spec: Any) -> Deed:
    return lambda made, item: _patch_job(made, item, lambda live: live["spec"].update(spec))


def _patch_job(made: Scene, item: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
    made.api.patch("jobs", NAMESPACE, item["metadata"]["name"], change)


JOB_DEEDS: dict[str, tuple[Deed, str]] = {
    "suspended": (_change_job(suspend=True), "spec.suspend"),
    "no pod at all": (_change_job(parallelism=0), "spec.parallelism"),
    "tried again by itself": (_change_job(backoffLimit=6), "spec.backoffLimit"),
    "over at once": (_change_job(activeDeadlineSeconds=1), "spec.activeDeadlineSeconds"),
    "never over": (
        lambda made, item: _patch_job(made, item, lambda live: live["spec"].pop("activeDeadlineSeconds")),
        "spec.activeDeadlineSeconds",
    ),
    "without labels": (
        lambda made, item: _patch_job(made, item, lambda live: live["metadata"].update(labels={"theirs": "kept"})),
        "metadata.labels",
    ),
}


async def running_job(made: Scene) -> dict[str, Any]:
    """The Job of the second training, which does not end before `jobs_run`."""
    await trained(made)
    made.jobs_run = False
    made.annotate()
    await made.until(lambda: made.api.all("jobs"))
    (job,) = made.api.all("jobs")
    return dict(job)


async def job_changed(deed: Deed, field: str) -> None:
    async with scene() as made:
        await made.start_operator()
        before = await running_job(made)
        place = ("jobs", NAMESPACE, before["metadata"]["name"])
        made.api.patch(*place, lambda live: live["metadata"]["annotations"].update(theirs="kept"))
        deed(made, before)
        await made.settle(70.0)  # as above: without labels it is seen to be missing by the next complete list
        live = made.api.find(*place)
        assert live is not None
        assert live["spec"] == before["spec"]
        assert live["metadata"]["labels"].items() >= before["metadata"]["labels"].items()
        assert (
            live["metadata"]["annotations"].items() >= {**before["metadata"]["annotations"], "theirs": "kept"}.items()
        )
        told = [item["note"] for item in made.api.all("events") if item["reason"] == "JobRestored"]
        assert told == [f"Job {place[2]}: {field} did not agree with the resource and is restored"]
        assert made.world.condition("TrainingSucceeded") == ("Unknown", "TrainingRunning")
        made.jobs_run = True
        made.go_on()  # in a scene others only move when something was written
        await made.until(lambda: made.active == made.version_to_come())
        assert len(made.jobs) == 2


@pytest.mark.chaos_case("9")
@pytest.mark.parametrize(("deed", "field"), JOB_DEEDS.values(), ids=list(JOB_DEEDS))
def test_a_job_that_others_change_while_it_runs_is_set_right(deed: Deed, field: str) -> None:
    virtually(job_changed(deed, field))


async def job_deleted() -> None:
    async with scene() as made:
        await made.start_operator()
        job = await running_job(made)
        made.api.remove("jobs", NAMESPACE, job["metadata"]["name"])
        await made.until(lambda: made.world.condition("TrainingSucceeded") == ("False", "JobDeleted"))
        made.jobs_run = True
        await made.until(lambda: made.active == made.version_to_come())


@pytest.mark.chaos_case("9")
def test_a_deleted_job_is_made_again() -> None:
    virtually(job_deleted())


ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "out of memory": ({"failed": True, "reason": "OOMKilled", "exitCode": 137}, "OutOfMemory"),
    "killed without a word": ({"failed": True, "exitCode": 137}, "Unknown"),
    "rubbish as result": ({"failed": True, "message": "no JSON"}, "Unknown"),
    "result of another kind": ({"failed": True, "message": '["outcome"]'}, "Unknown"),
    "no pod left": ({"lost": True}, "PodDeleted"),
    "evicted": ({"evicted": True}, "Evicted"),
    "evicted, and its pod gone": ({"because": "PodFailurePolicy"}, "Evicted"),
    "past its deadline": ({"because": "DeadlineExceeded"}, "DeadlineExceeded"),
    "image not to be pulled": ({"waiting": "ImagePullBackOff"}, "ImagePullFailed"),
}


def end_badly(made: Scene, job: str, how: dict[str, Any]) -> None:
    if how.get("waiting"):
        waiting = {"name": "restore", "state": {"waiting": {"reason": how["waiting"], "message": "not found"}}}
        labels = {"batch.kubernetes.io/job-name": job, "labelloop.dev/backend": NAME}
        pod = {"metadata": {"name": f"{job}-pod", "labels": labels}, "status": {"initContainerStatuses": [waiting]}}
        made.api.put("pods", pod, NAMESPACE)
    elif how.get("because"):
        condition = {"type": "Failed", "status": "True", "reason": how["because"]}
        made.api.patch("jobs", NAMESPACE, job, lambda live: live.update(status={"conditions": [condition]}))
    elif how.get("lost"):
        made.world.job_ends(job, None, failed=True)
    else:
        made.world.job_ends(job, None, **{"failed": True, "exitCode": 137, **how})
        if how.get("evicted"):
            status = {"reason": "Evicted", "message": "The node was low on memory."}
            made.api.patch("pods", NAMESPACE, f"{job}-pod", lambda live: live["status"].update(status))


async def ended_badly(how: dict[str, Any], reason: str) -> None:
    async with scene() as made:
        await made.start_operator()
        job = (await running_job(made))["metadata"]["name"]
        served = made.active
        end_badly(made, job, how)
        await made.until(lambda: made.world.condition("TrainingSucceeded")[1] == reason)
        assert made.active == served
        assert made.world.condition("Serving") == ("True", "Available")
        if reason == "ImagePullFailed":
            return
        training = made.world.training
        assert training["consecutiveFailures"] == 1
        assert training["lastFailure"]["reason"] == reason
        assert training["nextRetryTime"]
        made.jobs_run = True
        await made.until(lambda: made.active == made.version_to_come())
        assert len(made.jobs) == 3
        assert not made.world.training.get("consecutiveFailures")


@pytest.mark.chaos_case("10")
@pytest.mark.parametrize(("how", "reason"), ENDS.values(), ids=list(ENDS))
def test_a_training_that_ends_badly_is_told_and_tried_again(how: dict[str, Any], reason: str) -> None:
    virtually(ended_badly(how, reason))


async def did_not_start(reason: str) -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        served, selected = made.active, list(made.selected)
        plan = PLANS["roll-out that never serves"]
        await plan.act(made)
        bad = made.image_to_come()
        if reason:
            await made.until(lambda: len(made.api.all("deployments")) == 2)
            fail_pods(made, bad, reason)
        await made.settle(plan.quiet)
        assert (made.active, made.selected) == (served, selected)
        assert [item["image"] for item in made.model["rejected"]] == [bad]
        assert made.world.condition("RolloutSucceeded") == ("False", "ProgressDeadlineExceeded")
        assert made.world.condition("Serving") == ("True", "Available")
        assert len(made.api.all("deployments")) == 1
        trainings = len(made.jobs)
        await made.pass_time(1200.0)
        assert (len(made.jobs), made.selected) == (trainings, selected)


def fail_pods(made: Scene, image: str, reason: str) -> None:
    deployments = made.api.all("deployments")
    (failing,) = [i for i in deployments if i["spec"]["template"]["spec"]["containers"][0]["image"] == image]
    waiting = {"name": "backend", "state": {"waiting": {"reason": reason, "message": "told"}}}
    labels = failing["spec"]["template"]["metadata"]["labels"]
    pod = {"metadata": {"name": "failing", "labels": labels}, "status": {"containerStatuses": [waiting]}}
    made.api.put("pods", pod, NAMESPACE)


@pytest.mark.chaos_case("11", "22")
@pytest.mark.parametrize("reason", ["", "CrashLoopBackOff", "ImagePullBackOff"], ids=["never ready", "crashes", "gone"])
def test_a_version_that_does_not_start_is_taken_back_at_the_deadline(reason: str) -> None:
    virtually(did_not_start(reason))


async def refused() -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        served, selected = made.active, list(made.selected)
        made.outcomes.append("Refused")
        made.annotate()
        await made.until(lambda: made.world.condition("CandidateAccepted") == ("False", "WorseThanActive"))
        await made.pass_time(1200.0)
        assert (made.active, made.selected, len(made.jobs)) == (served, selected, 2)
        assert made.world.condition("Ready") == ("True", "Ready")
        made.annotate()
        await made.until(lambda: made.active == made.version_to_come())


@pytest.mark.chaos_case("12")
def test_a_worse_model_stays_out_and_the_next_one_gets_its_chance() -> None:
    virtually(refused())


async def without_registry() -> None:
    async with scene() as made:
        await made.start_operator()
        await trained(made)
        served = made.active
        made.outcomes.extend(["Failed"] * 3)
        made.annotate()
        await made.until(lambda: made.world.training.get("consecutiveFailures") == 3)
        assert made.world.condition("TrainingSucceeded") == ("False", "RegistryUnreachable")
        assert made.active == served
        assert made.world.condition("Serving") == ("True", "Available")
        await made.until(lambda: made.active == made.version_to_come())


@pytest.mark.chaos_case("22")
def test_while_the_registry_is_away_serving_goes_on_and_trainings_wait() -> None:
    virtually(without_registry())
