"""The loop from resource to registered backend, count, training and switch, over real HTTP against the fakes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from tests.fakes.kubernetes import Seen
from tests.fakes.operator import NAME, NAMESPACE, Operator, World, world
from tests.fakes.story import result
from tests.fakes.virtual_network import virtually
from tests.fakes.waiting import until

from labelloop_operator.label_studio.project_ref import Hint


@pytest_asyncio.fixture
async def loop() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def test_a_resource_becomes_ready_and_stands_in_label_studio(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    (backend,) = loop.label_studio.backends.values()
    (webhook,) = loop.label_studio.webhooks.values()
    assert backend["url"] == "http://intents-ml.team-a.svc.cluster.local:9090"
    assert backend["extra_params"]["labelloop"]["resource"] == "team-a/intents"
    assert webhook["url"] == backend["url"] + "/webhook"
    assert not webhook["send_for_all_actions"]
    assert webhook["headers"]["Authorization"].startswith("Bearer ")
    assert loop.found()["metadata"]["finalizers"] == ["labelloop.dev/cleanup"]
    status = loop.found()["status"]
    assert (status["labelStudio"]["backendID"], status["labelStudio"]["webhookID"]) == (backend["id"], webhook["id"])


async def test_every_n_updates_are_trained_once_and_switched_to(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 10})
    loop.label_studio.annotate(7, 9)
    await loop.run()
    await loop.ready()
    await until(lambda: loop.training.get("pendingUpdates") == 9)
    assert not loop.api.all("jobs")
    last = loop.label_studio.annotate(7)[0]
    await until(lambda: loop.api.all("jobs"), "a Job")
    (job,) = loop.api.all("jobs")
    loop.job_ends(job["metadata"]["name"], result("model-a", 10, last.updated_at.isoformat()))
    await until(lambda: len(loop.api.all("deployments")) == 2, "the candidate's Deployment")
    loop.pods_serve()
    await until(lambda: loop.found()["status"]["model"]["active"]["version"] == "model-a", "the promotion")
    service = loop.api.find("services", NAMESPACE, f"{NAME}-ml")
    deployments = {item["metadata"]["labels"]["labelloop.dev/revision"]: item for item in loop.api.all("deployments")}
    selected = deployments[service["spec"]["selector"]["labelloop.dev/revision"]]
    assert selected["metadata"]["annotations"]["labelloop.dev/model-version"] == "model-a"
    await until(lambda: [b["title"] for b in loop.label_studio.backends.values()] == ["model-a"], "the title")
    await until(lambda: not loop.api.all("jobs"), "the Job's end")
    await until(lambda: loop.training.get("pendingUpdates") == 0)
    assert loop.training["trainedThrough"]["annotations"] == 10


async def test_a_training_has_ended_when_its_pod_has(loop: World) -> None:
    """The Job controller tells it a second later."""
    loop.resource(training={"updatesPerTraining": 10})
    last = loop.label_studio.annotate(7, 10)[-1]
    await loop.run()
    await loop.ready()
    await until(lambda: loop.api.all("jobs"), "a Job")
    loop.job_pod_succeeds(
        loop.api.all("jobs")[0]["metadata"]["name"], result("model-a", 10, last.updated_at.isoformat())
    )
    await until(lambda: len(loop.api.all("deployments")) == 2, "the candidate's Deployment")
    await until(lambda: not loop.api.all("jobs"), "the Job's end")
    assert loop.training["lastOutcome"] == "Trained"


async def test_a_quiet_resource_costs_nothing(loop: World) -> None:
    loop.resource()
    operator = await loop.run()
    await loop.ready()
    for _ in range(20):  # what is still on its way, such as Events, comes to an end
        if await requests_of_a_reconcile(loop, operator) == []:
            break
    assert await requests_of_a_reconcile(loop, operator) == []


async def requests_of_a_reconcile(loop: World, operator: Operator) -> list[Seen]:
    before, requests = operator.reconciles, len(loop.api.requests)
    operator.queue.add((NAMESPACE, NAME))
    await until(lambda: operator.reconciles > before, "a reconcile")
    return loop.api.requests[requests:]


async def test_a_restart_writes_nothing(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    await loop.crash()
    writes = len(loop.api.writes())
    made = dict(loop.label_studio.calls)
    operator = await loop.run()
    await until(lambda: (facts := operator.watch.facts((NAMESPACE, NAME))) is not None and facts.registration_known)
    await until(lambda: loop.condition("Ready") == ("True", "Ready"))
    assert loop.api.writes()[writes:] == []
    assert loop.label_studio.calls["POST", "/api/ml"] == made["POST", "/api/ml"]


async def test_a_deleted_child_is_made_again(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    loop.api.remove("services", NAMESPACE, f"{NAME}-ml")
    await until(lambda: loop.api.find("services", NAMESPACE, f"{NAME}-ml"), "the Service")


async def test_what_others_change_is_set_right(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    service = loop.api.find("services", NAMESPACE, f"{NAME}-ml")
    wanted = service["spec"]["selector"]
    loop.api.patch("services", NAMESPACE, f"{NAME}-ml", lambda live: live["spec"].update(selector={"app": "other"}))
    await until(
        lambda: wanted.items() <= loop.api.find("services", NAMESPACE, f"{NAME}-ml")["spec"]["selector"].items(),
        "the selector",
    )


async def test_a_foreign_service_is_left_alone_and_told(loop: World) -> None:
    foreign = {"metadata": {"name": f"{NAME}-ml"}, "spec": {"selector": {"app": "theirs"}}}
    foreign = loop.api.put("services", foreign, NAMESPACE)
    loop.resource()
    await loop.run()
    await until(lambda: loop.condition("Ready") == ("False", "Conflict"), "the conflict")
    assert loop.api.find("services", NAMESPACE, f"{NAME}-ml")["spec"] == foreign["spec"]


async def test_a_missing_permission_is_told_with_verb_and_resource(loop: World) -> None:
    message = (
        'deployments.apps "x" is forbidden: User "u" cannot patch resource "deployments" in API group "apps" in the '
        'namespace "team-a"'
    )
    refusal = loop.api.refuse("PATCH", "deployments", 403, message)
    loop.resource()
    await loop.run()
    await until(lambda: loop.condition("Ready") == ("False", "MissingPermission"), "the condition")
    assert "patch deployments (apps)" in loop.message("Ready")
    loop.api.refusals.remove(refusal)
    await loop.ready()


async def test_a_missing_secret_is_told_and_found_when_it_comes(loop: World, monkeypatch) -> None:
    monkeypatch.setattr("labelloop_operator.controller.reconciler.SECRET_PAUSE", 0.1)
    loop.api.remove("secrets", NAMESPACE, "label-studio")
    loop.resource()
    await loop.run()
    await until(lambda: loop.condition("Ready") == ("False", "ConnectionSecretNotFound"), "the condition")
    loop.connection()
    await loop.ready()


async def test_a_wrong_token_is_told_and_a_new_one_is_taken(loop: World) -> None:
    loop.connection(token="f" * 40)
    loop.resource()
    await loop.run()
    await until(lambda: loop.condition("Registered") == ("False", "Unauthorized"), "the condition")
    loop.connection()
    await loop.ready()


async def test_a_deleted_webhook_is_restored_within_a_poll(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    loop.label_studio.webhooks.clear()
    await until(lambda: loop.label_studio.webhooks, "the webhook")


async def test_asked_to_reconcile_everything_is_looked_at_anew(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    loop.label_studio.backends.clear()  # which no poll tells, only the rare look at everything
    loop.api.remove("secrets", NAMESPACE, f"{NAME}-ml-relay")  # which is not watched
    seen = []

    def ask(item: dict[str, Any]) -> None:
        item["metadata"].setdefault("annotations", {})["labelloop.dev/reconcile-requested-at"] = "now"

    loop.api.patch("labelstudiobackends", NAMESPACE, NAME, ask)

    def mended() -> bool:
        seen.append(loop.condition("Ready")[0])
        return bool(loop.label_studio.backends and loop.api.find("secrets", NAMESPACE, f"{NAME}-ml-relay"))

    await until(mended, "ML backend and relay Secret")
    assert "Unknown" not in seen, "the status on record stays meanwhile"
    await until(lambda: loop.condition("Ready") == ("True", "Ready"))


async def test_deletion_removes_backend_and_webhook_first(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    loop.api.delete("labelstudiobackends", NAMESPACE, NAME, at="2999-01-01T00:00:00Z")
    await until(lambda: not loop.found(), "the deletion")
    assert (loop.label_studio.backends, loop.label_studio.webhooks) == ({}, {})


async def test_deletion_gives_up_on_a_dead_label_studio_and_says_what_stays(loop: World) -> None:
    loop.resource()
    operator = await loop.run()
    await loop.ready()
    await loop.label_studio.stop()
    loop.api.delete("labelstudiobackends", NAMESPACE, NAME, at="2026-01-01T00:00:00Z")  # the time-out is long over
    await until(lambda: not loop.found(), "the deletion")
    event = next(item for item in loop.api.all("events") if item["reason"] == "DeregistrationIncomplete")
    assert "may stay in Label Studio" in event["note"]
    assert operator.metrics.registry.get_sample_value("labelloop_deregistrations_incomplete_total") == 1


async def test_deletion_works_after_the_secret_is_gone(loop: World) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    loop.api.remove("secrets", NAMESPACE, "label-studio")
    loop.api.delete("labelstudiobackends", NAMESPACE, NAME, at="2999-01-01T00:00:00Z")
    await until(lambda: not loop.found(), "the deletion")
    assert loop.label_studio.backends == {}


async def test_a_lost_pod_s_result_is_found_in_the_registry(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 1})
    last = loop.label_studio.annotate(7)[0]
    await loop.run()
    await loop.ready()
    await until(lambda: loop.api.all("jobs"), "a Job")
    job = loop.api.all("jobs")[0]["metadata"]
    tag = f"{job['name']}-{job['uid']}"
    loop.registry.results[tag] = result("model-b", 1, last.updated_at.isoformat())
    loop.job_ends(job["name"], None)
    await until(
        lambda: loop.found()["status"]["model"].get("candidate", {}).get("version") == "model-b", "the candidate"
    )


async def test_an_earlier_job_s_image_is_not_taken_for_a_lost_pod_s_result(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 1, "backoff": "1h"})
    last = loop.label_studio.annotate(7)[0]
    await loop.run()
    await loop.ready()
    await until(lambda: loop.api.all("jobs"), "a Job")
    job = loop.api.all("jobs")[0]["metadata"]["name"]
    for tag in (job, f"{job}-of-another-life"):
        loop.registry.results[tag] = result("model-b", 1, last.updated_at.isoformat())
    loop.job_ends(job, None)
    await until(lambda: loop.training.get("lastOutcome") == "Failed", "the outcome")
    assert loop.training["lastFailure"]["reason"] == "PodDeleted"
    assert "candidate" not in loop.found()["status"]["model"]
    assert loop.training["pendingUpdates"] == 1


def test_a_refused_pod_is_told_with_the_words_of_the_jobs_event() -> None:
    """In virtual time: a Job's pods are looked at every ten seconds."""

    async def story() -> None:
        async with world() as loop:
            await _refused_pod(loop)

    virtually(story())


