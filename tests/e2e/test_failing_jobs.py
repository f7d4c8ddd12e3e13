"""Trainings that the cluster ends: out of memory, past their deadline."""

import pytest
from tests.e2e.story import Project, Story

EVERY = 24


@pytest.mark.chaos_case("10")
def test_a_training_past_its_deadline_and_one_out_of_memory_say_so_and_are_tried_again(
    story: Story, project: Project
) -> None:
    backend = story.running(project, EVERY)
    cold = backend.version
    backend.apply(story.spec(project, EVERY, training={"deadline": "1s", "backoff": "2s"}))
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
