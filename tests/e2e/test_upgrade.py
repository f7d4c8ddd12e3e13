"""An upgrade from the version before this one, and the way back, while one resource trains and one rolls out.

Chart, CRD and operator of the version before are made from this repository's own history (tools/images/previous.py).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from examples.tickets.generator import LABELS
from tests.e2e.story import Project, Story
from tests.support import audit
from tests.support.backend import Backend
from tests.support.kube import Json, Kube
from tests.support.lab import (
    CHART,
    CURRENT,
    OPERATOR,
    OPERATOR_NAMESPACE,
    ROOT,
    Lab,
    Release,
    restarts,
    service_account,
)
from tests.support.load import LoadReport, load
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually
from tools.images.previous import previous_sources

ROUND = 24
REPLICAS = 2
"""As by default: for a while replicas of both versions stand by, and one of them leads."""
PAUSE = 0.1
"""Seconds between two pairs of requests, /setup and /predict, to each resource."""
NAME_OF_CRD = "labelstudiobackends.labelloop.dev"
HELD = "CreateContainerConfigError"


@dataclass(frozen=True)
class Brake:
    """A ConfigMap that a pod template names: while it is missing, no container that needs it starts.

    Pods that run do not notice, and kubelet tries those that wait again by itself.
    """

    kube: Kube
    namespace: str
    name: str

    def template(self, container: str) -> Json:
        """The `podTemplate` by which a container needs it."""
        variable = {"name": "MAY_START", "valueFrom": {"configMapKeyRef": {"name": self.name, "key": "may-start"}}}
        return {"spec": {"containers": [{"name": container, "env": [variable]}]}}

    def apply(self) -> None:
        self.kube.core.delete_namespaced_config_map(self.name, self.namespace)

    def release(self) -> None:
        metadata = {"name": self.name, "namespace": self.namespace}
        self.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"may-start": "yes"}})


@dataclass
class Side:
    """One of the two resources, its project, and what holds it in the middle of what it does."""

    backend: Backend
    project: Project
    brake: Brake
    version: str
    report: LoadReport = field(default_factory=LoadReport)

    @classmethod
    def trained(cls, story: Story, name: str, section: str, container: str) -> "Side":
        """A resource that has trained once; the brake is on `container` of the section's pods, and not applied."""
        brake = Brake(story.lab.kube, story.namespace, name)
        brake.release()
        project = story.new_project(LABELS)
        more = {section: {"podTemplate": brake.template(container)}}
        # However long a machine takes, the roll-out is not refused, and no model either.
        more |= {"rollout": {"progressDeadline": "1h"}, "evaluation": {"mode": "Audit"}}
        more |= {"predictions": {"scope": "None"}}
        backend = story.trained(project, ROUND, name=name, **more)
        return cls(backend, project, brake, str(backend.version))

    def annotate_until_due(self) -> None:
        """Annotations until as many updates are pending as start a training."""
        self.project.import_annotated(ROUND - self.backend.pending)

    def annotate_one(self) -> None:
        self.project.import_tickets(1)
        self.project.annotate(1)

    def load(self) -> AbstractContextManager[LoadReport]:
        """Requests to the Service for the length of the block."""
        cluster, project = self.backend.kube.cluster, self.project
        return load(cluster, self.backend.address, f"{project.id}.1", project.label_config, PAUSE)

    def jobs(self) -> list[str]:
        """The uids of the Jobs there are."""
        kube, selector = self.backend.kube, f"labelloop.dev/backend={self.backend.name}"
        found = kube.batch.list_namespaced_job(self.backend.namespace, label_selector=selector).items
        return [job.metadata.uid for job in found]

    def running(self) -> dict[str, Any]:
        """All that an upgrade must leave as it is."""
        return {
            "serving pods": sorted(uids(self.backend.serving_pods)),
            "training pods": uids(self.backend.training_pods),
            "Jobs": self.jobs(),
            "version": self.backend.answering,
            "registered": registered(self.project),
        }

    def settled(self) -> bool:
        """One version with one pod, and nothing left of its training."""
        backend = self.backend
        found = (backend.deployments, backend.serving_pods, backend.training_pods, self.jobs())
        return [len(items) for items in found] == [1, 1, 0, 0]


def uids(pods: Iterable[Mapping[str, Any]]) -> list[str]:
    return [pod["metadata"]["uid"] for pod in pods]


def registered(project: Project) -> dict[str, list[int]]:
    """The ids of what is registered for a project in Label Studio."""
    found = {"webhooks": project.user.webhooks(project.id), "ML backends": project.user.backends(project.id)}
    return {kind: [item["id"] for item in items] for kind, items in found.items()}


def waiting(pod: Mapping[str, Any]) -> set[str]:
    """The containers of a pod that the brake holds."""
    return {
        container["name"]
        for container in pod["status"].get("containerStatuses", [])
        if container.get("state", {}).get("waiting", {}).get("reason") == HELD
    }


def run_version(lab: Lab, release: Release, replicas: int = REPLICAS) -> None:
    """`helm upgrade` to a version's chart and image, and the end of all pods of the other one."""
    lab.upgrade(release, replicas=replicas)
    lab.kube.wait_available(OPERATOR_NAMESPACE, OPERATOR)

    def images() -> list[str]:
        return [pod["spec"]["containers"][0]["image"] for pod in lab.operator_pods()]

    wanted = [f"docker.io/labelloop/operator:{release.tag}"] * replicas
    eventually(lambda: images() == wanted, PATIENCE, lambda: f"{wanted}, not {images()}")
    of_chart = yaml.safe_load((release.chart / "files/labelstudiobackends.yaml").read_text())["spec"]["versions"]
    assert crd_versions(lab) == {version["name"]: version["schema"] for version in of_chart}


