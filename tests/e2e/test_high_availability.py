"""Two replicas on the real cluster: the leader killed, frozen and asked to end, while Start Training is pressed."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from kubernetes import client
from tests.e2e.story import Project, Story
from tests.support.backend import Backend
from tests.support.kube import Kube
from tests.support.lab import OPERATOR, OPERATOR_NAMESPACE, Lab, restarts
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

LABELLED = 24
START_TRAINING = {"action": "START_TRAINING", "project": {"id": 1}}
REQUESTED_AT = "labelloop.dev/train-requested-at"
PRESS = "fieldManager=labelloop-request"
"""A press that a replica wrote to the resource: whether it leads does not matter."""
POD_NAME = "authentication.kubernetes.io/pod-name"


@pytest.fixture
def _two_replicas(lab: Lab) -> Iterator[None]:
    lab.upgrade(replicas=2)
    yield
    lab.upgrade()
    lab.stop_operator()  # fresh pods: the next stories judge restarts that nobody forced
    lab.start_operator()


@dataclass
class Button:
    """Presses Start Training until the block is left; keeps when each accepted press began."""

    backend: Backend
    accepted: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Button":
        self._thread = threading.Thread(target=self._press, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _press(self) -> None:
        while not self._stop.wait(1.5):
            began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            with suppress(requests.RequestException):
                if self.backend.call("POST", "/webhook", json=START_TRAINING).ok:
                    self.accepted.append(began)


def leader(lab: Lab) -> dict[str, Any]:
    """The pod that holds the Lease."""

    def found() -> dict[str, Any] | None:
        holder = client.CoordinationV1Api(lab.kube.core.api_client).read_namespaced_lease(OPERATOR, OPERATOR_NAMESPACE)
        pods = {pod["metadata"]["name"]: pod for pod in lab.operator_pods()}
        return pods.get(str(holder.spec.holder_identity))

    return eventually(found, PATIENCE, "a leader")


def seconds_until_acted(backend: Backend, updates: int) -> float:
    """How long it takes until a change of the resource is acted on."""
    began = time.monotonic()
    backend.patch({"spec": {"training": {"updatesPerTraining": updates}}})

    def acted() -> bool:
        found = backend.read() or {}
        return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

    eventually(acted, PATIENCE, backend.told, interval=0.05)
    return time.monotonic() - began


def writes_of(lab: Lab, pod: str, since: datetime) -> list[str]:
    """What a pod wrote to the API server since then, by its audit log."""
    found = []
    for line in lab.cluster.audit_log.read_text().splitlines():
        entry = json.loads(line)
        if entry["verb"] in ("get", "list", "watch") or pod not in entry["user"].get("extra", {}).get(POD_NAME, []):
            continue
        if datetime.fromisoformat(entry["requestReceivedTimestamp"]) > since:
            found.append(f"{entry['verb']} {entry['requestURI']}")
    return found


def two_ready(lab: Lab) -> None:
    lab.kube.wait_available(OPERATOR_NAMESPACE, OPERATOR)
    eventually(lambda: len(lab.operator_pods()) == 2, PATIENCE, "two replicas, and no pod that is ending")


@pytest.mark.usefixtures("_two_replicas")
@pytest.mark.chaos_case("20")
def test_another_replica_takes_over_and_each_accepted_press_comes_to_one_training(
    story: Story, project: Project, times: dict[str, object]
) -> None:
    lab = story.lab
    project.import_annotated(LABELLED)
    backend = story.running(project, 1000)
    measured: dict[str, float] = {}
    with Timeline(lab.kube, story.namespace) as timeline:
        with Button(backend) as button:
            eventually(lambda: button.accepted, PATIENCE, "an accepted press")
            measured["SIGKILL"] = _killed(lab, backend)
            measured["SIGSTOP"] = _frozen(lab, backend)
            measured["SIGTERM"] = _told_to_end(lab, backend)
            accepted = len(button.accepted)
            eventually(lambda: len(button.accepted) > accepted, PATIENCE, "an accepted press afterwards")
        eventually(lambda: _settled(backend), PATIENCE, backend.told)
        _check(button, timeline)
    backend.wait_ready()
    times["fail-over, seconds"] = {how: round(seconds, 1) for how, seconds in measured.items()}
    print(f"until a change is acted on: {times['fail-over, seconds']}; {len(button.accepted)} presses accepted")


def _killed(lab: Lab, backend: Backend) -> float:
    """The node is lost: nobody starts the container again in the same pod."""
    old = leader(lab)
    lab.kube.kill_processes(old)
    lab.kube.core.delete_namespaced_pod(old["metadata"]["name"], OPERATOR_NAMESPACE, grace_period_seconds=0)
    took = seconds_until_acted(backend, 1001)
    assert leader(lab)["metadata"]["name"] != old["metadata"]["name"]
    two_ready(lab)
    return took


def _frozen(lab: Lab, backend: Backend) -> float:
    old = leader(lab)
    name = old["metadata"]["name"]
    processes = Kube.processes(old["status"]["containerStatuses"])
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    took = seconds_until_acted(backend, 1002)
    assert leader(lab)["metadata"]["name"] != name
    thawed = datetime.now(UTC)
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def ended() -> bool:
        return any(pod["metadata"]["name"] == name and restarts(pod) for pod in lab.operator_pods())

    eventually(ended, PATIENCE, "the end of the frozen one")
    two_ready(lab)
    assert leader(lab)["metadata"]["name"] != name
    assert [write for write in writes_of(lab, name, thawed) if PRESS not in write] == []
    return took


def _told_to_end(lab: Lab, backend: Backend) -> float:
    old = leader(lab)
    lab.kube.core.delete_namespaced_pod(old["metadata"]["name"], OPERATOR_NAMESPACE)
    took = seconds_until_acted(backend, 1003)
    assert leader(lab)["metadata"]["name"] != old["metadata"]["name"]
    two_ready(lab)
    return took


def _settled(backend: Backend) -> bool:
    found = backend.read() or {}
    training = found["status"]["training"]
    asked = found["metadata"]["annotations"][REQUESTED_AT]
    return bool(training["lastHandledTrainRequest"] == asked and training.get("lastOutcome"))


def _check(button: Button, timeline: Timeline) -> None:
    """Each accepted press was followed by a training; no request had two; nobody trained unasked."""
    trainings = [seen for seen in timeline.changes("Job") if "-ml-train-" in seen.name]
    started = {seen.name: seen.object["metadata"]["annotations"] for seen in trainings}
    requests_of_jobs = [annotations.get("labelloop.dev/request-id", "") for annotations in started.values()]
    assert all(requests_of_jobs), started
    assert len(set(requests_of_jobs)) == len(requests_of_jobs), requests_of_jobs
    assert all(any(request >= pressed for request in requests_of_jobs) for pressed in button.accepted)
