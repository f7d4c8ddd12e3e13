"""The operator's receiver of relayed webhooks, over real HTTP on loopback, with the fake API server behind it."""

import asyncio
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiohttp import web
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.operator import KEY, connect
from tests.fuzz.cases import Broken, Failure, Finding, Memory, Report, attempt, random_of, shrunk
from tests.fuzz.http import WHOLE, Answer, Connection, Request, odd_request
from tests.fuzz.odd_json import encoded, generated, mutated, odd_text
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE

from labelloop_operator.controller.derived_secrets import relay_secret
from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.kinds import BACKEND
from labelloop_operator.label_studio.project_ref import Hint
from labelloop_operator.ops.health import Health
from labelloop_operator.ops.logging import without_trace_of_bad_requests
from labelloop_operator.ops.metrics import Metrics
from labelloop_operator.server.app import Receiver
from labelloop_operator.server.rate_limits import RateLimit

ALLOWED_GROWTH = 48 * 2**20
PATH = "/v1/backends/team-a/intents"
PATHS = (
    "/v1/backends/team-a/other/hints", "/v1/backends/%2e%2e/x/train", "/v1/backends//hints", "/livez", "/readyz",
    "/metrics", "/", "/v1/backends/" + "a" * 5000 + "/b/hints", "/v1/backends/\u00e9/b/hints",
)  # fmt: skip
HINT = {
    "action": "ANNOTATION_UPDATED",
    "authenticated": True,
    "annotations": [{"id": 3, "updated_at": "2026-11-22T05:00:00.123456Z"}, {"id": 4, "updated_at": None}],
}


class ReceiverTarget:
    """See the module."""

    name = "receiver"
    full = 100_000
    short = 600

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases, one after another."""
        report = Report(self.name)
        report.memory = Memory("self", ALLOWED_GROWTH)
        began = time.monotonic()
        with served() as port:
            for number in range(cases):
                request = make(random_of(seed, self.name, number), port.bearer)
                self._case(report, port, number, request)
                report.memory.sample(number, cases)
            clean = port.connection.ask(Request("POST", f"{PATH}/hints", port.headers, json.dumps(HINT).encode()))
            if clean is None or clean.status != 202:
                report.add(Finding(self.name, cases, f"a clean hint is not accepted any more: {clean}", HINT))
            for told in dict.fromkeys(port.traces):
                report.add(Finding(self.name, cases, f"a trace in the log: {told}", None))
        report.cases, report.seconds = cases, time.monotonic() - began
        report.end_memory()
        return report

    def _case(self, report: Report, port: "Port", number: int, request: Request) -> None:
        def fails_alike(other: Request) -> bool:
            again = attempt(port.check, other)
            return isinstance(again, Failure) and again.kind == outcome.kind

        outcome = attempt(port.check, request)
        if isinstance(outcome, str):
            report.count(outcome)
        elif report.is_new(outcome.problem):
            report.add(Finding(self.name, number, outcome.problem, shrunk(request, fails_alike).shown()))


def make(random: Random, bearer: str) -> Request:
    """A hint (or, rarely, a request to train) with something wrong; most with the right bearer."""
    kind = random.random()
    path = f"{PATH}/hints" if kind < 0.9 else f"{PATH}/train" if kind < 0.95 else random.choice(PATHS)
    document: Any = generated(random) if random.random() < 0.2 else mutated(HINT, random)
    if random.random() < 0.02:
        document = {**HINT, "annotations": HINT["annotations"] * 10_000}
    told = (
        bearer if random.random() < 0.85 else random.choice(("", "Bearer", "Bearer x", bearer + "x", odd_text(random)))
    )
    told = "".join(character for character in told if character not in "\r\n")
    headers = (("Authorization", told), ("Content-Type", "application/json"))
    method = "GET" if path in ("/livez", "/readyz", "/metrics") else "POST"
    return odd_request(Request(method, path, headers, encoded(document, random)), random)


@dataclass
class Port:
    """The receiver as a backend sees it, and what it passed on."""

    number: int
    bearer: str
    api: FakeKubernetes
    hints: list[Hint] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Connection(self.number)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """With which it lets in."""
        return (("Authorization", self.bearer),)

    def check(self, request: Request) -> str:
        """One request."""
        self.hints.clear()
        self.api.requests.clear()  # kept by the fake, in this process, they would count as memory of the receiver
        answer = self.connection.ask(request)
        if answer is None:
            if request.framing in WHOLE and not request.garbage:
                raise Broken("the connection was closed without an answer")
            return "closed"
        if answer.status >= 500 and re.split("[?#]", request.target)[0] != "/readyz":
            raise Broken(f"status {answer.status}: {answer.body[:200]!r}")
        if self.bearer.removeprefix("Bearer ").encode() in answer.body:
            raise Broken("the answer tells the secret")
        self._check_hints(request, answer)
        return f"{answer.status // 100}xx"

    def _check_hints(self, request: Request, answer: Answer) -> None:
        if self.hints and (answer.status != 202 or not any(value == self.bearer for _, value in request.headers)):
            raise Broken(f"a hint was passed on from a request answered {answer.status}, or without the bearer")
        for hint in self.hints:
            if len(hint.action) > 100 or len(hint.annotations) > 1000:
                raise Broken(f"a hint of {len(hint.action)} characters and {len(hint.annotations)} annotations")
            for annotation, moment in hint.annotations:
                if type(annotation) is not int or not 0 < annotation < 2**63 or moment.tzinfo is None:
                    raise Broken(f"a hint of annotation {annotation!r:.100} at {moment}")

    def hint(self, _key: tuple[str, str], hint: Hint) -> None:
        """Stands where the Label Studio watch is."""
        self.hints.append(hint)


class _Traces(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and len(self._found) < 20:
            self._found.append(f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}"[:300])


@contextmanager
def served() -> Iterator[Port]:
    """The receiver in an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = asyncio.run_coroutine_threadsafe(_start(), loop).result(PATIENCE)
    port, stop = started
    handler = _Traces(port.traces)
    logging.getLogger("aiohttp.server").addFilter(without_trace_of_bad_requests)
    logging.getLogger().addHandler(handler)
    try:
        yield port
    finally:
        logging.getLogger().removeHandler(handler)
        port.connection.close()
        asyncio.run_coroutine_threadsafe(stop(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _start() -> tuple[Port, Any]:
    api = await FakeKubernetes().start()
    kubernetes = connect(api)
    body = {"labelStudio": {"connectionSecretRef": {"name": "s"}, "project": 7}}
    item = api.put("labelstudiobackends", {"metadata": {"name": "intents"}, "spec": body}, "team-a")
    cache = Cache(lambda _: None)
    cache.put(BACKEND, item)
    port = Port(free_port(), f"Bearer {relay_secret(KEY, item['metadata']['uid'])}", api)
    health = Health(900)
    health.prefilled = True  # a leader at work answers from its cache
    limit = RateLimit(rate=1e9, burst=1e9)
    receiver = Receiver(cache, port, kubernetes, KEY, health, Metrics(), lambda: True, limit)  # type: ignore[arg-type]
    runner = receiver.runner()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port.number).start()

    async def stop() -> None:
        await runner.cleanup()
        await kubernetes.close()
        await api.stop()

    return port, stop
