"""What a client gets when its request cannot be answered: field, value and remedy, as JSON and as reason phrase."""

from collections.abc import Sequence

import orjson
from starlette.responses import Response

from labelloop.serving.bentoml_patches.reason_phrases import ReasonedStatus

MAX_VALUE_CHARACTERS = 100


class RequestError(Exception):
    """A request that gets a 4xx or 503 answer; `value` never holds texts of tasks."""

    def __init__(self, status: int, error: str, *, field: str | None = None, value: object = None, remedy: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.field = field
        self.value = None if value is None else str(value)[:MAX_VALUE_CHARACTERS]
        self.remedy = remedy

    def response(self) -> Response:
        """The answer: the whole story in the body, the short one in the reason phrase."""
        body = {"error": self.error, "field": self.field, "value": self.value, "remedy": self.remedy}
        told = orjson.dumps({key: text for key, text in body.items() if text is not None})
        headers = {"Retry-After": "5"} if self.status in (429, 503) else None
        return Response(told, ReasonedStatus(self.status, self.error), headers, "application/json")


class UnknownProjectError(RequestError):
    """This backend serves no project of that number."""

    def __init__(self, project: str, projects: Sequence[int]) -> None:
        known = ", ".join(map(str, projects))
        remedy = (
            f"Projects of this backend: {known}." if known else "This backend serves one model: leave ?project= out."
        )
        super().__init__(404, f"no project {project[:40]}", field="project", value=project, remedy=remedy)
        self.projects = projects


def unknown_path(path: str) -> Response:
    """The answer to a request for a path that is not served."""
    remedy = "See docs/operations/serving.md for the routes."
    return RequestError(404, "There is nothing at this path", field="path", value=path, remedy=remedy).response()
