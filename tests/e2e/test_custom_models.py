"""Custom models: the examples next to a real Label Studio, and one as a base image of its own in the cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.story import Project, Story
from tests.e2e.test_local_mode import LocalBackend
from tests.integration.serving.conftest import serve
from tests.support.annotator import Annotator
from tests.support.documents import make_program, programs
from tests.support.lab import Lab
from tests.support.user import choices_config
from tests.support.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
IMAGE = '<Image name="image" value="$image"/>'
KINDS = '<Choices name="kind" toName="image"><Choice value="car" alias="c"/><Choice value="plane"/></Choices>'
BOXES = '<RectangleLabels name="box" toName="image"><Label value="wheel"/><Label value="wing"/></RectangleLabels>'
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
UPDATES = 24


@contextmanager
def backend(lab: Lab, folder: Path, example: str, model_class: str) -> Iterator[LocalBackend]:
    """`labelloop serve --model-class` in the folder of an example."""
    variables = {
        "LABEL_STUDIO_HOST": lab.label_studio.url,
        "LABEL_STUDIO_API_KEY": lab.label_studio.token,
        "START_TRAINING_EACH_N_UPDATES": "2",
        "MODEL_DIR": str(folder / "models"),
        "LABELLOOP_HOST": "0.0.0.0",
        "LABELLOOP_MODEL_CLASS": model_class,
    }
    with serve(folder, variables, cwd=EXAMPLES / example) as server:
        yield LocalBackend(server, lab)


def connected(local: LocalBackend, config: str, data: Sequence[dict[str, object]]) -> tuple[int, list[int]]:
    """A project with tasks, connected as a user does it."""
    number = local.user.create_project("custom model", config)
    tasks = local.user.import_tasks(number, data)
    local.user.call("POST", "/api/ml", {"project": number, "url": local.url, "title": "own"})
    return number, tasks


def prediction(local: LocalBackend, task: int) -> dict[str, Any]:
    """The newest prediction that opening a task brings."""
    found = eventually(lambda: local.user.task(task)["predictions"], PATIENCE, local.server.told)
    newest: dict[str, Any] = max(found, key=lambda item: int(item["id"]))
    return newest


def accepted_by_label_studio(local: LocalBackend, project: int, task: int, result: list[dict[str, Any]]) -> bool:
    """An import drops what does not fit the labelling configuration."""
    body = [{"task": task, "model_version": "again", "result": result}]
    return bool(local.user.call("POST", f"/api/projects/{project}/import/predictions", body)["created"] == 1)


def test_sklearn_text_classifier(lab: Lab, tmp_path: Path) -> None:
    texts = ["red sunset over red hills", "blue water under blue sky", "red hills again", "blue water again"]
    with backend(lab, tmp_path, "text-classifier", "text_model:SklearnTextClassifier") as local:
        project, tasks = connected(local, choices_config(("warm", "cold")), [{"text": text} for text in texts])
        before = local.version(project)
        local.user.annotate_all([(tasks[0], "warm"), (tasks[1], "cold")])
        version = local.version_after(project, before)
        assert [local.predicted(task) for task in tasks[2:]] == [(version, "warm"), (version, "cold")]


def test_dummy_image_classifier(lab: Lab, tmp_path: Path, annotator: Annotator) -> None:
    with backend(lab, tmp_path, "image-classifier", "image_model:DummyImageClassifier") as local:
        project, tasks = connected(local, f"<View>{IMAGE}{KINDS}</View>", [{"image": PICTURE}] * 4)
        found = prediction(local, tasks[0])
        assert (found["model_version"], found["score"]) == ("delorean-20151021", 0.987)
        assert [(region["value"], region["score"]) for region in found["result"]] == [({"choices": ["c"]}, 0.5)]
        assert accepted_by_label_studio(local, project, tasks[1], found["result"])
        annotator.open_task(project, tasks[0])
        assert annotator.wait_for_preselection() == ["car"]

        for task in tasks[2:]:
            result = [{"from_name": "kind", "to_name": "image", "type": "choices", "value": {"choices": ["plane"]}}]
            local.user.call("POST", f"/api/tasks/{task}/annotations", {"result": result})
        eventually(lambda: "does not learn" in local.server.told(), PATIENCE, local.server.told)
        assert local.version(project) == "delorean-20151021"


def test_several_results_per_prediction(lab: Lab, tmp_path: Path) -> None:
    with backend(lab, tmp_path, "several-results", "several_results_model:SeveralResults") as local:
        project, tasks = connected(local, f"<View>{IMAGE}{KINDS}{BOXES}</View>", [{"image": PICTURE}] * 3)
        before = local.version(project)
        assert local.user.task(tasks[2])["predictions"] == []
        for task, left in ((tasks[0], 10), (tasks[1], 20)):
            sides = {"x": left, "y": 30, "width": 5, "height": 5, "rotation": 0}
            result = [
                {"from_name": "kind", "to_name": "image", "type": "choices", "value": {"choices": ["c"]}},
                {
                    "from_name": "box",
                    "to_name": "image",
                    "type": "rectanglelabels",
                    "original_width": 100,
                    "original_height": 100,
                    "value": {**sides, "rectanglelabels": ["wheel"]},
                },
            ]
            local.user.call("POST", f"/api/tasks/{task}/annotations", {"result": result})
        version = local.version_after(project, before)
        found = prediction(local, tasks[2])
        assert found["model_version"] == version
        assert [region["type"] for region in found["result"]] == ["choices", "rectanglelabels"]
        choice, box = (region["value"] for region in found["result"])
        assert choice == {"choices": ["c"]}
        assert (box["rectanglelabels"], box["x"], box["y"]) == (["wheel"], 15, 30)
        assert accepted_by_label_studio(local, project, tasks[2], found["result"])


def test_a_scaffold_as_base_image_is_retrained_in_the_cluster(story: Story, project: Project, tmp_path: Path) -> None:
    """`labelloop init`, `make image`, `spec.image`."""
    own = tmp_path / "ticket-backend"
    image = f"{story.lab.cluster.registry}/own/ticket-backend:1"
    variables = {
        **os.environ,
        "PATH": f"{programs(tmp_path / 'programs')}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "bento_service"),
        "PYTHON": sys.executable,
        "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*command: str, cwd: Path) -> None:
        done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run(sys.executable, "-m", "labelloop", "init", own.name, cwd=tmp_path)
    run(make_program(), "image", f"BASE={story.lab.backend_image}", f"IMAGE={image}", cwd=own)

    resource = story.running(project, UPDATES, image=image, model={"type": "ticket_backend:Classifier"})
    cold = resource.version
    project.import_annotated(UPDATES)
    version = resource.wait_version_other_than(cold)
    assert version.startswith("model-")
    text = project.tasks[0][1].text
    entry = eventually(
        lambda: next(iter(resource.predict([text], project.id, project.label_config)), None),
        PATIENCE,
        resource.told,
    )
    assert entry["model_version"] == version
    assert entry["result"][0]["value"]["choices"]
    assert resource.call("GET", "/health").json()["model_class"] == "Classifier"
