"""Local mode next to a real Label Studio: each new version's predictions are stored, scored and sorted by."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.serving.conftest import Server, serve
from tests.support.label_studio_process import NEWEST, OLDEST, TOKEN, label_studio
from tests.support.ports import free_port
from tests.support.user import LabelStudioUser, choice, choices_config
from tests.support.waiting import PATIENCE, eventually

TEXTS = {"warm": "red sunset over red hills, number {}", "cold": "blue water under blue sky, number {}"}
TASKS, STEP = 60, 12
Task = dict[str, Any]


def rows(user: LabelStudioUser, project: int) -> list[Task]:
    """The Data Manager's rows, the least certain first."""
    view = json.dumps({"ordering": ["tasks:predictions_score"], "filters": {"conjunction": "and", "items": []}})
    answer = user.call("GET", "/api/tasks", project=project, fields="all", page_size=TASKS, query=view)
    found: list[Task] = answer["tasks"]
    return found


def stored(user: LabelStudioUser, project: int) -> dict[str, int]:
    """How many predictions of each trained version there are, the newest version first."""
    found = user.call("GET", f"/api/projects/{project}/model-versions", extended="true")["static"]
    return {item["model_version"]: item["count"] for item in found if item["model_version"].startswith("model-")}


def title(user: LabelStudioUser, project: int) -> str:
    (backend,) = user.backends(project)
    return str(backend["title"])


class Loop:
    """An annotator who labels STEP tasks at a time."""

    def __init__(self, user: LabelStudioUser, server: Server, project: int, labelled: list[tuple[int, str]]) -> None:
        self.user, self.server, self.project, self.labelled = user, server, project, labelled
        self.done = 0

    def next_version(self) -> str:
        """Label until the next version; gives it when its predictions are stored and its title is in Label Studio."""
        known = self.server.told().count(" predictions of model-")
        self.user.annotate_all(self.labelled[self.done : self.done + STEP])
        self.done += STEP
        eventually(lambda: self.server.told().count(" predictions of model-") > known, PATIENCE, self.server.told)
        newest = next(iter(stored(self.user, self.project)))
        eventually(lambda: title(self.user, self.project) == newest, PATIENCE, self.server.told)
        return newest


@pytest.mark.parametrize("release", [NEWEST, OLDEST], ids=["newest", "oldest"])
def test_scores_follow_each_training_and_old_predictions_go(tmp_path: Path, release: Path) -> None:
    with label_studio(release, tmp_path) as user:
        project = user.create_project("stored predictions", choices_config(tuple(TEXTS)))
        labels = [list(TEXTS)[number % 2] for number in range(TASKS)]
        tasks = user.import_tasks(project, [{"text": TEXTS[label].format(n)} for n, label in enumerate(labels)])
        port = free_port()
        variables = {
            "LABEL_STUDIO_HOST": user.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "LABELLOOP_PROJECTS": str(project),
            "LABELLOOP_REGISTER_URL": f"http://127.0.0.1:{port}",
            "START_TRAINING_EACH_N_UPDATES": str(STEP),
            "PORT": str(port),
        }
        with serve(tmp_path, variables) as server:
            loop = Loop(user, server, project, list(zip(tasks, labels, strict=True)))
            first = loop.next_version()
            assert stored(user, project)[first] == TASKS - STEP
            scores = [row["predictions_score"] for row in rows(user, project) if row["total_annotations"] == 0]
            assert len(scores) == TASKS - STEP
            assert scores == sorted(scores)

            second = loop.next_version()
            shown = user.task(tasks[-1])["predictions"]
            opened = max(item["id"] for item in shown if item["model_version"] == second)

            third = loop.next_version()
            kept = stored(user, project)
            assert set(kept) == {second, third}, server.told()
            assert kept[third] == TASKS - 3 * STEP
            assert user.project(project)["model_version"] == third, "removal does not turn prelabelling off"
            body = {"result": choice(labels[-1]), "parent_prediction": opened}
            answer = user.call("POST", f"/api/tasks/{tasks[-1]}/annotations", body, project=project)
            assert answer["parent_prediction"] == opened
