"""A Label Studio as far as the operator sees it: projects, annotations with times, webhooks, ML backends."""

import asyncio
import copy
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

TOKEN = "0123456789abcdef0123456789abcdef01234567"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="billing"/><Choice value="login"/></Choices></View>'
)
SSRF = "URL resolves to a reserved network address (block: 10.0.0.0/8)"


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass
class Annotation:
    id: int
    created_at: datetime
    updated_at: datetime
    was_cancelled: bool = False
    label: str | None = None

    def answer(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "created_at": text(self.created_at),
            "updated_at": text(self.updated_at),
            "was_cancelled": self.was_cancelled,
        }

    def full_answer(self) -> dict[str, Any]:
        value = {"choices": [self.label]}
        result = {"from_name": "label", "to_name": "text", "type": "choices", "value": value}
        rest = {"ground_truth": False, "completed_by": 1, "parent_prediction": None}
        return {**self.answer(), **rest, "result": [] if self.label is None else [result]}


@dataclass(frozen=True)
class Prediction:
    id: int
    model_version: str
    created_at: datetime
    score: float | None
    result: list[dict[str, Any]]


@dataclass
class Task:
    id: int
    updated_at: datetime
    annotations: dict[int, Annotation] = field(default_factory=dict)
    text: str = ""
    predictions: list[Prediction] = field(default_factory=list)


@dataclass
class Project:
    id: int
    label_config: str = CONFIG
    model_version: str = ""
    created_at: str = "2026-11-22T05:00:00.000000Z"
    tasks: dict[int, Task] = field(default_factory=dict)
    shows_predictions: bool = True
    predictions: dict[str, int] = field(default_factory=dict)
    """How many are stored of each version, besides those that tasks hold."""

    def stored(self) -> dict[str, list[Prediction]]:
        """What tasks hold, by version."""
        found: dict[str, list[Prediction]] = {}
        for task in self.tasks.values():
            for prediction in task.predictions:
                found.setdefault(prediction.model_version, []).append(prediction)
        return found

    def versions(self) -> dict[str, int]:
        """How many are stored of each version."""
        return self.predictions | {version: len(stored) for version, stored in self.stored().items()}


Interceptor = Callable[[web.Request, Callable[[], Awaitable[web.StreamResponse]]], Awaitable[web.StreamResponse]]
"""Answers a request instead of Label Studio; the last argument carries it out."""


