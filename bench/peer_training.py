"""Run by the peer's Python in the peer's example folder: its own `fit`, with the tasks from standard input.

Standard input: {"label_config": XML, "tasks": what `get_labeled_tasks` of its client would return}.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
from model import SklearnTextClassifier

GIVEN = json.load(sys.stdin)


class GivenTasks(SklearnTextClassifier):  # type: ignore[misc, no-any-unimported]
    """The peer's class, but for the download."""

    def _get_tasks(self, project_id: int) -> list[dict[str, object]]:  # noqa: ARG002
        tasks: list[dict[str, object]] = GIVEN["tasks"]
        return tasks


GivenTasks("1", GIVEN["label_config"]).fit("START_TRAINING", {"annotation": {"project": 1}})
