"""Another base image under a trained model: the same version on it, or back to what served; found again elsewhere."""

import time
from typing import Any

import pytest
import requests
from examples.tickets.generator import LABELS
from tests.e2e.story import Project, Story
from tests.support.backend import Backend
from tests.support.base_images import SERVER, with_file
from tests.support.load import load
from tests.support.registry import image_exists, image_labels, image_manifest
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

EVERY = 24
PAUSE = 0.05
REVISION = "labelloop.dev/revision"
NOW = {"progressDeadline": "1s"}
CRASHES = 'raise SystemExit("this base image is broken")\n'


@pytest.mark.chaos_case("11")
def test_a_changed_base_image_moves_the_model_and_a_broken_one_goes_back(story: Story) -> None:
    project = story.new_project(LABELS)
    backend = story.trained(project, EVERY)
    version, before = backend.version, backend.status["model"]["active"]["image"]
    assert version is not None

    better = with_file(story.lab.backend_image, f"{story.namespace}-2", "opt/base-2", "2")
    with (
        Timeline(story.lab.kube, story.namespace) as timeline,
        load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, PAUSE) as report,
    ):
        backend.apply(story.spec(project, EVERY, image=better))
        backend.wait_for("Rebased", "True", "Rebased")
        eventually(lambda: len(backend.serving_pods) == 1, PATIENCE, backend.told)
        assert not [job for job in timeline.jobs() if "-train-" in job]
    assert not report.failures, report.failures[:3]
    assert report.versions == [version]
    moved = backend.status["model"]["active"]
    assert (moved["version"], moved["baseImage"]) == (version, better)
    assert moved["image"] != before
    assert image_labels(moved["image"])["labelloop.dev/model-version"] == version
    # Nobody can go back to the image on the old base: it is deleted.
    eventually(lambda: not image_exists(before), PATIENCE, backend.told)
    (pod,) = backend.serving_pods
    assert pod["spec"]["containers"][0]["image"] == moved["image"]

    # A base on which nothing serves: first under the version that is there, then under the next one.
    broken = with_file(story.lab.backend_image, f"{story.namespace}-3", SERVER, CRASHES)
    with load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, PAUSE) as report:
        backend.apply(story.spec(project, EVERY, image=broken))
        refused = _at_the_deadline(backend, "does not start", story.spec(project, EVERY, image=broken, rollout=NOW))
        assert "The image before it keeps serving" in refused, refused
        backend.wait_for("Rebased", "False", "ProgressDeadlineExceeded")
        eventually(lambda: _images(backend.serving_pods) == [moved["image"]], PATIENCE, backend.told)
        project.import_annotated(EVERY)
        eventually(lambda: len(backend.status["model"]["rejected"]) == 2, PATIENCE, backend.told)
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
    assert not report.failures, report.failures[:3]
    assert report.versions == [version]
    assert {entry["reason"] for entry in backend.status["model"]["rejected"]} == {"ProgressDeadlineExceeded"}


@pytest.mark.chaos_case("11", "22")
def test_an_image_that_cannot_be_pulled_leaves_the_old_version_serving(story: Story, project: Project) -> None:
    backend = story.running(project, EVERY)
    cold = backend.version
    missing = f"{story.lab.cluster.registry}/labelloop/missing:1"
    told = f"image {missing} cannot be pulled"
    backend.apply(story.spec(project, EVERY, image=missing))
    eventually(lambda: told in backend.condition("RolloutSucceeded").get("message", ""), PATIENCE, backend.told)
    for _ in range(2):
        _point_the_service_at_the_candidate(backend, cold)
        eventually(lambda: _answers(backend, cold), PATIENCE, backend.told)
    assert backend.version == cold
    assert len(backend.deployments) == 2
    assert "ServiceRestored" in [event["reason"] for event in backend.events()]
    with load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, PAUSE) as report:
        refused = _at_the_deadline(backend, told, story.spec(project, EVERY, image=missing, rollout=NOW))
        assert "The version before it keeps serving" in refused, refused
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
    assert not report.failures, report.failures[:3]
    assert backend.version == cold
    assert [entry["image"] for entry in backend.status["model"]["rejected"]] == [missing]


def test_a_new_cluster_serves_what_was_promoted_last_without_a_training(story: Story, times: dict[str, object]) -> None:
    project = story.new_project(LABELS)
    backend = story.trained(project, EVERY)
    active = backend.status["model"]["active"]
    promoted = f"{active['image'].partition('@')[0]}:promoted"
    eventually(lambda: backend.status.get("registry", {}).get("promoted") == active["image"], PATIENCE, backend.told)
    assert image_manifest(promoted) == image_manifest(active["image"])

    kube = story.lab.kube
    backend.delete()
    eventually(lambda: backend.read() is None, PATIENCE, backend.told)
    kube.core.delete_namespace(story.namespace)
    eventually(story.namespace_is_gone, PATIENCE, "the end of the namespace")
    kube.create_namespace(story.namespace)
    story.lab.connect(story.namespace)
    with Timeline(kube, story.namespace) as timeline:
        began = time.monotonic()
        backend.apply(story.spec(project, EVERY))
        backend.wait_ready()
        assert backend.answering == active["version"]
        times["restore, seconds"] = round(time.monotonic() - began, 1)
        assert backend.status["model"]["active"]["image"] == active["image"]
        backend.wait_pending(0)
        assert not timeline.jobs()


def _point_the_service_at_the_candidate(backend: Backend, active: str | None) -> None:
    """Another client edits the selector of the Service; ends when the operator has set it back."""
    revisions = {
        item["metadata"]["annotations"]["labelloop.dev/model-version"] == active: item["metadata"]["labels"][REVISION]
        for item in backend.deployments
    }
    core = backend.kube.core
    body = {"spec": {"selector": {REVISION: revisions[False]}}}
    core.patch_namespaced_service(backend.service, backend.namespace, body)

    def is_back() -> bool:
        service = core.read_namespaced_service(backend.service, backend.namespace)
        return bool(service.spec.selector[REVISION] == revisions[True])

    eventually(is_back, PATIENCE, backend.told)


def _answers(backend: Backend, version: str | None) -> bool:
    """Whether the version answers; kube-proxy may refuse for a moment."""
    try:
        return backend.answering == version
    except requests.ConnectionError:
        return False


def _at_the_deadline(backend: Backend, told: str, shortened: dict[str, Any]) -> str:
    """Wait until the roll-out tells its trouble, however long that takes here, then let its deadline be over."""
    eventually(lambda: told in backend.condition("RolloutSucceeded").get("message", ""), PATIENCE, backend.told)
    backend.apply(shortened)
    return str(backend.wait_for("RolloutSucceeded", "False", "ProgressDeadlineExceeded")["message"])


def _images(pods: list[dict[str, Any]]) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in pods]
