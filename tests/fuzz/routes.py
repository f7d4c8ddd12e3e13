"""The serving backend's routes: a real `labelloop serve` with a model trained on the sample tickets, over HTTP."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from random import Random
from typing import Any

from tests.fuzz.cases import Failure, Finding, Memory, Report, attempt, random_of, shrunk
from tests.fuzz.http import Request, odd_request
from tests.fuzz.odd_json import encoded, generated, mutated, odd_text, places
from tests.fuzz.odd_xml import SAMPLES, odd_label_config
from tests.fuzz.server import CANARY, LABEL_CONFIG, WEBHOOK_SECRET, Server, served

ALLOWED_GROWTH = 48 * 2**20
ROUTES = (
    "/", "/health", "/versions", "/setup", "/predict", "/webhook", "/livez", "/readyz", "/metrics", "unknown",
)  # fmt: skip
UNKNOWN = ("/predict/", "/train", "/.env", "/healthz", "/%2e%2e/etc/passwd", "/api/ml", "/robots.txt", "/docs", "/é")


class RoutesTarget:
    """See the module. Every route gets its share of the cases; a third of them on a server with basic auth."""

    name = "routes"
    full = 8_000 * len(ROUTES)
    short = 50 * len(ROUTES)

    def __init__(
        self, serve_command: tuple[str, ...] = ("-m", "labelloop", "serve"), routes: tuple[str, ...] = ROUTES
    ) -> None:
        self._command = serve_command
        self._routes = routes

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases; one after another, so that what a request did can be reported."""
        report = Report(self.name)
        began = time.monotonic()
        with ExitStack() as stack:
            plain = stack.enter_context(served(self._command))
            guarded = stack.enter_context(served(self._command, with_auth=True))
            report.memory = Memory(plain.process.pid, ALLOWED_GROWTH)
            for number in range(cases):
                random = random_of(seed, self.name, number)
                route = self._routes[number % len(self._routes)]
                server = guarded if number // len(self._routes) % 3 == 2 else plain
                self._case(report, server, number, make(route, random, server))
                report.memory.sample(number, cases)
            for server in (plain, guarded):
                for problem in server.problems():
                    report.add(Finding(self.name, cases, problem, None))
        report.cases, report.seconds = cases, time.monotonic() - began
        report.end_memory()
        return report

    def _case(self, report: Report, server: "Server", number: int, request: Request) -> None:
        outcome = attempt(server.check, request)
        if isinstance(outcome, str):
            report.count(outcome)
        elif report.is_new(outcome.problem):
            small = shrunk(request, lambda other: _fails_alike(server, other, outcome))
            report.add(Finding(self.name, number, outcome.problem, small.shown()))


def _fails_alike(server: "Server", request: Request, failure: Failure) -> bool:
    outcome = attempt(server.check, request)
    return isinstance(outcome, Failure) and outcome.kind == failure.kind


def make(route: str, random: Random, server: Server) -> Request:
    """Half from the recorded samples, half made up; texts of tasks carry a canary."""
    target = random.choice(UNKNOWN) if route == "unknown" else route
    recorded = recorded_bodies().get(route) or recorded_bodies()["/webhook"]
    is_post = route in ("/setup", "/predict", "/webhook") or random.random() < 0.2
    if random.random() < 0.5:
        document: Any = mutated(random.choice(recorded), random)
    else:
        document = MADE.get(route, lambda random: generated(random))(random)
    _plant(document)
    headers = (("Content-Type", "application/json"),)
    if random.random() < 0.9:
        headers += server.credentials()
    if route == "/webhook" and random.random() < 0.5:
        headers += (("Authorization", f"Bearer {WEBHOOK_SECRET}"),)
    body = encoded(document, random) if is_post or random.random() < 0.1 else b""
    return odd_request(Request("POST" if is_post else "GET", target, headers, body), random)


def _made_predict(random: Random) -> object:
    tasks = [_made_task(random) for _ in range(random.choice((0, 1, 1, 3, 40)))]
    config = LABEL_CONFIG if random.random() < 0.6 else odd_label_config(random)
    document = {"tasks": tasks, "label_config": config, "project": "1.0", "params": generated(random, 1)}
    return document if random.random() < 0.7 else mutated(document, random)


def _made_task(random: Random) -> object:
    kind = random.randrange(4)
    if kind == 0:
        return generated(random, 2)
    data = {"text": odd_text(random) if kind == 1 else generated(random, 2), odd_text(random): 1}
    return {"id": random.choice((1, None, "x", 2**70)), "data": data, "annotations": generated(random, 2)}


def _made_setup(random: Random) -> object:
    document = {"schema": odd_label_config(random), "project": odd_text(random), "extra_params": generated(random, 1)}
    return document if random.random() < 0.7 else mutated(document, random)


def _made_event(random: Random) -> object:
    actions = ("START_TRAINING", "ANNOTATION_CREATED", "ANNOTATIONS_DELETED", "PROJECT_UPDATED", odd_text(random))
    document = {
        "action": random.choice(actions),
        "annotation": random.choice((generated(random, 2), {"id": 3, "updated_at": odd_text(random)})),
        "annotations": [
            {"id": number, "updated_at": odd_text(random)} for number in range(random.choice((0, 2, 1500)))
        ],
        "task": {"data": {"text": "text"}},
        "project": generated(random, 1),
    }
    return document if random.random() < 0.7 else mutated(document, random)


MADE: Mapping[str, Callable[[Random], object]] = {
    "/predict": _made_predict,
    "/setup": _made_setup,
    "/webhook": _made_event,
}


def _plant(document: object) -> None:
    """A canary at the end of every text that is in the data of a task."""
    for container, key in list(places(document)):
        if key != "data" or not isinstance(container, dict):
            continue
        for inner, name in list(places(container[key])):
            if isinstance(inner[name], str):
                inner[name] += CANARY


@cache
def recorded_bodies() -> Mapping[str, list[Any]]:
    """Bodies that Label Studio sent, by route."""
    found: dict[str, list[Any]] = {}

    def look(value: object) -> None:
        if isinstance(value, dict) and "path" in value and isinstance(value.get("body"), dict):
            found.setdefault(str(value["path"]).partition("?")[0], []).append(value["body"])
        elif isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                look(item)

    for path in sorted(SAMPLES.glob("*.json")):
        look(json.loads(path.read_text()))
    return found