def crd_versions(lab: Lab) -> Json:
    """The schemas of the CRD in the cluster."""
    found = json.loads(lab.cluster.kubectl("get", "crd", NAME_OF_CRD, "-o", "json"))
    return {version["name"]: version["schema"] for version in found["spec"]["versions"]}


@pytest.fixture
def previous(lab: Lab) -> Iterator[Release]:
    """The version before this one. Whatever becomes of the story, the lab goes back to the present one."""
    with previous_sources() as sources:
        yield Release(sources / CHART.relative_to(ROOT), "previous-operator", "previous")
    run_version(lab, CURRENT, replicas=1)


@pytest.mark.chaos_case("19")
def test_what_is_under_way_goes_on_through_an_upgrade_and_the_way_back(previous: Release, story: Story) -> None:
    run_version(story.lab, previous)
    training = Side.trained(story, "training", "training", "publish")
    rolling = Side.trained(story, "rolling", "serving", "backend")
    for release in (CURRENT, previous):
        _change_version(story, training, rolling, release)
    for side in (training, rolling):
        side.backend.wait_ready()
    # No Job that the watches could have missed: one each for the first model, the upgrade and the way back.
    assert _jobs_created(story) == 2 * 3

    # Whoever goes back and keeps the later CRD: Helm lets go of it, and of no resource with it.
    story.lab.upgrade(previous, replicas=REPLICAS, crds={"install": False, "keep": True})
    assert [side.backend.answering for side in (training, rolling)] == [training.version, rolling.version]
    assert crd_versions(story.lab)


def _change_version(story: Story, training: Side, rolling: Side, release: Release) -> None:
    both, before = (training, rolling), [training.version, rolling.version]
    for side in both:
        eventually(side.settled, PATIENCE, side.backend.told)
    with (
        Timeline(story.lab.kube, story.namespace) as timeline,
        training.load() as training.report,
        rolling.load() as rolling.report,
    ):
        candidate = _bring_under_way(training, rolling)
        running = [side.running() for side in both]
        assert [found["version"] for found in running] == before
        run_version(story.lab, release)
        # Only the new operator is there to count what is annotated now: then it has looked at both resources.
        for side, pending in ((training, ROUND + 1), (rolling, 1)):
            side.annotate_one()
            side.backend.wait_pending(pending)
        assert [side.running() for side in both] == running
        _let_go(training, rolling)
    assert uids(rolling.backend.serving_pods) == [candidate]
    for side, version, found in zip(both, before, running, strict=True):
        _check_seen(timeline, side)
        assert not side.report.failures, (len(side.report.failures), side.report.failures[:5])
        assert side.report.versions == [version, side.version]
        side.backend.wait_pending(1)  # what was annotated meanwhile is for the next training
        assert registered(side.project) == found["registered"]
        assert [len(ids) for ids in found["registered"].values()] == [1, 1]


def _bring_under_way(training: Side, rolling: Side) -> str:
    """One has trained and not published, one has a new version whose pod does not start; gives that pod's uid."""
    for side in (training, rolling):
        side.brake.apply()
        side.annotate_until_due()
    backend = training.backend
    eventually(lambda: [waiting(pod) for pod in backend.training_pods] == [{"publish"}], PATIENCE, backend.told)
    backend.wait_for("TrainingSucceeded", "Unknown", "TrainingRunning")

    backend = rolling.backend
    backend.wait_for("RolloutSucceeded", "Unknown", "RolloutRunning")
    eventually(lambda: not rolling.jobs() and not backend.training_pods, PATIENCE, backend.told)
    (candidate,) = eventually(lambda: [pod for pod in backend.serving_pods if waiting(pod)], PATIENCE, backend.told)
    assert len(backend.serving_pods) == 2
    return str(candidate["metadata"]["uid"])


def _let_go(training: Side, rolling: Side) -> None:
    for side in (training, rolling):
        side.brake.release()
    for side in (training, rolling):
        side.version = side.backend.wait_version_other_than(side.version)
        eventually(side.settled, PATIENCE, side.backend.told)
        assert [restarts(pod) for pod in side.backend.serving_pods] == [0]


def _check_seen(timeline: Timeline, side: Side) -> None:
    """Of pods and Jobs, also of those that are gone: one training, and one pod for each of the two versions."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for kind in ("Job", "Pod"):
        for change in timeline.changes(kind):
            labels = change.object["metadata"]["labels"]
            if labels["labelloop.dev/backend"] == side.backend.name:
                seen[kind, labels["app.kubernetes.io/component"]].add(change.object["metadata"]["uid"])
    counted = {what: len(found) for what, found in seen.items()}
    assert counted == {("Job", "training"): 1, ("Pod", "training"): 1, ("Pod", "serving"): 2}


def _jobs_created(story: Story) -> int:
    """By the API server's audit log."""
    created = [
        entry["objectRef"]
        for entry in audit.entries(story.lab.cluster.audit_log.parent, service_account())
        if entry["verb"] == "create" and entry.get("responseStatus", {}).get("code") == 201
    ]
    return sum((item["resource"], item.get("namespace")) == ("jobs", story.namespace) for item in created)
