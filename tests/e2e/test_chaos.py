"""Cases of the chaos suite (tests/chaos/cases.py) that no other story shows on the real cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from kubernetes import client
from tests.e2e.story import Project, Story
from tests.support.backend import GROUP, PLURAL, VERSION, Backend
from tests.support.lab import OPERATOR, OPERATOR_NAMESPACE
from tests.support.load import load
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

EVERY = 24
BACKEND_LABEL = "labelloop.dev/backend"
TWIN = "twin"


@pytest.mark.chaos_case("9", "18")
def test_a_wiped_status_and_children_changed_by_others_are_set_right(story: Story, project: Project) -> None:
    backend = story.trained(project, EVERY)
    version, kube, namespace = backend.version, story.lab.kube, story.namespace
    before = backend.status
    with Timeline(kube, namespace) as timeline:
        path = (GROUP, VERSION, namespace, PLURAL, backend.name)
        kube.custom.patch_namespaced_custom_object_status(*path, {"status": None})
        eventually(lambda: backend.version == version, PATIENCE, backend.told)
        backend.wait_ready()
        backend.wait_pending(0)
        assert backend.status["training"]["trainedThrough"] == before["training"]["trainedThrough"]

        (deployment,) = backend.deployments
        name = deployment["metadata"]["name"]
        kube.apps.patch_namespaced_deployment(
            name, namespace, {"spec": {"template": {"metadata": {"labels": {"a": "b"}}}}}
        )
        eventually(lambda: backend.deployments[0]["spec"] == deployment["spec"], PATIENCE, backend.told)
        reroute(story, project, backend)
        kube.core.delete_namespaced_service(backend.service, namespace)
        kube.apps.delete_namespaced_deployment(name, namespace)
        backend.wait_for("Serving", "True")
        eventually(lambda: selects(story, backend.service) == version_of(deployment), PATIENCE, backend.told)
        eventually(lambda: backend.answering == version, PATIENCE, backend.told)
        assert not timeline.jobs()


REROUTED: tuple[list[dict[str, Any]], ...] = (
    [{"op": "add", "path": "/spec/selector/zone", "value": "b"}],
    [{"op": "replace", "path": "/spec/ports/0/port", "value": 9999}],
    [{"op": "add", "path": "/spec/ports/-", "value": {"name": "other", "port": 1}}],
    [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 1}],
)
"""JSON patches of the Service, each of which ends all predictions or breaks an apply."""


def reroute(story: Story, project: Project, backend: Backend) -> None:
    """Another client changes the Service under load: predictions come back by themselves, and only its fields go."""
    core, place = story.lab.kube.core, (backend.service, story.namespace)
    core.patch_namespaced_service(*place, {"metadata": {"annotations": {"theirs": "kept"}}})
    before = story.lab.kube.plain(core.read_namespaced_service(*place))["spec"]
    version = backend.version
    with load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, 0.1) as report:
        for change in REROUTED:
            core.patch_namespaced_service(*place, change)
            eventually(
                lambda: story.lab.kube.plain(core.read_namespaced_service(*place))["spec"] == before,
                PATIENCE,
                backend.told,
            )
            eventually(lambda: answers(backend, version), PATIENCE, backend.told)
        backend.wait_ready()
    assert report.versions == [version]
    assert core.read_namespaced_service(*place).metadata.annotations["theirs"] == "kept"
    restored = [item["message"] for item in backend.events() if item["reason"] == "ChildRestored"]
    assert [any(field in one for one in restored) for field in ("spec.selector.zone", "spec.ports")] == [True] * 2


def answers(backend: Backend, version: str) -> bool:
    """Whether the Service leads to this version: it may refuse connections for a moment."""
    try:
        return backend.answering == version
    except requests.ConnectionError:
        return False


@pytest.mark.chaos_case("9")
def test_a_job_changed_by_others_is_set_right_and_a_deleted_one_made_again(story: Story, project: Project) -> None:
    backend = story.running(project, EVERY, training={"backoff": "1s"})
    cold, cluster, jobs = backend.version, story.lab.cluster, story.lab.kube.batch
    with Timeline(story.lab.kube, story.namespace) as timeline:
        cluster.stop("registry")  # a training waits for it in the middle of its push
        try:
            project.import_annotated(EVERY)
            first = eventually(backend.publishing_pod, PATIENCE, backend.told)["metadata"]
            place = (first["labels"]["batch.kubernetes.io/job-name"], story.namespace)
            before = story.lab.kube.plain(jobs.read_namespaced_job(*place))
            changes: list[dict[str, Any]] = [
                {"labels": {BACKEND_LABEL: None, "theirs": "kept"}},
                {"annotations": {"theirs": "kept"}},
            ]
            for change in changes:
                jobs.patch_namespaced_job(*place, {"metadata": change})
            eventually(lambda: labels(story, *place).get(BACKEND_LABEL) == backend.name, PATIENCE, backend.told)
            jobs.patch_namespaced_job(*place, {"spec": {"suspend": True, "parallelism": 0, "backoffLimit": 6}})
            eventually(lambda: others(backend, first["uid"]), PATIENCE, backend.told)
            live = story.lab.kube.plain(jobs.read_namespaced_job(*place))
            assert live["spec"] == before["spec"]
            assert live["metadata"]["labels"].items() >= {**before["metadata"]["labels"], "theirs": "kept"}.items()
            assert live["metadata"]["annotations"]["theirs"] == "kept"
            told = [item["message"] for item in backend.events() if item["reason"] == "JobRestored"]
            assert [any(field in one for one in told) for field in ("metadata.labels", "spec.suspend")] == [True] * 2
            assert timeline.jobs() == [place[0]], "no second training"

            jobs.delete_namespaced_job(*place, propagation_policy="Background")
            backend.wait_for("TrainingSucceeded", "False", "JobDeleted")
        finally:
            cluster.cont("registry")
        backend.wait_version_other_than(cold)
        backend.wait_pending(0)
        assert len(timeline.jobs()) == 2


def labels(story: Story, job: str, namespace: str) -> dict[str, str]:
    """Those of a Job."""
    return dict(story.lab.kube.batch.read_namespaced_job(job, namespace).metadata.labels)


def others(backend: Backend, uid: str) -> bool:
    """Whether another training pod has got as far as publishing."""
    found = backend.publishing_pod()
    return found is not None and found["metadata"]["uid"] != uid


@contextmanager
def twin(story: Story) -> Iterator[None]:
    """A second operator with the first one's settings and key, which leads too: it asks for a Lease elsewhere."""
    kube, namespace = story.lab.kube, story.namespace
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}]
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": TWIN, "namespace": namespace}}
    who = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": OPERATOR_NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": TWIN}
    kube.apply({**rbac, "kind": "Role", "rules": rules})
    kube.apply({**rbac, "kind": "RoleBinding", "roleRef": role, "subjects": [who]})
    live = kube.plain(kube.apps.read_namespaced_deployment(OPERATOR, OPERATOR_NAMESPACE))
    template = live["spec"]["template"]
    template["metadata"]["labels"] = {"app": TWIN}
    (container,) = template["spec"]["containers"]
    others = [item for item in container["env"] if item["name"] != "POD_NAMESPACE"]
    container["env"] = [*others, {"name": "POD_NAMESPACE", "value": namespace}]
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": TWIN}}, "template": template}
    metadata = {"name": TWIN, "namespace": OPERATOR_NAMESPACE}
    kube.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    try:
        leases = client.CoordinationV1Api(kube.core.api_client)
        eventually(
            lambda: [item for item in leases.list_namespaced_lease(namespace).items if item.spec.holder_identity],
            PATIENCE,
            "a second leader",
        )
        yield
    finally:
        kube.apps.delete_namespaced_deployment(TWIN, OPERATOR_NAMESPACE)
        eventually(lambda: not kube.pods(OPERATOR_NAMESPACE, f"app={TWIN}"), PATIENCE, "the end of the second operator")


@pytest.mark.chaos_case("17")
def test_two_operators_at_once_train_once_a_round(story: Story, project: Project) -> None:
    backend = story.running(project, EVERY)
    cold = backend.version
    with twin(story), Timeline(story.lab.kube, story.namespace) as timeline:
        project.import_annotated(EVERY)
        one = backend.wait_version_other_than(cold)
        project.import_annotated(EVERY)
        backend.wait_version_other_than(cold, one)
        backend.wait_pending(0)
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
        backend.wait_ready()
        assert len(timeline.jobs()) == 2
    (deployment,) = backend.deployments
    assert deployment["metadata"]["generation"] == 1, "they changed it back and forth"
    assert len(project.user.webhooks(project.id)) == len(project.user.backends(project.id)) == 1


def selects(story: Story, service: str) -> str | None:
    """The revision that the Service selects."""
    found = story.lab.kube.core.list_namespaced_service(
        story.namespace, field_selector=f"metadata.name={service}"
    ).items
    return (found[0].spec.selector or {}).get("labelloop.dev/revision") if found else None


def version_of(deployment: dict[str, object]) -> str:
    """The revision of a Deployment."""
    return str(deployment["metadata"]["labels"]["labelloop.dev/revision"])  # type: ignore[index]
