"""Predictions do not need the operator, and nothing that happens while it is away is lost."""

import pytest
from tests.e2e.story import Project, Story
from tests.support.load import load
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually, throughout

EVERY = 300
ANNOTATED = 310
START_TRAINING = {"action": "START_TRAINING", "project": {"id": 1}}


@pytest.mark.chaos_case("2")
def test_annotations_made_while_the_operator_is_stopped_start_one_job(story: Story, project: Project) -> None:
    project.import_tickets(ANNOTATED)
    backend = story.running(project, EVERY)
    cold = backend.version
    with Timeline(story.lab.kube, story.namespace) as timeline:
        story.lab.stop_operator()

        refused = backend.call("POST", "/webhook", json=START_TRAINING)
        assert refused.status_code == 503, refused.text
        project.annotate(ANNOTATED)  # Label Studio sends an event webhook for each
        event = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1}, "project": {"id": project.id}}
        assert backend.call("POST", "/webhook", json=event).ok
        assert backend.setup(project.id, project.label_config)["model_version"] == cold
        assert backend.predict(["my card"], project.id, project.label_config)[0]["model_version"] == cold
        assert project.user.task(project.tasks[0][0])["annotations"]

        story.lab.start_operator()
        backend.wait_version_other_than(cold)
        eventually(lambda: backend.pending == 0, PATIENCE, backend.told)
        throughout(6, lambda: len(timeline.jobs()) == 1, "more than one Job")


def test_helm_upgrade_replaces_the_operator_and_predictions_go_on(story: Story, project: Project) -> None:
    backend = story.running(project, 1000)
    (before,) = story.lab.operator_pods()
    with load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, interval=0.05) as report:
        story.lab.upgrade(logLevel="DEBUG")
    eventually(lambda: len(story.lab.operator_pods()) == 1, PATIENCE, "end of the operator's old pod")
    (after,) = story.lab.operator_pods()
    assert after["metadata"]["name"] != before["metadata"]["name"]
    assert not report.failures
    story.lab.upgrade()
    backend.wait_ready()
