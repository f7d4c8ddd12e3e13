"""Projects: their settings, their counters, and which predictions annotators are shown."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labelloop.label_studio import responses
from labelloop.label_studio.protocol import Operation, Request, Response

MAX_IDS = 100
"""Largest page of Label Studio's project lists."""
_COUNTERS = (
    "id,created_at,task_number,total_annotations_number,skipped_annotations_number,model_version,"
    "show_collab_predictions"
)
_PROJECT = f"{_COUNTERS},title,label_config"


@dataclass(frozen=True)
class Counters:
    """What a poll compares of a project; `total` leaves skipped annotations out, as Label Studio does."""

    total: int
    skipped: int
    tasks: int
    model_version: str = ""
    """Title of the live backend, a version of static predictions, or empty."""
    shows_predictions: bool = True
    """The project's setting `show_collab_predictions`."""
    created_at: datetime | None = None

    @property
    def size(self) -> int:
        """All annotations, skipped ones included."""
        return self.total + self.skipped


@dataclass(frozen=True)
class Project:
    """The part of a project that matters here."""

    id: int
    title: str
    created_at: datetime
    label_config: str
    model_version: str
    """Title of the live backend, a version of static predictions, or empty."""
    total_annotations: int
    skipped_annotations: int
    task_number: int
    shows_predictions: bool = True
    """The project's setting `show_collab_predictions`."""

    @property
    def size(self) -> int:
        """All annotations, skipped ones included."""
        return self.total_annotations + self.skipped_annotations

    @property
    def key(self) -> str:
        """The project as `/setup` and `/predict` name it: `<id>.<unix time of creation>`."""
        return f"{self.id}.{int(self.created_at.timestamp())}"


def project(id: int) -> Operation[Project]:  # noqa: A002 - Label Studio's own name
    """One project. Raises NotFound."""
    response = yield Request("GET", f"/api/projects/{int(id)}")
    return _project(response, responses.read_object(response, f"project {id}"))


def projects(ids: Iterable[int]) -> Operation[dict[int, Project]]:
    """Many projects in one request per 100; one that does not exist is missing in the result."""
    found: dict[int, Project] = {}
    for chunk in _chunks(ids):
        response, items = yield from _listed(chunk, _PROJECT)
        for item in items:
            made = _project(response, item)
            found[made.id] = made
    return found


def counters(ids: Iterable[int]) -> Operation[dict[int, Counters]]:
    """Counters of many projects in one request per 100; a project that does not exist is missing in the result.

    From the list of projects: `/api/projects/counts` costs the same, tells less and is missing before release 1.16.
    """
    found: dict[int, Counters] = {}
    for chunk in _chunks(ids):
        response, items = yield from _listed(chunk, _COUNTERS)
        for item in items:
            found[responses.field(response, item, "id", int)] = _counters(response, item)
    return found


def predictions_of(id: int, version: str) -> Operation[int]:  # noqa: A002 - Label Studio's own name
    """How many predictions of a version Label Studio stores for a project. Raises NotFound."""
    response = yield Request("GET", f"/api/projects/{int(id)}/model-versions")
    stored = responses.read_object(response, f"project {id}").get(version)
    return stored if isinstance(stored, int) else 0


def select_model_version(id: int, version: str) -> Operation[None]:  # noqa: A002 - Label Studio's own name
    """Have annotators shown the predictions of `version`, a backend's title. Raises NotFound, Rejected."""
    response = yield Request("PATCH", f"/api/projects/{int(id)}", json={"model_version": version})
    responses.read_object(response, f"model version {version} of project {id}")


def _listed(chunk: str, fields: str) -> Operation[tuple[Response, list[Mapping[str, Any]]]]:
    query = (("ids", chunk), ("page_size", str(MAX_IDS)), ("include", fields))
    response = yield Request("GET", "/api/projects", query)
    page = responses.read_object(response, f"the projects {chunk}")
    return response, responses.objects(response, page.get("results"))


def _chunks(ids: Iterable[int]) -> Iterator[str]:
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), MAX_IDS):
        yield ",".join(str(id_) for id_ in wanted[start : start + MAX_IDS])


def _project(response: Response, item: Mapping[str, Any]) -> Project:
    counters = _counters(response, item)
    return Project(
        id=responses.field(response, item, "id", int),
        title=responses.field(response, item, "title", str),
        created_at=responses.time_field(response, item, "created_at"),
        label_config=responses.field(response, item, "label_config", str),
        model_version=counters.model_version,
        total_annotations=counters.total,
        skipped_annotations=counters.skipped,
        task_number=counters.tasks,
        shows_predictions=counters.shows_predictions,
    )


def _counters(response: Response, item: Mapping[str, Any]) -> Counters:
    model_version = item.get("model_version")
    return Counters(
        total=responses.field(response, item, "total_annotations_number", int),
        skipped=responses.field(response, item, "skipped_annotations_number", int),
        tasks=responses.field(response, item, "task_number", int),
        model_version=model_version if isinstance(model_version, str) else "",
        shows_predictions=item.get("show_collab_predictions") is not False,
        created_at=responses.time_field(response, item, "created_at"),
    )
