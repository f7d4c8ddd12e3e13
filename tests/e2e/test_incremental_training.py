"""A training reads from Label Studio what changed since the last one, and knows what a full read would know."""

import re

from tests.e2e.story import Project, Story

from labelloop.label_studio import Credentials
from labelloop.label_studio.client import LabelStudioClient
from labelloop.training.reading import Reading, read_project

TASKS = 60


def full_read(project: Project) -> Reading:
    """What a training without a snapshot reads."""
    with LabelStudioClient(Credentials(project.user.url, project.user.token)) as client:
        return client.run(read_project(project.id, project.user.url, None))


def press_start_training(project: Project) -> None:
    project.user.start_training(int(project.user.backends(project.id)[0]["id"]))


def test_only_changed_tasks_are_read_again_and_nothing_is_missed(story: Story, project: Project) -> None:
    # The gate only tells: whether the second model is better is not what this is about.
    backend = story.trained(project, TASKS, evaluation={"mode": "Audit"})
    first = backend.version
    snapshot = backend.status["training"]["snapshot"]
    annotations = {row.task: row.annotations[0].id for row in full_read(project).snapshot.rows}
    tasks = sorted(annotations)
    labels = [ticket.label for _, ticket in project.tasks]
    for task in tasks[:3]:
        project.user.change(annotations[task], labels[-1])
    project.user.turn_into_skip(annotations[tasks[3]])
    project.user.delete(annotations[tasks[4]])
    project.user.call("DELETE", f"/api/tasks/{tasks[5]}/")

    press_start_training(project)

    second = backend.wait_version_other_than(first)
    message = backend.wait_for("TrainingSucceeded", "True", "Trained")["message"]
    told = re.search(r"\((\d+) of (\d+) tasks read\)", message)
    assert told, message
    assert int(told[1]) == 4, message
    assert int(told[2]) == TASKS - 2, message
    assert backend.status["model"]["active"]["datasetDigest"] == full_read(project).snapshot.digest
    assert backend.status["training"]["snapshot"] != snapshot

    backend.apply(story.spec(project, TASKS, evaluation={"mode": "Audit"}, training={"snapshotPolicy": "None"}))
    project.user.change(annotations[tasks[6]], labels[-2])
    press_start_training(project)

    backend.wait_version_other_than(second)
    assert "snapshot" not in backend.status["training"]
    assert "tasks read" not in backend.wait_for("TrainingSucceeded", "True", "Trained")["message"]
    assert backend.status["model"]["active"]["datasetDigest"] == full_read(project).snapshot.digest
