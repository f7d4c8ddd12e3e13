"""The loop, as a user meets it: apply a resource, annotate, and predictions get better."""

import time
from typing import Any

from examples.tickets.generator import unseen_tickets
from tests.e2e.story import Project, Story
from tests.support.annotator import Annotator
from tests.support.backend import Backend
from tests.support.load import LoadReport, load
from tests.support.registry import image_labels, image_manifest
from tests.support.rounds import round_steps
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually, throughout

EVERY = 300
BY_CLICKS = 20
UNSEEN = [(ticket.text, ticket.intent) for ticket in unseen_tickets(1000)]
RESOURCE = """
apiVersion: labelloop.dev/v1alpha1
kind: LabelStudioBackend
metadata:
  name: intents
  namespace: {namespace}
spec:
  labelStudio: {{connectionSecretRef: {{name: label-studio}}, project: {project}}}
  training: {{updatesPerTraining: 300}}
  serving: {{replicas: 2}}
"""


def test_the_loop(story: Story, project: Project, annotator: Annotator, times: dict[str, object]) -> None:
    project.import_tickets(EVERY + 10)
    backend = story.backend()
    with Timeline(story.lab.kube, story.namespace) as timeline:
        story.lab.kube.apply_text(RESOURCE.format(namespace=story.namespace, project=project.id))
        backend.wait_ready()
        cold = assert_versions_agree(story, backend, project)
        assert cold.startswith("cold-")
        assert_annotators_see_it(annotator, project, cold)

        annotate_by_clicks(annotator, project, BY_CLICKS)
        project.annotate(EVERY - 1 - BY_CLICKS)
        backend.wait_pending(EVERY - 1)
        throughout(6, lambda: not timeline.jobs(), "a Job after 299 updates")

        with watched_switch(backend, project, timeline) as first:
            project.annotate(1)
            first.switched(cold)
        assert len(timeline.jobs()) == 1
        one = assert_versions_agree(story, backend, project)
        assert_predictions_written(backend, project, one)
        accuracy = {one: backend.accuracy(UNSEEN, project.id, project.label_config)}

        with watched_switch(backend, project, timeline) as second:
            project.annotated = len(project.tasks)
            project.import_annotated(EVERY)
            second.switched(one)
        assert len(timeline.jobs()) == 2
        two = assert_versions_agree(story, backend, project)
        accuracy[two] = backend.accuracy(UNSEEN, project.id, project.label_config)

    assert accuracy[two] >= accuracy[one] + 0.03, accuracy
    times |= {"accuracy": accuracy, "rounds": [first.steps, second.steps]}
    for report in (first.report, second.report):
        assert report.pairs > 300
        assert not report.failures, (len(report.failures), report.failures[:5])
        assert report.side_by_side <= 1, report.versions
    assert_restarted_never(backend)


def assert_versions_agree(story: Story, backend: Backend, project: Project) -> str:
    """Status, /setup, /predict, Label Studio's title and the image (base plus one layer) tell one version."""
    version = backend.version
    assert version is not None
    assert backend.setup(project.id, project.label_config)["model_version"] == version
    predicted = backend.predict(["where is my parcel"], project.id, project.label_config)
    assert predicted[0]["model_version"] == version
    eventually(lambda: title(project) == version, PATIENCE, lambda: f"title {title(project)} for {version}")
    eventually(lambda: project.user.project(project.id)["model_version"] == version, PATIENCE, "version of the project")
    if version.startswith("model-"):
        active = backend.status["model"]["active"]
        assert image_labels(active["image"])["labelloop.dev/model-version"] == version
        base = image_manifest(story.lab.backend_image)["layers"]
        layers = image_manifest(active["image"])["layers"]
        assert [layer["digest"] for layer in layers[:-1]] == [layer["digest"] for layer in base]
    return version


def assert_predictions_written(backend: Backend, project: Project, version: str) -> None:
    """Every task without annotations has a scored prediction of this version, though nobody opened it."""
    backend.wait_for("PredictionsWritten", "True", "PredictionsWritten")
    assert backend.status["predictions"]["version"] == version
    stored = project.user.stored_predictions(project.id)
    unlabelled = [task for task, _ in project.tasks[project.annotated :]]
    assert unlabelled
    assert all(0 < stored[task][version] <= 1 for task in unlabelled)


def title(project: Project) -> str:
    """The title of the project's only ML backend."""
    (only,) = project.user.backends(project.id)
    return str(only["title"])


def assert_annotators_see_it(annotator: Annotator, project: Project, version: str) -> None:
    """The settings page says Connected, and an opened task has a pre-selected choice of this version."""
    annotator.open_model_settings(project.id)
    annotator.wait_for_backend_state("Connected")
    annotator.open_task(project.id, project.tasks[-1][0])
    assert len(annotator.wait_for_preselection()) == 1
    annotator.wait_for_shown_version(version)


def annotate_by_clicks(annotator: Annotator, project: Project, count: int) -> None:
    """Annotate the next tasks in the label stream."""
    annotator.start_label_stream(project.id)
    for _, ticket in project.tasks[project.annotated : project.annotated + count]:
        annotator.submit_in_stream(ticket.label)
    project.annotated += count


class watched_switch:  # noqa: N801 - reads as a block: with watched_switch(...) as round
    """Load on the Service from before the last annotation until the old version is gone; times of the steps."""

    def __init__(self, backend: Backend, project: Project, timeline: Timeline) -> None:
        self._backend, self._project, self._timeline = backend, project, timeline
        self.steps: dict[str, float] = {}
        self.report = LoadReport()
        self._version = ""

    def __enter__(self) -> "watched_switch":
        identity = f"{self._project.id}.1795325720"
        cluster = self._backend.kube.cluster
        self._load = load(cluster, self._backend.address, identity, self._project.label_config)
        self.report = self._load.__enter__()
        return self

    def switched(self, before: str) -> None:
        """Wait until another version than `before` is served and nothing is left of the old one."""
        self._began = time.time()
        self._version = self._backend.wait_version_other_than(before)
        eventually(lambda: len(self._backend.deployments) == 1, PATIENCE, self._backend.told)
        eventually(lambda: len(self._backend.serving_pods) == 2, PATIENCE, self._backend.told)

    def __exit__(self, *exception: Any) -> None:
        self._load.__exit__(*exception)
        if exception[0] is None:
            answered = self.report.first_seen[self._version]
            self.steps = round_steps(self._timeline, self._began, self._version, answered)


def assert_restarted_never(backend: Backend) -> None:
    """No serving container crashed on the way."""
    for pod in backend.serving_pods:
        assert all(container["restartCount"] == 0 for container in pod["status"]["containerStatuses"])
