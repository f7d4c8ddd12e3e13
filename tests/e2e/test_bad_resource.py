"""Wrong fields, images that do not exist, objects of somebody else: refused at once, or reported in a condition."""

import re
from typing import Any

import pytest
from tests.e2e.checks import assert_serves, told
from tests.e2e.story import Project, Story
from tests.support.kube import Refused
from tests.support.lab import Lab
from tests.support.waiting import PATIENCE, eventually

CONNECTION = {"connectionSecretRef": {"name": "label-studio"}, "project": 1}
WRONG_FIELDS: dict[str, dict[str, Any]] = {
    "everyUpdate": {"training": {"everyUpdate": 5}},
    "updatesPerTraining": {"training": {"updatesPerTraining": 0}},
    "spec.training.updatesPerTraining": {"training": {"updatesPerTraining": "five"}},
    "project": {"labelStudio": CONNECTION | {"project": 0}},
    "spec.labelStudio.project": {"labelStudio": CONNECTION | {"project": "one"}},
    "connectionSecretRef": {"labelStudio": {"project": 1}},
    "replicas": {"serving": {"replicas": -1}},
    "colour": {"colour": "blue"},
    "backoff": {"training": {"backoff": "soon"}},
    "holdout": {"evaluation": {"holdout": "2"}},
}


@pytest.mark.parametrize("field", WRONG_FIELDS)
def test_the_api_server_refuses_wrong_fields(lab: Lab, field: str) -> None:
    backend = lab.backend("default", "wrong")

    with pytest.raises(Refused, match=re.escape(field)):
        backend.apply({"labelStudio": CONNECTION} | WRONG_FIELDS[field])

    assert backend.read() is None


def test_the_project_cannot_be_changed(story: Story, project: Project) -> None:
    backend = story.backend()
    spec = story.spec(project, 10)
    backend.apply(spec)
    spec["labelStudio"]["project"] += 1

    with pytest.raises(Refused, match=r"project.*(immutable|cannot be changed)"):
        backend.apply(spec)


@pytest.mark.chaos_case("11")
def test_an_unknown_base_image_is_told_and_the_old_one_serves_on(story: Story, project: Project) -> None:
    backend = story.running(project, 1000)
    spec = story.spec(project, 1000)
    unknown = f"{story.lab.cluster.registry}/labelloop/backend:unknown"

    backend.apply(spec | {"image": unknown})

    def pull_failure() -> str:
        told = [str(condition["message"]) for condition in backend.status["conditions"]]
        return next((message for message in told if unknown in message and "pull" in message), "")

    message = eventually(pull_failure, PATIENCE, lambda: f"a condition that names {unknown}: {backend.told()}")
    assert "spec.image" in message
    assert_serves(backend, project)

    backend.apply(spec)
    backend.wait_ready()


def test_objects_of_somebody_else_are_left_alone(story: Story, project: Project) -> None:
    kube, namespace = story.lab.kube, story.namespace
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "intents-ml", "namespace": namespace}}
    kube.apply({**service, "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}})
    backend = story.backend()
    backend.apply(story.spec(project, 10))

    message = told(backend, "Conflict")
    assert "Service" in message
    assert "intents-ml" in message
    theirs = kube.plain(kube.core.read_namespaced_service("intents-ml", namespace))
    assert theirs["spec"]["selector"] == {"app": "theirs"}

    kube.core.delete_namespaced_service("intents-ml", namespace)
    backend.wait_ready()
    deployment = backend.deployments[0]["metadata"]["name"]
    backend.delete()
    # All of them: a Service that is still on its way out would be the conflict that is reported.
    eventually(lambda: backend.read() is None and not story.children(), PATIENCE, backend.told)
    kube.apply(foreign_deployment(deployment, namespace))
    backend.apply(story.spec(project, 10))
    message = told(backend, "Conflict")
    assert "Deployment" in message
    assert deployment in message


def foreign_deployment(name: str, namespace: str) -> dict[str, Any]:
    """A Deployment that only has the name in common with ours."""
    labels = {"app": "theirs"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "theirs", "image": "theirs"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
