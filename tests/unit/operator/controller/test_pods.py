import json
from typing import Any

import pytest

from labelloop_operator.kubernetes.pods import finished, lost, outcome, problems, success
from labelloop_operator.planning.observed import PodProblem

RESULT = {"format": 1, "outcome": "Trained", "reason": "Trained", "message": "", "version": "model-1"}
DRAINED = {
    "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "node is drained"}
    ]
}


def job(type_: str = "Complete", reason: str = "") -> dict[str, Any]:
    condition = {"type": type_, "status": "True", "reason": reason}
    return {"metadata": {"name": "j"}, "spec": {"activeDeadlineSeconds": 60}, "status": {"conditions": [condition]}}


def pod(created: str = "1", status: dict[str, Any] | None = None, **ended: dict[str, Any]) -> dict[str, Any]:
    """Containers by name with their `terminated` state."""
    states = [{"name": name, "state": {"terminated": state}} for name, state in ended.items()]
    return {
        "metadata": {"name": f"p{created}", "creationTimestamp": created},
        "status": {
            "initContainerStatuses": [item for item in states if item["name"] != "publish"],
            "containerStatuses": [item for item in states if item["name"] == "publish"],
            **(status or {}),
        },
    }


def ok(message: object = "") -> dict[str, Any]:
    return {"exitCode": 0, "message": message if isinstance(message, str) else json.dumps(message)}


def failed(message: object = "", reason: str = "Error", code: int = 1) -> dict[str, Any]:
    return {"exitCode": code, "reason": reason, "message": message if isinstance(message, str) else json.dumps(message)}


def test_the_publish_container_tells_the_result() -> None:
    assert outcome(job(), [pod(restore=ok(), train=ok(), publish=ok(RESULT))]) == RESULT


def test_the_first_container_that_failed_tells_why() -> None:
    told = {"format": 1, "outcome": "Failed", "reason": "LabelStudioUnreachable", "message": "m"}
    found = outcome(job("Failed"), [pod(restore=ok(), train=failed(told), publish=failed("", "Error"))])
    assert found == told


def test_the_newest_pod_counts() -> None:
    pods = [pod("2026-01-02", publish=ok(RESULT)), pod("2026-01-01", train=failed("old"))]
    assert outcome(job(), pods) == RESULT


@pytest.mark.parametrize(
    ("ended", "reason", "said"),
    [
        (pod(train=failed("", "OOMKilled", 137)), "OutOfMemory", "limits.memory"),
        (pod(train=failed("", "Error", 139)), "Unknown", "exit code 139"),
        (pod(train=failed("not json")), "Unknown", "container train"),
        (pod(status={"reason": "Evicted", "message": "disk"}), "Evicted", "evicted: disk"),
        (pod(train=failed("", "Error", 137), status={"reason": "Evicted", "message": "memory"}), "Evicted", "memory"),
        (pod(train=failed("", "Error", 143), status=DRAINED), "Evicted", "EvictionByEvictionAPI"),
        (pod(verify=failed("", "OOMKilled", 137)), "OutOfMemory", "container verify"),
    ],
)
def test_killed_containers_are_explained(ended: dict[str, Any], reason: str, said: str) -> None:
    told = outcome(job("Failed"), [ended])
    assert told is not None
    assert (told["outcome"], told["reason"]) == ("Failed", reason)
    assert said in told["message"]


def test_a_deadline_is_told_although_its_pod_is_gone() -> None:
    for pods in ([], [pod(train=failed("", "Error", 143))]):
        told = outcome(job("Failed", "DeadlineExceeded"), pods)
        assert told is not None
        assert told["reason"] == "DeadlineExceeded"
        assert "spec.training.deadline" in told["message"]


def test_a_lost_pod_tells_nothing() -> None:
    assert outcome(job(), []) is None
    assert outcome(job(), [pod(publish=ok("rubbish"))]) is None
    assert lost(job())["reason"] == "PodDeleted"
    assert lost(job(), [pod(publish=ok("rubbish"))])["reason"] == "Unknown"


def test_of_an_evicted_pod_that_is_gone_the_job_tells() -> None:
    evicted = job("Failed", "PodFailurePolicy")
    assert outcome(evicted, []) is None, "its image may be in the registry already"
    assert lost(evicted)["reason"] == "Evicted"
    assert "was evicted" in lost(evicted)["message"]


def test_a_succeeded_pod_tells_the_result_before_its_job_does() -> None:
    running = {"metadata": {"name": "j", "uid": "1"}, "status": {"active": 1}}
    pods = {uid: pod(publish=ok({**RESULT, "version": uid})) for uid in ("1", "2")}
    for uid, made in pods.items():
        made["metadata"]["ownerReferences"] = [{"uid": uid, "controller": True}]
    assert success(running, pods.values()) == {**RESULT, "version": "1"}
    assert success(running, [pods["2"]]) is None


def test_only_complete_and_failed_jobs_are_finished() -> None:
    assert finished(job())
    assert finished(job("Failed"))
    assert not finished({"metadata": {"name": "j"}, "status": {}})
    assert not finished(job("Suspended"))


def waiting(reason: str, **labels: str) -> dict[str, Any]:
    state = {"name": "c", "state": {"waiting": {"reason": reason, "message": "m"}}}
    return {"metadata": {"name": "p", "labels": labels}, "status": {"containerStatuses": [state]}}


def test_waiting_pods_are_problems_of_their_deployment_or_job() -> None:
    serving = {"labelloop.dev/backend": "intents", "labelloop.dev/revision": "abc"}
    found = problems(
        [
            waiting("ImagePullBackOff", **serving),
            waiting("ErrImagePull", **{"batch.kubernetes.io/job-name": "intents-ml-train-1"}),
            waiting("ContainerCreating", **serving),
            waiting("CrashLoopBackOff"),
        ]
    )
    assert found == (
        PodProblem("intents-ml-abc", "ImagePullBackOff", "m"),
        PodProblem("intents-ml-train-1", "ErrImagePull", "m"),
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "Error"),
        ({"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, "OOMKilled"),
        ({"ready": True}, None),
        ({"restartCount": 0}, None),
        ({"lastState": {"terminated": {"exitCode": 0, "reason": "Completed"}}}, None),
        ({"lastState": {}}, None),
    ],
)
def test_a_container_between_two_crashes_is_a_problem(changes: dict[str, Any], reason: str | None) -> None:
    item = waiting("", **{"labelloop.dev/backend": "intents", "labelloop.dev/revision": "abc"})
    crashed = {"exitCode": 1, "reason": "Error"}
    container = {
        "name": "c",
        "state": {"running": {}},
        "restartCount": 2,
        "lastState": {"terminated": crashed},
        **changes,
    }
    item["status"]["containerStatuses"] = [container]
    assert [problem.reason for problem in problems([item])] == ([reason] if reason else [])


def test_a_pod_that_no_node_takes_is_a_problem_and_one_that_goes_is_none() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    labels = {"labelloop.dev/backend": "intents", "labelloop.dev/revision": "abc"}
    item = {"metadata": {"name": "p", "labels": labels}, "status": {"conditions": [condition]}}
    assert [problem.reason for problem in problems([item])] == ["Unschedulable"]
    going = waiting("CrashLoopBackOff", **labels)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert problems([going]) == ()
