"""`labelloop serve` as a process on loopback, and what is promised of each of its answers."""

import json
import math
import os
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from examples.tickets.generator import tickets
from tests.fuzz.cases import Broken
from tests.fuzz.http import WHOLE, Answer, Connection, Request
from tests.support.operator_relay import operator_relay
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE, eventually

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import parse_label_config
from labelloop.models.text_classifier.text_classifier import TextClassifier

ROOT = Path(__file__).parents[2]
LABEL_CONFIG = (ROOT / "examples" / "tickets" / "label_config.xml").read_text()
USER, PASSWORD = "label-studio", "basic-password-77e0"
WEBHOOK_SECRET, RELAY_SECRET = "webhook-secret-41ab", "relay-secret-9d2c"
CANARY = "task-text-canary-5e1f"
VERSION = "model-0123456789ab"
CLEAN_TEXT = "Where is my parcel? It should have arrived last week."


@dataclass
class Server:
    """A server process, and what is promised of it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    with_auth: bool

    def __post_init__(self) -> None:
        self.connection = Connection(self.port)

    def check(self, request: Request) -> str:
        """One request; the outcome is the class of its status."""
        answer = self.connection.ask(request)
        if answer is None:
            if self.process.poll() is not None:
                raise Broken(f"the server ended with {self.process.returncode}")
            if request.framing in WHOLE and not request.garbage and len(request.target) < 60_000:
                raise Broken("the connection was closed without an answer")
            return "closed"
        if answer.status >= 500 and not _is_documented_503(request, answer):
            raise Broken(f"status {answer.status}: {answer.body[:200]!r}")
        told = b"".join((answer.body, answer.reason.encode("latin-1", "replace"), str(answer.headers).encode()))
        for secret in (CANARY, PASSWORD, WEBHOOK_SECRET, RELAY_SECRET):
            if secret.encode() in told:
                raise Broken(f"the answer tells {secret!r}")
        path = "" if request.garbage else request.target.partition("?")[0]
        if answer.status == 200 and (request.method, path) == ("POST", "/predict") and request.framing in WHOLE:
            check_predictions(request.body, answer.body)
        return f"{answer.status // 100}xx"

    def problems(self) -> Iterator[str]:
        """What is wrong at the end: with the process, its next clean answer, its log."""
        if self.process.poll() is not None:
            yield f"the server ended with {self.process.returncode}"
            return
        body = json.dumps({"tasks": [{"id": 1, "data": {"text": CLEAN_TEXT}}], "label_config": LABEL_CONFIG}).encode()
        clean = Request("POST", "/predict", self.credentials(), body)
        answer = Connection(self.port).ask(clean)
        if answer is None or b'"delivery"' not in answer.body:
            yield f"a clean request is not answered rightly any more: {answer}"
        log = self.log.read_text(errors="replace")
        for secret in (CANARY, PASSWORD, WEBHOOK_SECRET, RELAY_SECRET):
            if secret in log:
                line = next(line for line in log.splitlines() if secret in line)
                yield f"the log tells {secret!r}: {line[:300]}"
        if "Traceback" in log:
            yield f"the log holds a trace: {log[log.index('Traceback') :][-1500:]}"

    def credentials(self) -> tuple[tuple[str, str], ...]:
        """Headers with which it lets in."""
        told = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return (("Authorization", f"Basic {told}"),) if self.with_auth else ()


def _is_documented_503(request: Request, answer: Answer) -> bool:
    """Start Training is answered 503 unless an operator took it."""
    return answer.status == 503 and request.target.startswith("/webhook") and b"remedy" in answer.body


def check_predictions(sent: bytes, received: bytes) -> None:
    """As many results as tasks, scores finite and within 0..1, names of the configuration."""
    results = json.loads(received, parse_constant=_no_json)["results"]
    tasks = json.loads(sent)["tasks"]
    if len(results) != len(tasks):
        raise Broken(f"{len(results)} results for {len(tasks)} tasks")
    for entry in results:
        regions = entry.get("result", [])
        for score in [entry.get("score", 0.0), *(region["score"] for region in regions)]:
            if not math.isfinite(score) or not 0 <= score <= 1:
                raise Broken(f"the score is {score}")
        if entry["model_version"] != VERSION or ("result" in entry and not regions):
            raise Broken(f"an entry of {entry['model_version']} with {len(regions)} regions")


def _no_json(constant: str) -> None:
    raise Broken(f"the answer holds {constant}")


@cache
def trained_model() -> tempfile.TemporaryDirectory[str]:
    """A model of the sample tickets, once per process."""
    folder = tempfile.TemporaryDirectory(prefix="labelloop-fuzz-")
    examples = [
        Example(number, ticket.text, {"label": (ticket.label,)}) for number, ticket in enumerate(tickets(400, 7))
    ]
    model = TextClassifier.fit(examples, parse_label_config(LABEL_CONFIG), {})
    model.version = VERSION
    model.save(Path(folder.name))
    return folder


@contextmanager
def served(command: tuple[str, ...], *, with_auth: bool = False) -> Iterator[Server]:
    """The server as the operator runs it, with a relay behind it."""
    with tempfile.TemporaryDirectory() as folder, operator_relay() as operator:
        port = free_port()
        variables = {
            "PORT": str(port),
            "LABELLOOP_MODEL_DIR": trained_model().name,
            "LABELLOOP_MODEL_VERSION": VERSION,
            "LABELLOOP_RELAY_URL": operator.url,
            "LABELLOOP_RELAY_SECRET": RELAY_SECRET,
            "LABELLOOP_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "LOG_LEVEL": "DEBUG",
            **({"BASIC_AUTH_USER": USER, "BASIC_AUTH_PASS": PASSWORD} if with_auth else {}),
        }
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=_environment(Path(folder), variables),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, port, log, with_auth)
        try:
            eventually(lambda: _is_ready(server), PATIENCE, "the server is ready")
            yield server
        finally:
            server.connection.close()
            process.terminate()
            process.wait(60)


def _is_ready(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    answer = Connection(server.port).ask(Request("GET", "/readyz"))
    return answer is not None and answer.status == 200


def _environment(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {
        **kept,
        "PYTHONPATH": f"{ROOT / 'bento_service'}:{ROOT}",
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        **variables,
    }
