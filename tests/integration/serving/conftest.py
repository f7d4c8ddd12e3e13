"""Servers as users run them: `python -m labelloop serve` and `bentoml serve`, as processes on loopback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from tests.support.operator_relay import RelayRecord, operator_relay
from tests.support.ports import free_port
from tests.support.serving_models import TRAINED_VERSION, train
from tests.support.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[3]
ONE_PROCESS, BENTOML = "labelloop serve", "bentoml serve"
COLD_VERSION = "cold-0123456789ab"
AUTH = ("label-studio", "pässword")
WEBHOOK_SECRET, RELAY_SECRET = "webhook-secret", "relay-secret"


@dataclass(frozen=True)
class Server:
    """A server process and how to talk to it."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    auth: tuple[str, str] | None = None

    def call(self, method: str, path: str, **options: object) -> requests.Response:
        options.setdefault("auth", self.auth)
        return requests.request(method, self.url + path, timeout=PATIENCE, **options)

    def told(self) -> str:
        return self.log.read_text()


def environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {
        **kept,
        "PYTHONPATH": str(ROOT / "bento_service"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "LABELLOOP_MODEL_DIR": str(folder / "no-model"),
        "MODEL_DIR": str(folder / "models"),
        **variables,
    }


@contextmanager
def serve(
    folder: Path,
    variables: Mapping[str, str],
    kind: str = ONE_PROCESS,
    bento: str = ".",
    *,
    ready: int = 200,
    cwd: Path = ROOT,
) -> Iterator[Server]:
    """Run a server in `cwd` until the block ends; the block begins when `/readyz` answers `ready`."""
    port = variables.get("PORT") or str(free_port())
    commands = {
        ONE_PROCESS: [sys.executable, "-m", "labelloop", "serve"],
        BENTOML: [sys.executable, "-m", "bentoml", "serve", bento, "--port", port],
    }
    log = folder / f"serve-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            commands[kind],
            cwd=cwd,
            env=environment(folder, {"PORT": port, **variables}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    auth = (variables["BASIC_AUTH_USER"], variables["BASIC_AUTH_PASS"]) if "BASIC_AUTH_USER" in variables else None
    server = Server(f"http://127.0.0.1:{port}", process, log, auth)
    try:
        eventually(lambda: is_answering(server, ready), PATIENCE, f"/readyz answers {ready}")
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE)


def is_answering(server: Server, status: int) -> bool:
    if server.process.poll() is not None:
        pytest.fail(f"the server ended with {server.process.returncode}:\n{server.told()}")
    try:
        return requests.get(f"{server.url}/readyz", timeout=10).status_code == status
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    train(directory)
    return directory


@pytest.fixture(scope="session")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built Bento, made of nothing but what the image tools hand over; its folder of the Bento store."""
    source = tmp_path_factory.mktemp("source")
    for path in ("bentofile.yaml", "requirements/backend.txt"):
        (source / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    shutil.copytree(ROOT / "bento_service", source / "bento_service", ignore=shutil.ignore_patterns("__pycache__"))
    home = tmp_path_factory.mktemp("store")
    variables = environment(home, {"BASE_IMAGE": "labelloop/base:test"})
    build = [sys.executable, "-m", "bentoml", "build", "--version", "test"]
    built = subprocess.run(build, cwd=source, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert built.returncode == 0, built.stdout + built.stderr
    return home / "bentoml" / "bentos" / "labelloop" / "test"


@pytest.fixture(scope="session")
def operator() -> Iterator[RelayRecord]:
    with operator_relay() as record:
        yield record


@pytest.fixture(scope="session", params=[ONE_PROCESS, BENTOML])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: Path, operator: RelayRecord
) -> Iterator[Server]:
    """A trained model, basic auth and an operator: as the operator runs it, and by `bentoml serve` from the Bento."""
    bento = request.getfixturevalue("bento") if request.param == BENTOML else Path()
    variables = {
        "LABELLOOP_MODEL_DIR": str(model),
        "LABELLOOP_MODEL_VERSION": TRAINED_VERSION,
        "LABELLOOP_RELAY_URL": operator.url,
        "LABELLOOP_RELAY_SECRET": RELAY_SECRET,
        "LABELLOOP_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "BASIC_AUTH_USER": AUTH[0],
        "BASIC_AUTH_PASS": AUTH[1],
    }
    with serve(tmp_path_factory.mktemp("trained"), variables, request.param, str(bento)) as server:
        yield server


@pytest.fixture(scope="session", params=[ONE_PROCESS, BENTOML])
def cold(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """No model, no operator, no password; `bentoml serve .` in the checkout."""
    variables = {"LABELLOOP_MODEL_VERSION": COLD_VERSION}
    with serve(tmp_path_factory.mktemp("cold"), variables, request.param) as server:
        yield server
