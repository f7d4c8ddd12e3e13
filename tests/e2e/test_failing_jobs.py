"""Trainings that the cluster ends: out of memory, past their deadline, evicted."""

from typing import Any

import pytest
from kubernetes import client
from tests.e2e.story import Project, Story
from tests.support.backend import Backend
from tests.support.load import load
from tests.support.waiting import PATIENCE, eventually

EVERY = 24


@pytest.mark.chaos_case("10")
def test_a_training_past_its_deadline_and_one_out_of_memory_say_so_and_are_tried_again(
    story: Story, project: Project
) -> None:
    backend = story.running(project, EVERY)
    cold = backend.version
    backend.apply(story.spec(project, EVERY, training={"deadline": "1s", "backoff": "5m"}))  # an edit ends it
    project.import_annotated(EVERY)
    late = backend.wait_for("TrainingSucceeded", "False", "DeadlineExceeded")
    assert "spec.training.deadline" in late["message"]
    assert backend.answering == cold

    little = {"requests": {"memory": "48Mi"}, "limits": {"memory": "48Mi"}}
    backend.apply(story.spec(project, EVERY, training={"resources": little, "backoff": "2s"}))
    full = backend.wait_for("TrainingSucceeded", "False", "OutOfMemory")
    assert "spec.training.resources.limits.memory" in full["message"]
    backend.wait_pending(EVERY)

    backend.apply(story.spec(project, EVERY))
    backend.wait_version_other_than(cold)
    backend.wait_pending(0)


@pytest.mark.chaos_case("10")
def test_a_training_whose_pod_is_refused_says_so_and_an_edit_of_its_resources_replaces_the_job(
    story: Story, project: Project
) -> None:
    backend = story.running(project, EVERY)
    cold, core = backend.version, story.lab.kube.core
    limits = client.V1LimitRangeSpec(limits=[client.V1LimitRangeItem(type="Container", max={"memory": "1Gi"})])
    body = client.V1LimitRange(metadata=client.V1ObjectMeta(name="small"), spec=limits)
    core.create_namespaced_limit_range(story.namespace, body)
    try:
        project.import_annotated(EVERY)
        refused = backend.wait_for("TrainingSucceeded", "Unknown", "PodCreationFailed")
        assert "maximum memory usage per Container is 1Gi" in refused["message"]
        assert backend.status["training"]["next"].startswith("PodCreationFailed: ")
        assert [item["type"] for item in backend.events() if item["reason"] == "PodCreationFailed"] == ["Warning"]

        fitting = {"requests": {"memory": "256Mi"}, "limits": {"memory": "1Gi"}}
        backend.apply(story.spec(project, EVERY, training={"resources": fitting}))
        backend.wait_version_other_than(cold)
        backend.wait_pending(0)
    finally:
        core.delete_namespaced_limit_range("small", story.namespace)
    assert not failures_told(backend)


@pytest.mark.chaos_case("10")
def test_an_evicted_training_says_so_and_is_tried_again(story: Story, project: Project) -> None:
    tiny = {"limits": {"ephemeral-storage": "4Ki"}}
    # Long enough for the edit below, which ends it.
    backend = story.running(project, EVERY, training={"resources": tiny, "backoff": "10m"})
    cold, cluster = str(backend.version), story.lab.cluster
    with load(cluster, backend.address, f"{project.id}.1", project.label_config, interval=0.1) as report:
        cluster.stop("registry")  # a training waits for it in the middle of its push
        try:
            project.import_annotated(EVERY)
            by_kubelet = backend.wait_for("TrainingSucceeded", "False", "Evicted")
            assert "the pod was evicted: Pod ephemeral local storage usage" in by_kubelet["message"]
            assert_backs_off(backend, failures=1)

            backend.apply(story.spec(project, EVERY, training={"backoff": "1s"}))
            pod = eventually(backend.publishing_pod, PATIENCE, backend.told)
            evict(story, pod)  # as `kubectl drain` does; the pod is gone before its Job has failed
            eventually(lambda: pod["metadata"]["uid"] not in uids(backend.training_pods), PATIENCE, backend.told)
        finally:
            cluster.cont("registry")
        told = "was evicted: its node was drained or lost"
        # The Event stays; the condition continues when it is tried again, two seconds later.
        eventually(lambda: any(told in message for message in failures_told(backend)), PATIENCE, backend.told)
        assert_backs_off(backend, failures=2)
        trained = backend.wait_version_other_than(cold)
    assert not report.failures, report.failures[:5]
    assert report.versions in ([cold], [cold, trained])
    backend.wait_pending(0)
    assert len(failures_told(backend)) == 2
    assert all(": Evicted: the " in message for message in failures_told(backend)), failures_told(backend)


def failures_told(backend: Backend) -> list[str]:
    """What Events tell of failed trainings."""
    return [item["message"] for item in backend.events() if item["reason"] == "TrainingFailed"]


def uids(pods: list[dict[str, Any]]) -> list[str]:
    return [pod["metadata"]["uid"] for pod in pods]


def evict(story: Story, pod: dict[str, Any]) -> None:
    """By the Eviction API."""
    name = pod["metadata"]["name"]
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name=name))
    story.lab.kube.core.create_namespaced_pod_eviction(name, story.namespace, eviction)


def assert_backs_off(backend: Backend, failures: int) -> None:
    training = backend.status["training"]
    assert training["lastFailure"]["reason"] == "Evicted"
    assert training["consecutiveFailures"] == failures
    assert training["nextRetryTime"] > training["lastCompletionTime"]
    assert training["trainedThrough"]["annotations"] == 0, "its updates are not used up"
