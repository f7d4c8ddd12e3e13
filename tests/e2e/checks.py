"""What more than one story of bad input looks at."""

from tests.e2e.story import Project, Story
from tests.support.backend import Backend
from tests.support.lab import restarts


def told(backend: Backend, reason: str) -> str:
    """What the resource says about itself once it is not Ready for this reason."""
    return str(backend.wait_for("Ready", "False", reason)["message"])


def assert_serves(backend: Backend, project: Project) -> None:
    """The Service still predicts."""
    predicted = backend.predict(["my card was charged twice"], project.id, project.label_config)
    assert predicted[0]["model_version"] == backend.version


def assert_no_crash(story: Story, backend: Backend) -> None:
    """No container of the resource, nor of an operator that nobody killed, was started again for a failure."""
    for pod in backend.serving_pods:
        assert restarts(pod) == 0, pod
    for pod in story.lab.operator_pods():
        for container in pod["status"]["containerStatuses"]:
            last = container.get("lastState", {}).get("terminated", {})
            killed_by_a_test = last.get("exitCode") == 137 and last.get("reason") != "OOMKilled"
            assert container["restartCount"] == 0 or killed_by_a_test, container
