"""The button Start Training in Label Studio's settings."""

from tests.e2e.story import Project, Story
from tests.support.annotator import Annotator
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually


def test_the_button_starts_a_job_at_once(story: Story, project: Project, annotator: Annotator) -> None:
    project.import_annotated(24)
    backend = story.running(project, 1000)
    cold = backend.version
    with Timeline(story.lab.kube, story.namespace) as timeline:
        annotator.open_model_settings(project.id)
        assert not timeline.jobs()

        annotator.press_start_training()

        # Nothing else starts one: far fewer annotations than `updatesPerTraining` are there, and nobody makes more.
        eventually(timeline.jobs, PATIENCE, "a Job")
        backend.wait_version_other_than(cold)
        assert len(timeline.jobs()) == 1
