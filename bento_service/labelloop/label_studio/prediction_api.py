"""Stored predictions: written in bulk, listed by version, removed by version.

Label Studio counts the predictions of all tasks of a project again with each import, 5 s for 10,000 tasks. So a few
large parts are faster than many small ones, and keep nobody waiting longer (measured: docs/user/predictions.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from labelloop.label_studio import responses
from labelloop.label_studio.errors import Rejected
from labelloop.label_studio.project_api import project, select_model_version
from labelloop.label_studio.protocol import Operation, Request

CHUNK = 2000
"""About 600 KB: many proxies take no more than 1 MB."""
IMPORT_TIMEOUT = REMOVAL_TIMEOUT = 300.0
"""Label Studio removes 10,000 predictions in 30 s; it counts those of 100,000 tasks again in a minute."""


@dataclass(frozen=True)
class StoredVersion:
    """A model version of which a project stores predictions."""

    name: str
    count: int
    latest: datetime
    """When the newest of them was made."""


def import_predictions(project: int, predictions: Sequence[Mapping[str, object]]) -> Operation[int]:
    """Stores `{"task", "model_version", "score", "result"}` objects; returns how many Label Studio kept.

    It drops those that do not fit the labelling configuration without a word, so compare the number. Raises Rejected,
    when a task does not exist; nothing of that part is stored then.
    """
    created = 0
    for start in range(0, len(predictions), CHUNK):
        response = yield Request(
            "POST",
            f"/api/projects/{int(project)}/import/predictions",
            json=[dict(prediction) for prediction in predictions[start : start + CHUNK]],
            timeout=IMPORT_TIMEOUT,
        )
        answer = responses.read_object(response, f"predictions of project {project}")
        created += responses.field(response, answer, "created", int)
    return created


def stored_versions(project: int) -> Operation[list[StoredVersion]]:
    """The model versions of which a project stores predictions; those without a name are left out. Raises NotFound."""
    response = yield Request("GET", f"/api/projects/{int(project)}/model-versions", (("extended", "true"),))
    answer = responses.read_object(response, f"project {project}")
    return [
        StoredVersion(
            responses.field(response, item, "model_version", str),
            responses.field(response, item, "count", int),
            responses.time_field(response, item, "latest"),
        )
        for item in responses.objects(response, answer.get("static"))
        if item.get("model_version")
    ]


def remove_predictions(number: int, version: str) -> Operation[int]:
    """Removes a project's predictions of one version; returns how many there were. Raises NotFound, Rejected.

    Label Studio clears the project's `model_version` with any removal while that is the title of an ML backend, which
    turns prelabelling off. It is selected again.
    """
    before = (yield from project(number)).model_version
    response = yield Request(
        "DELETE",
        f"/api/projects/{int(number)}/model-versions/",
        json={"model_version": version},
        timeout=REMOVAL_TIMEOUT,
    )
    removed = responses.field(
        response, responses.read_object(response, f"predictions of {version}"), "deleted_predictions", int
    )
    after = (yield from project(number)).model_version
    if before not in ("", version) and not after:
        try:
            yield from select_model_version(number, before)
        except Rejected as error:
            if error.transient:
                raise  # else: no backend has this title any more; registration selects the new one
    return removed