async def _refused_pod(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 1, "backoff": "1h"})
    loop.label_studio.annotate(7)
    await loop.run()
    await loop.ready()
    await until(lambda: loop.api.all("jobs"), "a Job")
    job = loop.api.all("jobs")[0]["metadata"]
    for name, about in (("mine", job["uid"]), ("other", "another uid")):
        event = {
            "metadata": {"name": name},
            "regarding": {"kind": "Job", "name": job["name"], "uid": about},
            "reason": "FailedCreate",
            "note": f"Error creating: exceeded quota: {name}",
            "deprecatedLastTimestamp": "2026-11-22T06:00:00Z",
        }
        loop.api.put("events", event, NAMESPACE)
    loop.api.patch(
        "jobs", NAMESPACE, job["name"], lambda live: live.update(status={"startTime": "2026-11-22T06:00:00Z"})
    )
    await until(lambda: loop.condition("TrainingSucceeded") == ("Unknown", "PodCreationFailed"), "the refusal")
    assert "exceeded quota: mine" in loop.message("TrainingSucceeded")
    late = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}], "startTime": "x"}
    loop.api.patch("jobs", NAMESPACE, job["name"], lambda live: live.update(status=late))
    await until(lambda: loop.condition("TrainingSucceeded") == ("False", "PodCreationFailed"), "the outcome")
    assert "exceeded quota: mine" in loop.message("TrainingSucceeded")


