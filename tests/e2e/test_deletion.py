"""Deleting the resource leaves nothing behind, or says what it had to leave."""

import pytest
from tests.e2e.conftest import SETTINGS
from tests.e2e.story import Project, Story
from tests.support.network import packets_refused
from tests.support.waiting import PATIENCE, eventually

DEREGISTER_TIMEOUT = float(str(SETTINGS["deregisterTimeout"]).removesuffix("s"))
SLACK = 60.0  # from the end of the time-out to the end of the resource, on a busy machine


@pytest.mark.chaos_case("14")
def test_deletion_removes_children_ml_backend_and_webhook(story: Story, project: Project) -> None:
    backend = story.trained(project, 12)
    assert project.user.backends(project.id)
    assert project.user.webhooks(project.id)

    backend.delete()

    eventually(lambda: backend.read() is None, PATIENCE, backend.told)
    assert project.user.webhooks(project.id) == []
    assert project.user.backends(project.id) == []
    assert project.user.project(project.id)["model_version"] == ""
    eventually(lambda: not story.children(), PATIENCE, lambda: f"children left: {story.children()}")


@pytest.mark.chaos_case("14")
def test_deletion_with_label_studio_down_ends_and_says_what_stayed(story: Story, project: Project) -> None:
    backend = story.running(project, 1000)
    (left,) = project.user.backends(project.id)
    (pod,) = story.lab.kube.pods(story.lab.label_studio.namespace, "app.kubernetes.io/instance=label-studio")

    with packets_refused(story.lab.cluster, None, pod["status"]["podIP"], 8080):
        backend.delete()
        eventually(lambda: backend.read() is None, DEREGISTER_TIMEOUT + SLACK, backend.told)

    told = eventually(
        lambda: [event["message"] for event in backend.events() if event["reason"] == "DeregistrationIncomplete"],
        PATIENCE,
        lambda: f"an Event: {backend.events()}",
    )
    assert f"ML backend {left['id']}" in told[0]
    assert str(left["url"]) in told[0]
    assert f"project {project.id}" in told[0]
    assert f"Label Studio at {story.lab.label_studio.internal_url} was asked" in told[0]
    assert "cannot be reached" in told[0]
    eventually(lambda: not story.children(), PATIENCE, lambda: f"children left: {story.children()}")
