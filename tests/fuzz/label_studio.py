"""What something that only claims to be Label Studio answers: to every operation, with both kinds of tokens.

The client is the one of pods and command line (`requests`), its connections replaced below; the operator's client
shares all of it but the socket.
"""

import json
import ssl
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from tests.fuzz.cases import Broken, Memory, Report, fuzz
from tests.fuzz.odd_json import encoded, mutated
from tests.fuzz.odd_xml import SAMPLES
from tests.fuzz.registry_world import CANARY, twisted
from tests.fuzz.wire import Answer, replaced_connections

from labelloop import label_studio as library
from labelloop.datasets.rows import RowError
from labelloop.datasets.snapshot import Snapshot
from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio.client import LabelStudioClient

HOST = "label-studio.example:8080"
LONGEST_MESSAGE = 1500
ALLOWED_GROWTH = 128 * 2**20
MOST_REQUESTS = 60
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
ANNOTATION = {
    "id": 3,
    "created_at": "2026-11-22T05:00:00.000000Z",
    "updated_at": "2026-11-22T05:00:00.123456Z",
    "was_cancelled": False,
    "ground_truth": False,
    "completed_by": 1,
    "result": [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["positive"]}}],
}
TASK = {
    "id": 5,
    "data": {"text": CANARY},
    "updated_at": "2026-11-22T05:00:00.123456Z",
    "annotations": [ANNOTATION],
}
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="label" toName="text">'
    '<Choice value="positive"/><Choice value="negative"/></Choices></View>'
)

Case = dict[str, Any]


