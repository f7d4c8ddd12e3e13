"""A project of Label Studio as far as a training reads it: answers as the real one does (measured), fast at any size.

Every change of a task or its annotations moves the task's `updated_at`, a deleted task leaves no trace, and the times
are Label Studio's own. `answer` plays it without sockets, `serve` over loopback.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from labelloop.label_studio import Request, Response

Json = dict[str, Any]

TOKEN = "0123456789abcdef0123456789abcdef01234567"
URL = "http://label-studio.example:8080"


def choices_config(labels: Sequence[str], texts: Sequence[str] = ("text",)) -> str:
    """One control for each text, all with the same labels."""
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    controls = (
        f'<Text name="{text}" value="${text}"/><Choices name="label_{text}" toName="{text}">{choices}</Choices>'
        for text in texts
    )
    return f"<View>{''.join(controls)}</View>"


def moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class AnnotatedProject:
    """One project; its clock moves by `step` with each change."""

    def __init__(self, label_config: str, number: int = 7) -> None:
        self.number = number
        self.label_config = label_config
        self.created_at = datetime(2026, 11, 22, 5, tzinfo=UTC)
        self.now = self.created_at + timedelta(hours=1)
        self.step = timedelta(seconds=1)
        self.tasks: dict[int, Json] = {}
        self.requests: Counter[str] = Counter()
        """By what was asked for: project, counters, full (tasks with data), listed (tasks without), counted."""
        self.tasks_given: Counter[str] = Counter()
        """Tasks in answers: full or listed."""
        self._task_ids, self._annotation_ids = count(1), count(1)
        self._columns: dict[str, Any] | None = None

    # what people do

    def add_task(self, data: Json, *labels: str | None, control: str = "label_text") -> int:
        """An imported task, with an annotation for each label (None: skipped)."""
        task = next(self._task_ids)
        now = self._tick()
        self.tasks[task] = {"id": task, "data": data, "annotations": [], "created_at": now, "updated_at": now}
        for label in labels:
            self.tasks[task]["annotations"].append(self._annotation(label, control, now))
        return task

    def annotate(self, task: int, label: str | None, control: str = "label_text") -> int:
        """One more annotation (None: skipped); its id."""
        annotation = self._annotation(label, control, self._tick())
        self.tasks[task]["annotations"].append(annotation)
        self._touch(task)
        return int(annotation["id"])

    def edit(self, task: int, position: int, label: str, control: str = "label_text") -> None:
        """Another choice in an annotation."""
        annotation = self._chosen(task, position)
        annotation |= {"result": _result(label, control), "updated_at": self._tick()}
        self._touch(task)

    def skip(self, task: int, position: int, skipped: bool) -> None:
        """Turn an annotation into a skipped one, or back."""
        self._chosen(task, position).update(was_cancelled=skipped, updated_at=self._tick())
        self._touch(task)

    def delete_annotation(self, task: int, position: int) -> None:
        """Delete one."""
        self.tasks[task]["annotations"].remove(self._chosen(task, position))
        self._tick()
        self._touch(task)

    def delete_task(self, task: int) -> None:
        """Nothing describes it but the counters."""
        del self.tasks[task]
        self._tick()

    def edit_data(self, task: int, **data: str) -> None:
        """Change the task's texts."""
        self.tasks[task]["data"] |= data
        self._tick()
        self._touch(task)

    def predict(self, task: int) -> None:
        """A new prediction moves the task's time."""
        self._tick()
        self._touch(task)

    def step_hours(self, hours: int) -> None:
        """Nothing happens for so long."""
        self.now += timedelta(hours=hours)

    # what Label Studio answers

    def answer(self, request: Request) -> Response:
        """As `play` wants it."""
        return self.respond(request.path, dict(request.query))

    def respond(self, path: str, query: dict[str, str]) -> Response:
        """The answer to a GET."""
        if path == f"/api/projects/{self.number}":
            self.requests["project"] += 1
            document = self._described()
        elif path == "/api/projects":
            self.requests["counters"] += 1
            document = {"count": 1, "results": [self._described()]}
        elif path == "/api/tasks" and query["project"] == str(self.number):
            document = self._page(query)
        else:
            return _response(404, {"detail": "Not found."})
        return _response(200, document)

    def _described(self) -> Json:
        return {
            **self.counters(),
            "title": "Tickets",
            "created_at": moment(self.created_at),
            "label_config": self.label_config,
            "model_version": "",
        }

    def _page(self, query: dict[str, str]) -> Json:
        view = json.loads(query["query"])
        columns = self._indexed()
        chosen = np.ones(len(columns["id"]), np.bool_)
        for item in view["filters"]["items"]:
            column, value = item["filter"].removeprefix("filter:tasks:"), item["value"]
            values = columns[column]
            if column == "updated_at":
                value = np.datetime64(value.removesuffix("Z"), "us")
            operators = {"greater": np.greater, "less_or_equal": np.less_equal, "equal": np.equal}
            chosen &= operators[item["operator"]](values, value)
        found = np.flatnonzero(chosen)
        if view["ordering"] == ["-tasks:updated_at"]:
            found = found[np.argsort(columns["updated_at"][found])[::-1]]
        else:
            assert view["ordering"] == ["tasks:id"]
        included = query["include"].split(",")
        page = [self.tasks[int(task)] for task in columns["id"][found[: int(query["page_size"])]]]
        what = "full" if "data" in included else "listed" if "annotations" in included else "counted"
        self.requests[what] += 1
        self.tasks_given[what] += len(page)
        return {"total": len(found), "tasks": [_included(task, included) for task in page]}

    def _indexed(self) -> dict[str, Any]:
        if self._columns is None:
            tasks = [self.tasks[task] for task in sorted(self.tasks)]
            skipped = [sum(item["was_cancelled"] for item in task["annotations"]) for task in tasks]
            times = [task["updated_at"].replace(tzinfo=None) for task in tasks]
            self._columns = {
                "id": np.array([task["id"] for task in tasks], np.int64),
                "updated_at": np.array(times, "datetime64[us]"),
                "total_annotations": np.array([len(task["annotations"]) for task in tasks], np.int64) - skipped
                if tasks
                else np.zeros(0, np.int64),
                "cancelled_annotations": np.array(skipped, np.int64),
            }
        return self._columns

    def counters(self) -> Json:
        """As Label Studio counts."""
        columns = self._indexed()
        return {
            "id": self.number,
            "task_number": len(self.tasks),
            "total_annotations_number": int(columns["total_annotations"].sum()),
            "skipped_annotations_number": int(columns["cancelled_annotations"].sum()),
        }

    def _annotation(self, label: str | None, control: str, now: datetime) -> Json:
        return {
            "id": next(self._annotation_ids),
            "result": _result(label or "skipped", control),
            "was_cancelled": label is None,
            "ground_truth": False,
            "completed_by": 1,
            "parent_prediction": None,
            "created_at": now,
            "updated_at": now,
        }

    def _chosen(self, task: int, position: int) -> Json:
        annotations: list[Json] = self.tasks[task]["annotations"]
        return annotations[position % len(annotations)]

    def _tick(self) -> datetime:
        self.now += self.step
        self._columns = None
        return self.now

    def _touch(self, task: int) -> None:
        self.tasks[task]["updated_at"] = self.now


@contextmanager
def serve(project: AnnotatedProject) -> Iterator[str]:
    """The project's address on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body of an answer in one packet: the second would wait for the acknowledgement of the first.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if self.headers.get("Authorization") != f"Token {TOKEN}":
                self._send(_response(401, {"detail": "Invalid token."}))
            else:
                self._send(project.respond(parts.path, dict(parse_qsl(parts.query))))

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _result(label: str, control: str) -> list[Json]:
    value = {"choices": [label]}
    return [
        {"id": "r", "from_name": control, "to_name": control.removeprefix("label_"), "type": "choices", "value": value}
    ]


def _included(item: Json, names: Sequence[str]) -> Json:
    """The keys asked for; nested objects are filtered by the same names, and ids are always there."""
    found: Json = {}
    for name in ("id", *names):
        if name not in item:
            continue
        value = item[name]
        if name == "annotations":
            value = [_included(annotation, names) for annotation in value]
        found[name] = moment(value) if isinstance(value, datetime) else value
    return found


def _response(status: int, document: Json) -> Response:
    return Response(status, {"content-type": "application/json"}, json.dumps(document).encode(), url=f"{URL}/api/some")
