"""What a hostile registry answers: to reading results and snapshots, and to appending a layer.

The connection is replaced below `requests`, so everything above the socket is the real thing; what needs a socket
(drops, broken framing) is in tests/unit/publishing.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from tests.fuzz.cases import Broken, Memory, Report, fuzz, quiet
from tests.fuzz.registry_world import CANARY, HOST, PATH, World, twisted
from tests.fuzz.wire import Answer, replaced_connections

from labelloop.publishing import snapshot_artifact
from labelloop.publishing.append import Addition, append_layer
from labelloop.publishing.credentials import parse_docker_config
from labelloop.publishing.image_labels import read_result
from labelloop.publishing.layer import Layer
from labelloop.publishing.reference import ImageNameError, Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.registry_errors import RegistryError
from labelloop.publishing.snapshot_artifact import NotASnapshotError, pull_snapshot
from labelloop.training.result import ResultError
from labelloop_operator.api.training_result import read_outcome

PASSWORD = "registry-password-5c1d"
LONGEST_MESSAGE = 1200
DOCUMENTED = (RegistryError, NotASnapshotError, ResultError, ImageNameError)
ALLOWED_GROWTH = 64 * 2**20


class RegistryTarget:
    """See the module."""

    name = "registry"
    full = 100_000
    short = 800

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases."""
        report = Report(self.name)
        report.memory = Memory("self", ALLOWED_GROWTH)
        with quiet("urllib3"):
            return fuzz(report, cases, seed, self.make, self.check, show)

    def make(self, random: Random) -> "Case":
        """An operation, a registry whose documents may be odd, and answers that may be replaced."""
        twists = {str(number): random.getrandbits(40) for number in range(8) if random.random() < 0.25}
        return {
            "operation": random.choice([*OPERATIONS]),
            "https": random.random() < 0.5,
            "world": random.getrandbits(40),
            "twists": twists,
        }

    def check(self, case: "Case") -> str:
        """A usual result or a documented error that quotes no body; credentials go to the registry alone."""
        wire = Wire(case)
        try:
            with wire.replaced():
                OPERATIONS[str(case["operation"])](case, Path(self._folder.name))
            outcome = "done"
        except DOCUMENTED as error:
            _check_message(str(error))
            outcome = type(error).__name__
        wire.check()
        return outcome


Case = dict[str, Any]
"""`operation`, `https`, `world` and `twists` (request number -> seed): small numbers, from which all else is made."""


def show(case: Case) -> object:
    """The case with what was exchanged."""
    wire = Wire(case)
    try:
        with wire.replaced(), tempfile.TemporaryDirectory() as folder:
            OPERATIONS[str(case["operation"])](case, Path(folder))
    except Exception as error:
        return {**case, "exchanges": wire.log, "raised": repr(error)[:500]}
    return {**case, "exchanges": wire.log}


def _check_message(message: str) -> None:
    if CANARY in message:
        raise Broken(f"the message quotes the body: {message[:300]}")
    if PASSWORD in message:
        raise Broken("the message tells the password")
    if not message or len(message) > LONGEST_MESSAGE or "\n" in message:
        raise Broken(f"a message of {len(message)} characters, or of several lines")
    message.encode()


def _repository(case: Case) -> Repository:
    login = {"auths": {HOST: {"username": "robot", "password": PASSWORD}}}
    config = parse_docker_config(json.dumps(login).encode())
    return Repository(Reference(HOST, PATH), plain_http=not case["https"], config=config)


def _read_result(case: Case, _: Path) -> None:
    login = {"auths": {HOST: {"username": "robot", "password": PASSWORD}}}
    config = parse_docker_config(json.dumps(login).encode())
    result = read_result(f"{HOST}/{PATH}", "job-1", plain_http=not case["https"], config=config)
    if result is not None:
        read_outcome(json.loads(result.to_json()))


def _pull_snapshot(case: Case, folder: Path) -> None:
    # A snapshot may be of 2 GiB and goes to the disk; here a little less has to do.
    with _repository(case) as remote, patch.object(snapshot_artifact, "MAX_BYTES", 2**25):
        pull_snapshot(remote, Reference(HOST, PATH, "snapshot"), folder / "snapshot")


def _append(case: Case, _: Path) -> None:
    addition = Addition(Layer(b"layer"), {"a": "b"}, "2026-11-22T06:00:00Z")
    with _repository(case) as remote:
        append_layer(remote, Reference(HOST, PATH, "job-1"), remote, addition, ["new"])


def _push(case: Case, folder: Path) -> None:
    (folder / "file").write_bytes(b"content")
    with _repository(case) as remote:
        remote.put_blob(b"blob")
        remote.put_file(folder / "file")
        remote.has_blob("sha256:" + "0" * 64)


OPERATIONS: dict[str, Callable[[Case, Path], None]] = {
    "read result": _read_result,
    "pull snapshot": _pull_snapshot,
    "append layer": _append,
    "push": _push,
}


@dataclass
class Wire:
    """Stands where the connections are: counts requests, answers, and notes who was sent credentials."""

    case: Case
    log: list[dict[str, object]] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._world = World(self.case["world"])

    def replaced(self) -> Any:
        """For as long as the block lasts."""
        return replaced_connections(self._exchange)

    def check(self) -> None:
        """Raises Broken when credentials went elsewhere."""
        if self.leaks:
            raise Broken(f"credentials were sent to {self.leaks[0]}")

    def _exchange(self, url: str, method: str, headers: dict[str, str], body: object) -> Answer:
        if len(self.log) > 200:
            raise Broken("more than 200 requests for one operation")
        for _ in body if isinstance(body, Iterator) else ():
            pass
        answer = self._world.answer(method, url)
        seed = self.case["twists"].get(str(len(self.log)))
        if seed is not None:
            answer = twisted(answer, seed)
        parts = urlsplit(url)
        # The registry itself may name the server that gives tokens; nobody else may.
        trusted = parts.netloc == HOST or parts.netloc == self._realm
        if not trusted and any(name.lower() == "authorization" for name in headers):
            self.leaks.append(f"{parts.scheme}://{parts.netloc}")
        if parts.scheme == "http" and "authorization" in map(str.lower, headers):
            self.leaks.append(f"{parts.netloc} in clear")
        if parts.netloc == HOST:
            self._challenge = answer.headers.get("WWW-Authenticate", "")
        self.log.append({"method": method, "url": url[:200], "answer": str(answer)[:600]})
        return answer

    _challenge = ""

    @property
    def _realm(self) -> str:
        _, _, rest = self._challenge.partition('realm="')
        try:
            return urlsplit(rest.partition('"')[0]).netloc or "-"
        except ValueError:
            return "-"
