"""The model page in Chromium, from a backend as users run it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from examples.tickets.generator import LABELS
from playwright.sync_api import Browser, ConsoleMessage, Page, Request
from tests.integration.serving.conftest import AUTH, Server, serve
from tests.support.annotator import chromium
from tests.support.waiting import PATIENCE
from tests.unit.training.annotated import config, ticket_tasks

from labelloop.datasets.snapshot import Snapshot
from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio import Task
from labelloop.models import Model, load_model
from labelloop.training.train import train
from labelloop.training.training_settings import TrainingSettings

CUT_OFF = "table => table.scrollWidth > table.clientWidth"
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The third of three trainings, each with more tasks; its folder's path is `folder`."""
    folder = tmp_path_factory.mktemp("trainings")
    schema = parse_label_config(config(LABELS))
    model = None
    for count in (80, 160, 240):
        tasks = [Task(task["id"], task["data"], task["annotations"]) for task in ticket_tasks(count)]
        snapshot = Snapshot.from_tasks(tasks, schema, project=7, url="http://label-studio")
        train(snapshot, schema, TrainingSettings(project=7), folder / str(count), incumbent=model)
        model = load_model(folder / str(count) / "model")
    assert model is not None
    model.save(folder / "model")
    return model


@pytest.fixture(scope="module")
def server(trained: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("serve")
    trained.save(folder / "model")
    with serve(folder, {"LABELLOOP_MODEL_DIR": str(folder / "model")}) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_readable_everywhere_and_asks_nobody_else(
    browser: Browser, server: Server, trained: Model, size: str, scheme: str
):
    width, height = SIZES[size]
    asked: list[str] = []
    complaints: list[str] = []

    def note_request(request: Request) -> None:
        asked.append(request.url)

    def note_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    try:
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        page.on("request", note_request)
        page.on("console", note_message)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        answer = page.goto(server.url)
        assert answer is not None
        assert answer.ok, answer.text()
        told = page.inner_text("main")
        for part in (trained.version, "ready", "Versions", "Training data", "Most confused", *LABELS):
            assert part in told, part
        assert page.locator("svg").count() == 3
        assert overflow(page) <= 0
        assert [table for table in page.query_selector_all(".scroll") if table.evaluate(CUT_OFF)] == []
        assert brightness(page) == scheme
        assert complaints == []
        hosts = {urlsplit(url).hostname for url in asked if not url.startswith("data:")}
        assert hosts == {"127.0.0.1"}
    finally:
        context.close()


def overflow(page: Page) -> int:
    """By how many pixels the document is wider than the window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return wider


def brightness(page: Page) -> str:
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    return "light" if int(red) > 127 else "dark"


def test_label_studio_gets_its_json_at_the_same_address(server: Server, trained: Model):
    for path in ("/", "/health"):
        answer = server.call("GET", path, headers={"Accept": "*/*"})
        assert answer.json()["model_version"] == trained.version
    assert server.call("GET", "/", headers={"Accept": "text/html"}).headers["content-type"].startswith("text/html")


def test_with_a_password_nothing_of_it_is_open(tmp_path: Path):
    with serve(tmp_path, {"BASIC_AUTH_USER": AUTH[0], "BASIC_AUTH_PASS": AUTH[1]}) as server:
        html = {"Accept": "text/html"}
        assert requests.get(server.url, headers=html, timeout=PATIENCE).status_code == 401
        health = requests.get(f"{server.url}/health", headers=html, timeout=PATIENCE)
        assert health.headers["content-type"] == "application/json"
        answer = requests.get(server.url, headers=html, timeout=PATIENCE, auth=(AUTH[0], AUTH[1].encode()))
        assert "Not trained yet" in answer.text
