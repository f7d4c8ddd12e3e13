"""The model page in local mode, in Chromium: history, project by project, since when, and back after a rollback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import CONFIG, TOKEN, FakeLabelStudio
from tests.integration.serving.conftest import Server, serve
from tests.support.annotator import chromium
from tests.support.waiting import PATIENCE, eventually

from labelloop.local.version_store import ProjectStore, Store

WORDS = {"billing": ("invoice", "refund", "charge", "card"), "login": ("password", "account", "locked", "reset")}
CREATED_AT = "2026-11-22T05:00:00.000000Z"


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        for project in (7, 8):
            fake.add_project(project, 0)
        yield fake


@pytest.fixture
def server(fake: FakeLabelStudio, tmp_path: Path) -> Iterator[Server]:
    variables = {
        "LABEL_STUDIO_HOST": fake.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "START_TRAINING_EACH_N_UPDATES": "80",
        "LABELLOOP_PROJECTS": "7",
        "LABELLOOP_POLL_SECONDS": "0.5",
    }
    with serve(tmp_path, variables) as running:
        yield running


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 360, "height": 740})
        opened.set_default_timeout(1000 * PATIENCE)
        yield opened


def trained(server: Server, fake: FakeLabelStudio, store: ProjectStore, rounds: int) -> str:
    """The version after 80 more annotations."""
    before = store.read().current
    for number in range(10):
        for label, words in WORDS.items():
            for word in words:
                fake.add_labelled(store.project, f"{word} {rounds} {number}", label)
    hint = {"action": "ANNOTATION_CREATED", "project": {"id": store.project, "created_at": CREATED_AT}}
    assert server.call("POST", "/webhook", json=hint).status_code == 200
    eventually(lambda: store.read().current != before, PATIENCE, server.told)
    current = store.read().current
    assert current is not None
    return current


def shows(page: Page, server: Server, version: str, query: str = "") -> str:
    """The text of the page, once it shows a version."""

    def shown() -> bool:
        page.goto(server.url + query)
        return page.inner_text("h1") == version

    eventually(shown, PATIENCE, lambda: f"{version} on the page: {page.inner_text('main')} {server.told()}")
    return str(page.inner_text("main"))


def test_history_projects_and_rollback(server: Server, fake: FakeLabelStudio, tmp_path: Path, page: Page):
    store = Store(tmp_path / "models").project(7)
    assert "Not trained yet" in shows(page, server, server.call("GET", "/health").json()["model_version"])
    first = trained(server, fake, store, 1)
    second = trained(server, fake, store, 2)
    assert first != second

    told = shows(page, server, second)
    since = store.read().since
    assert since is not None
    eventually(
        lambda: page.reload() and "0 of 80 annotation updates until the next training" in page.inner_text("main"),
        PATIENCE,
        server.told,
    )
    assert page.inner_text(".pill") == "ready"
    for part in (
        "Project 7",
        f"Serves since {since[:10]} {since[11:16]}",
        first,
        "Training data",
        "160",
        *WORDS,
    ):
        assert part in told, part
    assert page.locator("svg").count() == 3  # two versions, over time and over texts, and the calibration
    assert page.locator("svg").first.locator("circle").count() >= 1
    assert page.locator("nav").count() == 0
    assert "invoice 1" not in page.content()
    assert TOKEN not in page.content()

    setup = {"schema": CONFIG, "project": "8.1795323600"}
    cold = server.call("POST", "/setup", json=setup).json()["model_version"]
    eventually(lambda: page.goto(server.url) and page.locator("main a").count() == 2, PATIENCE, server.told)
    overview = page.inner_text("main")
    for part in ("2 projects", second, cold, "not trained yet"):
        assert part in overview, part
    health = server.call("GET", "/health").json()
    assert {number: project["model_version"] for number, project in health["projects"].items()} == {
        "7": second,
        "8": cold,
    }
    page.click("main a:has-text('7')")
    assert page.inner_text("h1") == second
    page.click("nav a:has-text('8')")
    assert page.inner_text("h1") == cold
    assert "Not trained yet" in page.inner_text("main")
    eventually(
        lambda: page.reload() and "0 of 80 annotation updates until the first training" in page.inner_text("main"),
        PATIENCE,
        server.told,
    )
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0

    store.rollback()
    told = shows(page, server, first, "/?project=7")
    assert store.read().since != since
    assert page.inner_text(".pill") == "rolled back"
    assert f"{first} serves again, {second} came after it" in told

    fake.token = "x" * 40
    eventually(
        lambda: page.reload() and page.inner_text(".pill") == "not counting", PATIENCE, lambda: page.inner_text("main")
    )
    lines = [line.partition(": ")[2] for line in server.told().splitlines() if "Project 7: serving" in line]
    assert lines == [f"Project 7: serving {version}" for version in (cold, first, second, first)]