class LabelStudioTarget:
    """See the module."""

    name = "label-studio"
    full = 100_000
    short = 800

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases."""
        report = Report(self.name)
        report.memory = Memory("self", ALLOWED_GROWTH)
        # Reading the root certificates takes longer than everything else.
        context = ssl.create_default_context()
        with patch.object(library.Credentials, "tls_context", lambda _: context):
            return fuzz(report, cases, seed, self.make, self.check, show)

    def make(self, random: Random) -> Case:
        """An operation and which of its answers are odd (number of the request -> seed)."""
        odd = {str(number): random.getrandbits(40) for number in range(6) if random.random() < 0.4}
        scheme = random.choice(("http", "https"))
        return {"operation": random.choice([*OPERATIONS]), "scheme": scheme, "jwt": random.random() < 0.5, "odd": odd}

    def check(self, case: Case) -> str:
        """A result or a documented error that tells no body and no token; the token goes to Label Studio alone."""
        wire = Wire(case)
        try:
            _run(case, wire)
            outcome = "done"
        except (library.LabelStudioError, RowError) as error:
            _check_message(str(error), wire.token)
            outcome = type(error).__name__
        if wire.leak:
            raise Broken(f"the token was sent to {wire.leak}")
        return outcome


def show(case: Case) -> object:
    """The case with what was exchanged."""
    wire = Wire(case)
    try:
        _run(case, wire)
    except Exception as error:
        return {**case, "exchanges": wire.log, "raised": repr(error)[:500]}
    return {**case, "exchanges": wire.log}


def _run(case: Case, wire: "Wire") -> None:
    credentials = library.Credentials(f"{case['scheme']}://{HOST}", wire.token)
    with replaced_connections(wire.exchange), LabelStudioClient(credentials) as client:
        OPERATIONS[str(case["operation"])](client)


def _check_message(message: str, token: str) -> None:
    if CANARY in message:
        raise Broken(f"the message quotes the body: {message[:300]}")
    if token in message:
        raise Broken("the message tells the token")
    if not message or len(message) > LONGEST_MESSAGE or "\n" in message:
        raise Broken(f"a message of {len(message)} characters, or of several lines")
    message.encode()


def _snapshot(client: LabelStudioClient) -> None:
    schema = parse_label_config(CONFIG)
    tasks = client.run(library.labelled_tasks(7))
    Snapshot.from_tasks(tasks, schema, project=7, url="http://x").examples(schema)


OPERATIONS: Mapping[str, Callable[[LabelStudioClient], object]] = {
    "project": lambda client: client.run(library.project(7)),
    "counters": lambda client: client.run(library.counters([7, 8])),
    "scan": lambda client: client.run(library.scan(7, NOW)),
    "read tasks": _snapshot,
    "unlabelled tasks": lambda client: client.run(library.unlabelled_tasks(7)),
    "webhooks": lambda client: client.run(library.webhooks(7)),
    "create webhook": lambda client: client.run(library.create_webhook(7, "http://x/webhook", ["A"], {"a": "b"})),
    "update webhook": lambda client: client.run(library.update_webhook(1, "http://x/webhook", ["A"], {})),
    "delete webhook": lambda client: client.run(library.delete_webhook(1)),
    "backends": lambda client: client.run(library.backends(7)),
    "backend": lambda client: client.run(library.backend(1)),
    "create backend": lambda client: client.run(library.create_backend(7, "http://x", "title")),
    "import predictions": lambda client: client.run(library.import_predictions(7, [{"task": 1}])),
    "stored versions": lambda client: client.run(library.stored_versions(7)),
    "remove predictions": lambda client: client.run(library.remove_predictions(7, "model-0123456789ab")),
    "tasks without prediction": lambda client: client.run(
        library.tasks_without_prediction(7, "model-0123456789ab", unlabelled=True)
    ),
}


@cache
def _sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def _good(method: str, path: str) -> object:
    """What Label Studio answers, near enough."""
    if path.endswith("/api/token/refresh/"):
        return {"access": _jwt("access")}
    if path.endswith("/api/projects"):
        counters = {"total_annotations_number": 3, "skipped_annotations_number": 1, "task_number": 9}
        return {"count": 1, "results": [{**_sample("api_project_create_response"), **counters}]}
    if path.rstrip("/").endswith("/model-versions"):
        stored = {"model_version": "model-0123456789ab", "count": 3, "latest": "2026-11-22T06:00:00.000000Z"}
        return {"deleted_predictions": 3} if method == "DELETE" else {"static": [stored], "live": None}
    if "/api/projects/" in path:
        return _sample("api_project_create_response")
    if path.endswith("/api/tasks"):
        return {"total": 1, "tasks": [TASK]}
    name = "api_webhooks_create_response" if "webhook" in path else "api_ml_create_response"
    is_list = method == "GET" and path.endswith(("/api/webhooks/", "/api/ml"))
    return [_sample(name)] if is_list else _sample(name)


def _jwt(kind: str) -> str:
    claims = urlsafe_b64encode(json.dumps({"token_type": kind, "exp": 2e9, "iat": 1.9e9}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.signature-of-{kind}"


@dataclass
class Wire:
    """Stands where the connections are."""

    case: Case
    log: list[dict[str, object]] = field(default_factory=list)
    leak: str = ""

    @property
    def token(self) -> str:
        """The one configured."""
        return _jwt("refresh") if self.case.get("jwt") else "0123456789abcdef0123456789abcdef01234567"

    def exchange(self, url: str, method: str, headers: dict[str, str], _body: object) -> Answer:
        """One request."""
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != (self.case["scheme"], HOST):
            self.leak = f"{parts.scheme}://{parts.netloc}"
        if len(self.log) > MOST_REQUESTS:
            raise Broken(f"more than {MOST_REQUESTS} requests for one operation")
        good = _good(method, parts.path)
        answer = Answer(200, {"Content-Type": "application/json"}, json.dumps(good).encode())
        seed = self.case["odd"].get(str(len(self.log)))
        if seed is not None:
            answer = _odd(good, answer, seed)
        self.log.append({"method": method, "url": url[:200], "answer": str(answer)[:600]})
        return answer


def _odd(good: object, answer: Answer, seed: int) -> Answer:
    random = Random(seed)
    if random.random() < 0.6:
        document = mutated(good, random)
        answer.body = encoded(document, random) if random.random() < 0.3 else json.dumps(document).encode()
        return answer
    answer = twisted(answer, seed)
    if answer.status >= 400 and answer.body.lstrip()[:1] in (b"{", b"["):
        # Of error objects the messages are reported, whatever they say.
        answer.body = answer.body.replace(CANARY.encode(), b"x")
    return answer