async def test_after_a_failed_training_the_secret_is_read_again_and_a_new_one_ends_the_pause(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 1, "backoff": "1h"})
    loop.label_studio.annotate(7)
    await loop.run()
    await loop.ready()
    await until(lambda: loop.api.all("jobs"), "a Job")
    job = loop.api.all("jobs")[0]["metadata"]["name"]
    loop.connection(token="f" * 40)
    told = {"outcome": "Failed", "reason": "LabelStudioUnauthorized", "message": "The token is refused."}
    loop.job_ends(job, told, failed=True)
    await until(lambda: loop.condition("Ready") == ("False", "Unauthorized"), "the new token to be tried")
    assert len(loop.api.all("jobs")) == 0
    loop.connection()
    await until(lambda: loop.api.all("jobs"), "the retry", 30)


async def test_repeat_edits_are_counted_once_and_survive_a_restart(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 100})
    annotation = loop.label_studio.annotate(7)[0]
    operator = await loop.run()
    await loop.ready()
    await until(lambda: loop.training.get("pendingUpdates") == 1)
    edited = loop.label_studio.edit(7, annotation.id)
    for _ in range(3):  # reported three times, counted once
        operator.watch.hint((NAMESPACE, NAME), Hint("ANNOTATION_UPDATED", True, [(edited.id, edited.updated_at)]))
    await until(lambda: loop.training.get("additionalEdits") == 1, "the repeat edit")
    await loop.crash()
    await loop.run()
    await until(lambda: loop.training.get("pendingUpdates") == 2, "the count")