class FakeLabelStudio:
    """Its clock advances by a second with each change; `calls` counts requests by method and path."""

    def __init__(self) -> None:
        self.url = ""
        self.now = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
        self.projects: dict[int, Project] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.backends: dict[int, dict[str, Any]] = {}
        self.calls: Counter[tuple[str, str]] = Counter()
        self.token = TOKEN
        self.release: str | None = "1.23.2"
        self.broken: int | None = None
        """Status that every request gets."""
        self.held: Callable[[], bool] = lambda: False
        """While true no request is answered: whoever asks stays in the middle of what it does."""
        self.html = False
        self.interceptor: Interceptor | None = None
        self.data_of: Callable[[Task], dict[str, Any]] = lambda task: {"text": task.text}
        self.guard_backends = self.guard_webhooks = False
        self.backend_state = "CO"
        self._ids = iter(range(1, 1_000_000))
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> "FakeLabelStudio":
        application = web.Application(middlewares=[self._gate])
        application.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    def writes(self) -> int:
        """How many requests wanted to change something."""
        return sum(count for (method, _), count in self.calls.items() if method != "GET")

    async def stop(self) -> None:
        """Nobody listens any more; `start` listens on the same port again."""
        if self._runner is not None:
            await self._runner.cleanup()

    def become(self, other: "FakeLabelStudio") -> None:
        """Hold what the other holds."""
        kept = (other.projects, other.webhooks, other.backends, other.now, other._ids)
        self.projects, self.webhooks, self.backends, self.now, self._ids = copy.deepcopy(kept)

    def add_project(self, number: int, tasks: int = 5) -> Project:
        project = self.projects[number] = Project(number)
        for _ in range(tasks):
            task = Task(next(self._ids), self._tick())
            project.tasks[task.id] = task
        return project

    def add_labelled(self, project: int, text: str, label: str) -> Annotation:
        """A new task with one annotation."""
        now = self._tick()
        task = Task(next(self._ids), now, text=text)
        annotation = Annotation(next(self._ids), now, now, label=label)
        task.annotations[annotation.id] = annotation
        self.projects[project].tasks[task.id] = task
        return annotation

    def annotate(self, project: int, count: int = 1, skipped: bool = False) -> list[Annotation]:
        made = []
        tasks = list(self.projects[project].tasks.values())
        for number in range(count):
            task = tasks[number % len(tasks)]
            now = task.updated_at = self._tick()
            annotation = Annotation(next(self._ids), now, now, skipped)
            task.annotations[annotation.id] = annotation
            made.append(annotation)
        return made

    def edit(self, project: int, annotation: int) -> Annotation:
        for task in self.projects[project].tasks.values():
            if annotation in task.annotations:
                found = task.annotations[annotation]
                found.updated_at = task.updated_at = self._tick()
                return found
        raise KeyError(annotation)

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls[request.method, request.path] += 1
        while self.held():  # noqa: ASYNC110 - the test decides, in a thread of its own
            await asyncio.sleep(0.01)
        if self.html:
            return web.Response(text="<html>log in</html>", content_type="text/html")
        if self.broken is not None:
            return web.json_response({"detail": "broken"}, status=self.broken)
        if request.headers.get("Authorization") != f"Token {self.token}":
            return web.json_response({"detail": "Invalid token."}, status=401)
        if self.interceptor is not None:
            return await self.interceptor(request, lambda: handler(request))
        return await handler(request)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        match (request.method, parts):
            case ("GET", ["api", "version"]) if self.release is not None:
                return web.json_response({"release": self.release})
            case ("GET", ["api", "projects"]):
                return self._described(request)
            case (method, ["api", "projects", number]):
                return await self._project(request, method, int(number))
            case (method, ["api", "projects", number, "model-versions"]):
                return await self._model_versions(request, method, int(number))
            case ("POST", ["api", "projects", number, "import", "predictions"]):
                return await self._import_predictions(request, int(number))
            case ("GET", ["api", "tasks"]):
                return self._tasks(request)
            case (method, ["api", "webhooks", *rest]):
                return await self._webhooks(request, method, rest)
            case (method, ["api", "ml", *rest]):
                return await self._backends(request, method, rest)
        return web.json_response({"detail": "Not found."}, status=404)

    def _counters(self, project: Project) -> dict[str, Any]:
        found = [annotation for task in project.tasks.values() for annotation in task.annotations.values()]
        skipped = sum(annotation.was_cancelled for annotation in found)
        return {
            "id": project.id,
            "task_number": len(project.tasks),
            "total_annotations_number": len(found) - skipped,
            "skipped_annotations_number": skipped,
        }

    async def _project(self, request: web.Request, method: str, number: int) -> web.Response:
        project = self.projects.get(number)
        if project is None:
            return _gone()
        if method == "PATCH":
            version = (await request.json())["model_version"]
            if version and version not in (*self._titles(number), *project.versions()):
                refusal = "Model version doesn't exist either as live model or as static predictions."
                return web.json_response({"validation_errors": {"model_version": [refusal]}}, status=400)
            project.model_version = version
        return web.json_response(self._description(project))

    async def _model_versions(self, request: web.Request, method: str, number: int) -> web.Response:
        project = self.projects.get(number)
        if project is None:
            return _gone()
        if method == "DELETE":
            return self._remove_predictions(project, (await request.json())["model_version"])
        if request.query.get("extended") != "true":
            return web.json_response(project.versions())
        latest = {version: max(item.created_at for item in stored) for version, stored in project.stored().items()}
        static = [
            {"model_version": version, "count": count, "latest": text(latest.get(version, self.now))}
            for version, count in project.versions().items()
        ]
        return web.json_response({"static": static, "live": None})

    def _remove_predictions(self, project: Project, version: str) -> web.Response:
        """With any version goes the project's choice, when that is a backend's title."""
        if project.model_version in (version, *self._titles(project.id)):
            project.model_version = ""
        removed = project.predictions.pop(version, 0)
        for task in project.tasks.values():
            kept = [prediction for prediction in task.predictions if prediction.model_version != version]
            removed += len(task.predictions) - len(kept)
            task.predictions = kept
        return web.json_response({"deleted_predictions": removed})

    async def _import_predictions(self, request: web.Request, number: int) -> web.Response:
        """All or nothing for unknown tasks; what does not fit the labelling configuration is left out silently."""
        project = self.projects.get(number)
        if project is None:
            return _gone()
        items = await request.json()
        for item in items:
            if item["task"] not in project.tasks:
                refusal = f'{item} contains invalid "task" field'
                body = {"detail": "Validation error", "validation_errors": {"non_field_errors": [refusal]}}
                return web.json_response(body, status=400)
        fitting = [item for item in items if _fits(item["result"], project.label_config)]
        now = self._tick()
        for item in fitting:
            version, score = item.get("model_version", "undefined"), item.get("score")
            made = Prediction(next(self._ids), version, now, score, item["result"])
            project.tasks[item["task"]].predictions.append(made)
        return web.json_response({"created": len(fitting)}, status=201)

    def _titles(self, number: int) -> list[str]:
        return [item["title"] for item in self.backends.values() if item["project"] == number]

    def _described(self, request: web.Request) -> web.Response:
        ids = [int(item) for item in request.query["ids"].split(",")]
        results = [self._description(self.projects[number]) for number in ids if number in self.projects]
        return web.json_response({"count": len(results), "results": results})

    def _description(self, project: Project) -> dict[str, Any]:
        return {
            **self._counters(project),
            "title": f"project {project.id}",
            "created_at": project.created_at,
            "label_config": project.label_config,
            "model_version": project.model_version,
            "show_collab_predictions": project.shows_predictions,
        }

    def _tasks(self, request: web.Request) -> web.Response:
        project = self.projects.get(int(request.query["project"]))
        if project is None:
            return _gone()
        view = json.loads(request.query["query"])
        found = [
            task
            for task in sorted(project.tasks.values(), key=lambda task: task.id)
            if all(_matches(task, item) for item in view["filters"]["items"])
        ]
        if view["ordering"] == ["-tasks:updated_at"]:
            found.sort(key=lambda task: task.updated_at, reverse=True)
        page = found[: int(request.query["page_size"])]
        full = "result" in request.query["include"]
        tasks = [
            {
                "id": task.id,
                "updated_at": text(task.updated_at),
                "data": self.data_of(task),
                "annotations": [
                    annotation.full_answer() if full else annotation.answer()
                    for annotation in task.annotations.values()
                ],
            }
            for task in page
        ]
        return web.json_response({"tasks": tasks, "total": len(found)})

    async def _webhooks(self, request: web.Request, method: str, rest: list[str]) -> web.Response:
        if method == "GET":
            wanted = request.query.get("project")
            found = [hook for hook in self.webhooks.values() if wanted is None or hook["project"] == int(wanted)]
            return web.json_response(found)
        if method == "DELETE":
            return _gone() if self.webhooks.pop(int(rest[0]), None) is None else web.Response(status=204)
        if self.guard_webhooks:
            return web.json_response({"detail": SSRF}, status=403)
        body = await request.json()
        if method == "POST":
            number = next(self._ids)
            self.webhooks[number] = {"id": number, **body}
            return web.json_response(self.webhooks[number], status=201)
        number = int(rest[0])
        if number not in self.webhooks:
            return _gone()
        self.webhooks[number] |= {**body, "actions": body.get("actions", [])}
        return web.json_response(self.webhooks[number])

    async def _backends(self, request: web.Request, method: str, rest: list[str]) -> web.Response:
        if method == "DELETE":
            return web.Response(status=204) if self.remove_backend(int(rest[0])) else _gone()
        if method == "GET" and rest:
            found = self.backends.get(int(rest[0]))
            return _gone() if found is None else web.json_response({**found, "state": self.backend_state})
        if method == "GET":
            number = int(request.query["project"])
            if number not in self.projects:
                return _gone()
            chosen = [item for item in self.backends.values() if item["project"] == number]
            return web.json_response([{**item, "state": self.backend_state} for item in chosen])
        if self.guard_backends:
            return web.json_response({"detail": SSRF}, status=403)
        body = await request.json()
        if method == "POST":
            return await self._connect(body)
        number = int(rest[0])
        if number not in self.backends:
            return _gone()
        if "url" not in body or "project" not in body:
            return web.json_response({"detail": "missing 1 required positional argument"}, status=500)
        before = self.backends[number]
        self._retitled(before["project"], before["title"], body.get("title", before["title"]))
        before |= body
        return web.json_response(self._shown(number))

    def remove_backend(self, number: int) -> bool:
        """As somebody does under Settings > Model: the webhook stays. False: there is none."""
        gone = self.backends.pop(number, None)
        if gone is not None:
            self._retitled(gone["project"], gone["title"], "")
        return gone is not None

    def _retitled(self, number: int, before: str, after: str) -> None:
        """The project's model version follows the title that it equalled."""
        project = self.projects.get(number)
        if project is not None and project.model_version == before:
            project.model_version = after

    async def _connect(self, body: dict[str, Any]) -> web.Response:
        number = next(self._ids)
        self.backends[number] = {"id": number, "state": self.backend_state, "auto_update": True, **body}
        hook = f"{body['url']}/webhook"
        if self.guard_webhooks:
            return web.json_response({"detail": SSRF}, status=403)
        if not any(item["url"] == hook for item in self.webhooks.values()):
            await self._make_own_webhook(body["project"], hook)
        project = self.projects.get(body["project"])
        if project is not None and project.shows_predictions and not project.model_version:
            project.model_version = body["title"]
        return web.json_response(self._shown(number), status=201)

    async def _make_own_webhook(self, project: int, url: str) -> None:
        number = next(self._ids)
        self.webhooks[number] = {
            "id": number,
            "project": project,
            "url": url,
            "actions": [],
            "headers": {},
            "is_active": True,
            "send_payload": True,
            "send_for_all_actions": True,
        }

    def _shown(self, number: int) -> dict[str, Any]:
        return {key: value for key, value in self.backends[number].items() if key != "basic_auth_pass"}


def _gone() -> web.Response:
    return web.json_response({"detail": "Not found."}, status=404)


def _fits(result: list[dict[str, Any]], label_config: str) -> bool:
    """Whether all choices stand in the configuration."""
    chosen = [choice for region in result for choice in region["value"].get("choices", [])]
    return all(f'"{choice}"' in label_config for choice in chosen)


def _matches(task: Task, item: dict[str, Any]) -> bool:
    column = item["filter"].removeprefix("filter:tasks:")
    if column == "predictions_model_versions":
        has = any(part in prediction.model_version for part in item["value"] for prediction in task.predictions)
        return has is (item["operator"] == "contains")
    skipped = sum(annotation.was_cancelled for annotation in task.annotations.values())
    values: dict[str, Any] = {
        "id": task.id,
        "updated_at": text(task.updated_at),
        "total_annotations": len(task.annotations) - skipped,
        "cancelled_annotations": skipped,
    }
    wanted, value = item["value"], values[column]
    compared = {"greater": value > wanted, "less_or_equal": value <= wanted, "equal": value == wanted}
    return compared[item["operator"]]
