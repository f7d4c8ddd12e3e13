"""Local mode next to a real Label Studio: one process on the host, connected by hand, without Kubernetes behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.serving.conftest import Server, serve
from tests.support.annotator import Annotator
from tests.support.lab import Lab
from tests.support.user import choices_config
from tests.support.waiting import PATIENCE, eventually

RED, BLUE = "red sunset over red hills", "blue water under blue sky"
LABELS = ("warm", "cold")


class LocalBackend:
    """The process and Label Studio's view of it."""

    def __init__(self, server: Server, lab: Lab) -> None:
        self.server = server
        self.user = lab.user
        self.url = f"http://{lab.cluster.host_address}:{server.url.rpartition(':')[2]}"

    def project(self, title: str, texts: list[str], labels: tuple[str, ...] = LABELS) -> tuple[int, list[int]]:
        """A project that is connected as a user does it, and the ids of its tasks."""
        number = self.user.create_project(title, choices_config(labels))
        tasks = self.user.import_tasks(number, [{"text": text} for text in texts])
        self.user.call("POST", "/api/ml", {"project": number, "url": self.url, "title": "local"})
        return number, tasks

    def version(self, project: int) -> str:
        """The version that Label Studio is reported for a project."""
        asked = self.user.project(project)
        schema = {"schema": asked["label_config"], "project": str(project)}
        return str(self.server.call("POST", "/setup", json=schema).json()["model_version"])

    def version_after(self, project: int, before: str) -> str:
        """Wait until another version than `before` serves a project."""
        eventually(lambda: self.version(project) != before, PATIENCE, self.server.told, interval=2.0)
        return self.version(project)

    def wait_predicted(self, task: int, version: str, choice: str) -> None:
        """Each worker takes a new model by itself: the one that reported it first need not be the one asked next."""
        eventually(lambda: self.predicted(task) == (version, choice), PATIENCE, self.server.told, interval=1.0)

    def predicted(self, task: int) -> tuple[str, str]:
        """Version and choice of the newest prediction. Asked for again: what opening a task brought once, by the worker
        that still had the old model, Label Studio keeps."""
        self.user.predict(self.user.task(task)["project"], [task])
        predictions = sorted(self.user.task(task)["predictions"], key=lambda item: int(item["id"]))
        return predictions[-1]["model_version"], predictions[-1]["result"][0]["value"]["choices"][0]


@pytest.fixture(scope="module")
def local(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    """`labelloop serve` with the variables of the sklearn example and two workers."""
    folder: Path = tmp_path_factory.mktemp("local")
    variables = {
        "LABEL_STUDIO_HOST": lab.label_studio.url,
        "LABEL_STUDIO_API_KEY": lab.label_studio.token,
        "START_TRAINING_EACH_N_UPDATES": "2",
        "MODEL_DIR": str(folder / "models"),
        "LABELLOOP_HOST": "0.0.0.0",
        "WORKERS": "2",
    }
    with serve(folder, variables) as server:
        yield LocalBackend(server, lab)


def test_after_the_first_two_labels_predictions_change(local: LocalBackend, annotator: Annotator) -> None:
    texts = [RED, BLUE, "shown by the label stream", RED + " again", BLUE + " again"]
    project, tasks = local.project("local first labels", texts)
    annotator.open_task(project, tasks[0])
    annotator.wait_for_preselection()
    before = local.version(project)
    assert before.startswith("cold-")

    annotator.start_label_stream(project)
    for label in LABELS:
        annotator.submit_in_stream(label)

    version = local.version_after(project, before)
    assert version.startswith("model-")
    local.wait_predicted(tasks[3], version, "warm")
    local.wait_predicted(tasks[4], version, "cold")
    annotator.open_task(project, tasks[3])
    assert annotator.wait_for_preselection() == ["warm"]
    annotator.wait_for_shown_version(version)


def test_start_training_and_a_label_added(local: LocalBackend, annotator: Annotator) -> None:
    green = "green leaves of green trees"
    project, tasks = local.project("local start training", [RED, BLUE, green, green + " again"])
    before = local.version(project)
    local.user.annotate_all([(tasks[0], "warm"), (tasks[1], "cold")])
    before = local.version_after(project, before)

    local.user.change_project(project, label_config=choices_config((*LABELS, "fresh")))
    local.user.annotate(tasks[2], "fresh")
    annotator.open_model_settings(project)
    annotator.wait_for_backend_state("Connected")
    annotator.press_start_training()

    # The changed configuration may have been trained on before the new annotation was seen.
    eventually(lambda: local.predicted(tasks[3])[1] == "fresh", PATIENCE, local.server.told, interval=1.0)
    assert local.predicted(tasks[3])[0] != before


def test_each_project_has_a_model_of_its_own(local: LocalBackend) -> None:
    labels = {"one": ("warm", "cold"), "two": ("cold", "warm")}
    made = {name: local.project(f"local project {name}", [RED, BLUE, RED + " again"]) for name in labels}
    before = {name: local.version(project) for name, (project, _) in made.items()}
    for name, (_, tasks) in made.items():
        local.user.annotate_all(list(zip(tasks, labels[name], strict=False)))
    for name, (project, tasks) in made.items():
        version = local.version_after(project, before[name])
        local.wait_predicted(tasks[2], version, labels[name][0])
    assert "Traceback" not in local.server.told()
