"""The operator killed at bad moments, and trainings that fail: the end is the same."""

import pytest
from tests.e2e.story import Project, Story
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

EVERY = 24


@pytest.mark.chaos_case("1")
def test_an_operator_killed_during_a_job_and_during_a_roll_out_starts_no_second_job(
    story: Story, project: Project
) -> None:
    backend = story.running(project, EVERY)
    cold = backend.version
    with Timeline(story.lab.kube, story.namespace) as timeline:
        project.import_annotated(EVERY)
        eventually(lambda: backend.training_pods, PATIENCE, "a running Job", interval=0.05)
        story.lab.kill_operator()
        one = backend.wait_version_other_than(cold)
        assert len(timeline.jobs()) == 1
        # The pods of the version before go first: else they would be taken for the next roll-out.
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)

        project.import_annotated(EVERY)
        eventually(lambda: len(backend.deployments) == 2, PATIENCE, "a roll-out", interval=0.05)
        story.lab.kill_operator()
        two = backend.wait_version_other_than(cold, one)
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
        assert len(timeline.jobs()) == 2

    assert backend.predict(["my card"], project.id, project.label_config)[0]["model_version"] == two
    backend.wait_pending(0)
    backend.wait_ready()


@pytest.mark.chaos_case("10", "22")
def test_a_job_that_fails_technically_is_tried_again_under_a_new_name(story: Story, project: Project) -> None:
    backend = story.running(project, EVERY, training={"backoff": "3s"})
    cold = backend.version
    cluster = story.lab.cluster
    with Timeline(story.lab.kube, story.namespace) as timeline:
        cluster.kill("registry")
        try:
            project.import_annotated(EVERY)
            failed = backend.wait_for("TrainingSucceeded", "False", "RegistryUnreachable")
            assert story.lab.cluster.registry in failed["message"]
            assert backend.predict(["my card"], project.id, project.label_config)[0]["model_version"] == cold
            backend.wait_pending(EVERY)
        finally:
            cluster.start("registry")
        backend.wait_version_other_than(cold)
        assert len(timeline.jobs()) >= 2
    backend.wait_for("TrainingSucceeded", "True")
    backend.wait_pending(0)
