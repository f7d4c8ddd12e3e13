"""What a start executes: a new version of BentoML that moves its modules, or an import of ours, shows here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.serving.conftest import ROOT, environment
from tests.support.waiting import PATIENCE

STARTED = """
import asyncio, json, sys
from labelloop.serving.server import NOT_FOR_SERVING, application, prepare_environment
from labelloop.serving.serving_settings import ServingSettings
prepare_environment()
app = application(ServingSettings.from_environment())
from uvicorn.config import Config
from uvicorn.server import Server
Config(app, loop="uvloop", http="httptools", ws="none", log_config=None).load()

async def statuses():
    found = {}
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async with app.router.lifespan_context(app):
        for path in ("/livez", "/readyz", "/metrics", "/health"):
            async def send(message):
                if message["type"] == "http.response.start":
                    found[path] = message["status"]
            scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
                     "headers": [], "http_version": "1.1", "scheme": "http", "root_path": ""}
            await app(scope, receive, send)
    return found

answered = asyncio.run(statuses())
waiting = [name for name in NOT_FOR_SERVING if not getattr(sys.modules.get(name), "is_loaded", True)]
print(json.dumps({"answered": answered, "listed": NOT_FOR_SERVING, "waiting": waiting, "modules": list(sys.modules)}))
"""
# Each took 15 to 200 ms of a pod's start.
NOT_NEEDED = {
    "aiohttp", "cattrs", "circus", "click", "cloudpickle", "fsspec", "h11", "httpx", "jinja2", "opentelemetry.sdk",
    "pathspec", "pip_requirements_parser", "pyparsing", "requests", "rich", "scipy", "sklearn", "tornado", "typer",
}  # fmt: skip


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, model: Path) -> dict:
    folder = tmp_path_factory.mktemp("start")
    variables = environment(folder, {"LABELLOOP_MODEL_DIR": str(model)})
    command = [sys.executable, "-c", STARTED]
    ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_start_answers(started: dict):
    assert started["answered"] == {"/livez": 200, "/readyz": 200, "/metrics": 200, "/health": 200}


def test_every_deferred_module_is_one_that_a_start_imports_and_does_not_use(started: dict):
    assert started["waiting"] == started["listed"]


def test_a_start_loads_no_library_that_it_does_not_need(started: dict):
    assert NOT_NEEDED & set(started["modules"]) == set()
