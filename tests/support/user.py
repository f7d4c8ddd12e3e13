"""What users of Label Studio do, through its HTTP API, as the browser or a script of theirs would."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar
from xml.sax.saxutils import quoteattr

import requests
from requests.adapters import HTTPAdapter

Json = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")

_CONCURRENCY = 4
_TIMEOUT = 120.0
IMPORT_ATTEMPTS = 5


class LabelStudioUser:
    """A person with an account: creates projects, imports texts, annotates, connects backends."""

    def __init__(self, url: str, token: str) -> None:
        """`token` is the legacy token of the account (tests and demo switch these on)."""
        self.url = url.rstrip("/")
        self.token = token
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", HTTPAdapter(pool_maxsize=_CONCURRENCY))
        self._session.headers["Authorization"] = f"Token {token}"

    def call(self, method: str, path: str, json: object = None, **query: str | int) -> Any:
        """One request; gives the decoded JSON answer, None when there is none.

        Raises requests.HTTPError that carries Label Studio's own words.
        """
        answer = self._session.request(method, f"{self.url}{path}", json=json, params=query, timeout=_TIMEOUT)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:500]}", response=answer)
        return answer.json() if answer.content else None

    # Projects and tasks

    def create_project(self, title: str, label_config: str) -> int:
        """Give the id of a new project; titles have 3 to 50 characters."""
        return int(self.call("POST", "/api/projects", {"title": title[:50], "label_config": label_config})["id"])

    def project(self, project: int) -> Json:
        """The project as Label Studio describes it."""
        found: Json = self.call("GET", f"/api/projects/{project}")
        return found

    def change_project(self, project: int, **fields: object) -> Json:
        """Change settings of a project, the labelling configuration included."""
        changed: Json = self.call("PATCH", f"/api/projects/{project}", fields)
        return changed

    def delete_project(self, project: int) -> None:
        """Delete a project with all that is in it."""
        self.call("DELETE", f"/api/projects/{project}")

    def import_tasks(self, project: int, data: Sequence[Mapping[str, object]]) -> list[int]:
        """Import one task for each mapping (such as `{"text": "..."}`); gives their ids in order."""
        return self._import(project, [{"data": dict(fields)} for fields in data])

    def import_annotated(self, project: int, labelled: Sequence[tuple[str, str]], control: str = "label") -> list[int]:
        """Import (text, label) pairs as tasks that already carry one annotation each, in bulk.

        When its database is locked Label Studio tries the import again, but without the annotations, which the first
        try has taken out of the tasks; it answers 201 all the same. Such tasks are deleted and imported again.
        """
        rows = [
            {"data": {"text": text}, "annotations": [{"result": choice(label, control), "ground_truth": False}]}
            for text, label in labelled
        ]
        for _ in range(IMPORT_ATTEMPTS):
            answer = self._import_answer(project, rows)
            ids = [int(task) for task in answer["task_ids"]]
            if answer["annotation_count"] == len(rows):
                return ids
            for task in ids:
                self.call("DELETE", f"/api/tasks/{task}")
        raise AssertionError(f"Label Studio lost the annotations of an import {IMPORT_ATTEMPTS} times in a row")

    def _import(self, project: int, rows: list[Json]) -> list[int]:
        return [int(task) for task in self._import_answer(project, rows)["task_ids"]]

    def _import_answer(self, project: int, rows: list[Json]) -> Json:
        answer: Json = self.call("POST", f"/api/projects/{project}/import", rows, return_task_ids="true")
        return answer

    def task(self, task: int) -> Json:
        """One task with annotations and predictions; Label Studio asks the backend when there is no prediction."""
        found: Json = self.call("GET", f"/api/tasks/{task}")
        return found

    def stored_predictions(self, project: int) -> dict[int, dict[str, float]]:
        """By task: model versions and scores of its predictions. Unlike `task`, it makes Label Studio ask nobody."""
        query = {"fields": "all", "include": "id,predictions", "page": 1, "page_size": 10_000}
        found = self.call("GET", "/api/tasks", project=project, **query)["tasks"]
        return {task["id"]: {item["model_version"]: item["score"] for item in task["predictions"]} for task in found}

    def predict(self, project: int, tasks: Sequence[int]) -> None:
        """Data Manager's "Batch predictions": for those of the tasks that have none of the current version yet."""
        chosen = {"selectedItems": {"all": False, "included": list(tasks)}}
        self.call("POST", "/api/dm/actions", chosen, id="retrieve_tasks_predictions", project=project)

    def counters(self, project: int) -> Json:
        """`total_annotations_number`, `skipped_annotations_number`, `task_number` and others."""
        counted: Json = self.call("GET", "/api/projects", ids=project)["results"][0]
        return counted

    # Annotations

    def annotate(self, task: int, label: str, control: str = "label") -> int:
        """Submit one annotation; gives its id."""
        return int(self.call("POST", f"/api/tasks/{task}/annotations", {"result": choice(label, control)})["id"])

    def skip(self, task: int) -> int:
        """Skip a task: Label Studio stores a cancelled annotation, whose id is given."""
        body = {"result": [], "was_cancelled": True}
        return int(self.call("POST", f"/api/tasks/{task}/annotations", body)["id"])

    def change(self, annotation: int, label: str, control: str = "label") -> None:
        """Change the label of a submitted annotation."""
        self.call("PATCH", f"/api/annotations/{annotation}", {"result": choice(label, control)})

    def turn_into_skip(self, annotation: int) -> None:
        """Turn a submitted annotation into a skipped one."""
        self.call("PATCH", f"/api/annotations/{annotation}", {"was_cancelled": True})

    def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        self.call("DELETE", f"/api/annotations/{annotation}")

    def annotate_all(self, labelled: Sequence[tuple[int, str]]) -> list[int]:
        """Submit one annotation for each (task, label), a few at a time as a team would; gives their ids in order."""
        return self.together(lambda pair: self.annotate(*pair), labelled)

    @staticmethod
    def together(act: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """Do the same with many things, a few at a time."""
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            return list(pool.map(act, things))

    # Backends and webhooks, as shown in the project's settings

    def backends(self, project: int) -> list[Json]:
        """The project's ML backends (Label Studio asks each for health and set-up)."""
        found: list[Json] = self.call("GET", "/api/ml", project=project)
        return found

    def start_training(self, backend: int) -> None:
        """What the button Start Training does."""
        self.call("POST", f"/api/ml/{backend}/train", {})

    def webhooks(self, project: int) -> list[Json]:
        """The project's webhooks."""
        found: list[Json] = self.call("GET", "/api/webhooks/", project=project)
        return found

    def delete_webhook(self, webhook: int) -> None:
        """Delete a webhook."""
        self.call("DELETE", f"/api/webhooks/{webhook}/")

    # The account

    def personal_token(self, email: str, password: str) -> str:
        """A new personal access token: log in as a browser would and press the button.

        Label Studio shows a token only once and allows one per account.
        """
        with requests.Session() as browser:
            browser.trust_env = False
            page = f"{self.url}/user/login/"
            browser.get(page, timeout=_TIMEOUT)
            form = {"email": email, "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
            browser.post(page, data=form, timeout=_TIMEOUT, allow_redirects=False)
            answer = browser.post(f"{self.url}/api/token/", json={}, timeout=_TIMEOUT)
            answer.raise_for_status()
            return str(answer.json()["token"])

    def allow_legacy_tokens(self, allowed: bool) -> None:
        """Switch legacy tokens of the organisation on or off."""
        self.call("POST", "/api/jwt/settings", {"api_tokens_enabled": True, "legacy_api_tokens_enabled": allowed})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()


def choice(label: str, control: str = "label", object_name: str = "text") -> list[Json]:
    """The `result` of an annotation that chooses one label."""
    value = {"choices": [label]}
    return [{"from_name": control, "to_name": object_name, "type": "choices", "value": value}]


def choices_config(labels: Iterable[str], control: str = "label", data_key: str = "text") -> str:
    """A labelling configuration with one single choice over a text."""
    options = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        f'<View><Text name="text" value="${data_key}"/>'
        f'<Choices name="{control}" toName="text" choice="single">{options}</Choices></View>'
    )
