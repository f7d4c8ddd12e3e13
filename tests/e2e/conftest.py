"""One cluster, one Label Studio, one operator for all stories; a namespace and a project for each."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.tickets.generator import LABELS
from playwright.sync_api import Browser
from tests.e2e.story import Project, Story
from tests.support.annotator import Annotator, chromium
from tests.support.lab import Lab

from labcluster import Cluster

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "build/e2e"
CLUSTER_NAME = "e2e"
SETTINGS = {
    "pollInterval": "5s",
    "scanInterval": "20s",
    "resyncInterval": "30s",
    "deregisterTimeout": "30s",
}
_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def _own_kind(request: pytest.FixtureRequest) -> None:
    """pytest-kind's fixture with the kind of this repository, unless the command line names another."""
    options = request.config.option
    options.kind_bin = options.kind_bin or str(ROOT / "tests/cluster/kind")
    options.kind_kubectl_bin = options.kind_kubectl_bin or str(ROOT / "tests/cluster/kubectl")
    if options.cluster_name == "pytest-kind":
        # Two runs at once must not share a cluster; a kept one is for the next run to find.
        options.cluster_name = CLUSTER_NAME if options.keep_cluster else f"{CLUSTER_NAME}-{os.getpid()}"


@pytest.fixture(scope="session")
def lab(_own_kind: None, kind_cluster: object) -> Iterator[Lab]:
    """The lab on pytest-kind's cluster (--keep-cluster keeps it for the next run)."""
    lab = Lab.start(Cluster.get(kind_cluster.name), SETTINGS)  # type: ignore[attr-defined]
    yield lab
    lab.inside.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture
def annotator(browser: Browser, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Annotator]:
    """A person logged in to Label Studio; a failing test leaves a picture of the page."""
    person = Annotator(browser, lab.label_studio.url)
    person.log_in(lab.label_studio.email, lab.label_studio.password)
    yield person
    if request.node.stash.get(_FAILED, False):
        person.page.screenshot(path=REPORTS / f"{request.node.name}.png")
    person.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        item.stash[_FAILED] = True
    return report


@pytest.fixture
def story(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Story]:
    """A namespace with a connection Secret, cleaned up afterwards; a failing test tells what it left."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    namespace = f"{words[:40].strip('-')}-{os.urandom(2).hex()}"
    lab.kube.create_namespace(namespace)
    lab.connect(namespace)
    told = Story(lab, namespace)
    yield told
    if request.node.stash.get(_FAILED, False):
        folder = REPORTS / namespace
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "story.txt").write_text(f"{told.everything()}\n")
        (folder / "operator.log").write_text(lab.operator_log(2000))
        print(f"What was left is in {folder}:\n{told.everything()[-6000:]}\n{lab.operator_log(60)[-6000:]}")
    lab.ensure_operator()  # a story that stopped it must take neither its own clean-up nor the next ones with it
    told.clean_up()


@pytest.fixture
def project(story: Story) -> Project:
    """A project of the story with the twelve intents and no task yet."""
    return story.new_project(LABELS)


@pytest.fixture(scope="session")
def times() -> Iterator[dict[str, object]]:
    """Durations that tests note down for the report: build/e2e/loop-times.json."""
    noted: dict[str, object] = {}
    yield noted
    if noted:
        REPORTS.mkdir(parents=True, exist_ok=True)
        (REPORTS / "loop-times.json").write_text(json.dumps(noted, indent=2) + "\n")
