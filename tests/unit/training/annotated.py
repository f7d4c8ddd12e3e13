"""Annotated projects for tests: tasks as Label Studio's API gives them, and a loopback server that gives them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from examples.tickets.generator import tickets

TOKEN = "0123456789abcdef0123456789abcdef01234567"
START = datetime(2026, 11, 22, 6, tzinfo=UTC)


def config(labels, name="label", multiple=False):
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    kind = "multiple" if multiple else "single"
    return (
        '<View><Text name="text" value="$text"/>'
        f'<Choices name="{name}" toName="text" choice="{kind}">{choices}</Choices></View>'
    )


def moment(seconds):
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def annotation(number, labels, *, skipped=False, from_name="label", seconds=None):
    result = {"id": "r", "from_name": from_name, "to_name": "text", "type": "choices", "origin": "manual"}
    return {
        "id": number,
        "result": [{**result, "value": {"choices": list(labels)}}] if labels else [],
        "was_cancelled": skipped,
        "ground_truth": False,
        "completed_by": 1,
        "created_at": moment(number),
        "updated_at": moment(number if seconds is None else seconds),
    }


def task(number, text, *annotations):
    return {"id": number, "data": {"text": text}, "annotations": list(annotations), "updated_at": moment(number)}


def ticket_tasks(count, seed=7):
    return [task(i, t.text, annotation(i, [t.label])) for i, t in enumerate(tickets(count, seed), start=1)]


@contextmanager
def label_studio(tasks, label_config, project=7) -> Iterator[str]:
    """The address of a Label Studio on loopback that has this project; it only reads."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if self.headers.get("Authorization") != f"Token {TOKEN}":
                self._answer(401, {"detail": "Invalid token."})
            elif path == f"/api/projects/{project}":
                self._answer(200, _project(tasks, label_config, project))
            elif path == "/api/tasks":
                self._answer(200, {"tasks": _selected(tasks, query), "total": len(tasks)})
            else:
                self._answer(404, {"detail": "Not found."})

        def _answer(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _project(tasks, label_config, number):
    made = [item for entry in tasks for item in entry["annotations"]]
    skipped = sum(item["was_cancelled"] for item in made)
    return {
        "id": number,
        "title": "Tickets",
        "created_at": moment(0),
        "label_config": label_config,
        "model_version": "",
        "task_number": len(tasks),
        "total_annotations_number": len(made) - skipped,
        "skipped_annotations_number": skipped,
    }


def _selected(tasks, query):
    view = json.loads(query["query"][0])
    size = int(query["page_size"][0])
    if view["ordering"] == ["-tasks:updated_at"]:
        return sorted(tasks, key=lambda entry: entry["updated_at"], reverse=True)[:size]
    columns = {
        "id": lambda entry: entry["id"],
        "updated_at": lambda entry: entry["updated_at"],
        "total_annotations": lambda entry: sum(not item["was_cancelled"] for item in entry["annotations"]),
        "cancelled_annotations": lambda entry: sum(item["was_cancelled"] for item in entry["annotations"]),
    }
    filters = [(columns[item["filter"].split(":")[-1]], item["value"]) for item in view["filters"]["items"]]
    found = [entry for entry in tasks if all(column(entry) > value for column, value in filters)]
    return sorted(found, key=columns["id"])[:size]
