"""The operator's own connections on the real cluster: watches that fall silent, a token that is replaced."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.story import Project, Story
from tests.support import audit
from tests.support.kube import Kube
from tests.support.lab import Lab, restarts, service_account
from tests.support.network import watches_silenced
from tests.support.waiting import PATIENCE, eventually

WATCHES = 5
"""Of resources, Services, Deployments, Jobs and succeeded pods."""
SILENCE = 76.0
"""Seconds after which a silent watch is given up."""
SLACK = 15.0
TOKEN = "authentication.kubernetes.io/credential-id"
POD = "authentication.kubernetes.io/pod-name"


@pytest.fixture
def _seldom_listed(lab: Lab) -> Iterator[None]:
    """A periodic list would tell what a silent watch does not."""
    lab.upgrade(resyncInterval="10m")
    yield
    lab.upgrade()


def the_operator(lab: Lab) -> dict[str, Any]:
    (pod,) = lab.operator_pods()
    return pod


@pytest.mark.usefixtures("_seldom_listed")
@pytest.mark.chaos_case("6")
def test_watches_that_fall_silent_are_given_up_without_a_restart(story: Story, project: Project) -> None:
    lab = story.lab
    backend = story.running(project, 1000)
    before = the_operator(lab)
    processes = Kube.processes(before["status"]["containerStatuses"])
    with watches_silenced(processes[0], WATCHES):
        began = time.monotonic()
        backend.patch({"spec": {"training": {"updatesPerTraining": 999}}})

        def acted() -> bool:
            found = backend.read() or {}
            return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

        eventually(acted, PATIENCE, backend.told)
        seconds = time.monotonic() - began
        name = backend.deployments[0]["metadata"]["name"]
        lab.kube.apps.delete_namespaced_deployment(name, story.namespace)
        eventually(lambda: backend.deployments, PATIENCE, backend.told)
    assert 5.0 < seconds <= SILENCE + SLACK, "below: the watch was not silent; above: it was not given up in time"
    after = the_operator(lab)
    assert (after["metadata"]["uid"], restarts(after)) == (before["metadata"]["uid"], restarts(before))
    backend.wait_ready()


@pytest.mark.chaos_case("7")
def test_a_new_token_is_taken_without_a_restart(story: Story, project: Project) -> None:
    """A kubelet that starts again has forgotten the tokens of its pods, and brings each a new one."""
    lab = story.lab
    backend = story.running(project, 1000)
    before = the_operator(lab)
    old = tokens(lab, before)
    assert old
    lab.cluster.kill("kubelet")
    lab.cluster.start("kubelet")
    eventually(lambda: tokens(lab, before) - old, PATIENCE, "a request with the new token")
    backend.patch({"spec": {"training": {"updatesPerTraining": 999}}})
    backend.wait_ready()
    after = the_operator(lab)
    assert (after["metadata"]["uid"], restarts(after)) == (before["metadata"]["uid"], restarts(before))


def tokens(lab: Lab, pod: dict[str, Any]) -> frozenset[str]:
    """The tokens that a pod of the operator has used, by the audit log."""
    found = (entry["user"].get("extra", {}) for entry in audit.entries(lab.cluster.logs_dir, service_account()))
    mine = (extra for extra in found if pod["metadata"]["name"] in extra.get(POD, []))
    return frozenset(token for extra in mine for token in extra.get(TOKEN, []))
