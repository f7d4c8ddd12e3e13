"""A backend that registers itself: webhook, ML backend, title; on the fake Label Studio."""

from collections.abc import Iterator

import pytest
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN, FakeLabelStudio

from labelloop.label_studio import Credentials
from labelloop.label_studio.client import LabelStudioClient
from labelloop.local.local_settings import LocalSettings
from labelloop.local.self_registration import FIRST_RETRY_SECONDS, SETTLED_SECONDS, WEBHOOK_ACTIONS, Registration
from labelloop_operator.api import label_studio_objects

URL, POLL = "http://localhost:9090", 30.0
ONE, TWO = "model-000000000001", "model-000000000002"


class World:
    """The fake, a client, and a registration with a clock that gets the time."""

    def __init__(self, fake: FakeLabelStudio, client: LabelStudioClient, **variables: str) -> None:
        given = {"LABEL_STUDIO_API_KEY": TOKEN, "MODEL_DIR": "/tmp", "LABELLOOP_PROJECTS": "7", **variables}
        self.fake, self.client, self.now = fake, client, 0.0
        settings = LocalSettings.from_environment(given)
        self._registration = Registration(settings, given, lambda: self.now)

    def keep(self, version: str | None, after: float = 0.0, project: int = 7, announced: str | None = None) -> None:
        self.now += after
        self._registration.keep(self.client, project, version, announced)

    @property
    def titles(self) -> list[str]:
        return [str(item["title"]) for item in self.fake.backends.values()]


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        fake.add_project(7)
        fake.add_project(8)
        yield fake


@pytest.fixture
def client(fake: FakeLabelStudio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(Credentials(fake.url, TOKEN)) as client:
        yield client


def test_without_an_address_nothing_is_registered(fake: FakeLabelStudio, client: LabelStudioClient):
    World(fake, client).keep(ONE)
    assert not fake.calls


def test_the_webhook_is_ours_and_the_title_follows_the_version(fake: FakeLabelStudio, client: LabelStudioClient):
    world = World(fake, client, LABELLOOP_REGISTER_URL=URL)
    world.keep(None)
    assert world.titles[0].startswith("cold-")
    (hook,) = fake.webhooks.values()
    assert (hook["url"], set(hook["actions"]), hook["headers"]) == (f"{URL}/webhook", set(WEBHOOK_ACTIONS), {})
    world.keep(ONE)
    assert world.titles[0].startswith("cold-")  # the workers may still announce the old version
    world.keep(ONE, after=SETTLED_SECONDS)
    assert world.titles == [ONE]
    world.keep(TWO)
    world.keep(TWO, after=SETTLED_SECONDS)
    assert world.titles == [TWO]
    writes = fake.writes()
    world.keep(TWO, after=1000)
    assert fake.writes() == writes
    world.keep(ONE, project=8)
    assert len(fake.backends) == 1


def test_the_title_follows_as_soon_as_the_version_is_announced(fake: FakeLabelStudio, client: LabelStudioClient):
    world = World(fake, client, LABELLOOP_REGISTER_URL=URL)
    world.keep(ONE)
    world.keep(TWO, announced=ONE)
    assert world.titles == [ONE]
    world.keep(TWO, announced=TWO)
    assert (world.titles, fake.projects[7].model_version) == ([TWO], TWO)


def test_predictions_that_nobody_selected_are_selected_again(fake: FakeLabelStudio, client: LabelStudioClient):
    world = World(fake, client, LABELLOOP_REGISTER_URL=URL)
    world.keep(ONE)
    project = fake.projects[7]
    for stale in ("", "model-0123456789ab"):
        project.model_version = stale
        world.keep(ONE, after=POLL)
        assert project.model_version == ONE


def test_predictions_that_somebody_selected_are_kept(
    fake: FakeLabelStudio, client: LabelStudioClient, caplog: pytest.LogCaptureFixture
):
    world = World(fake, client, LABELLOOP_REGISTER_URL=URL)
    world.keep(ONE)
    project = fake.projects[7]
    project.predictions["imported"] = 1
    project.model_version = "imported"
    world.keep(ONE, after=POLL)
    assert "'imported'" in caplog.text
    project.shows_predictions = False
    world.keep(ONE, after=POLL)
    assert "no predictions" in caplog.text
    assert project.model_version == "imported"


def test_a_backend_beside_another_one_selects_nothing(fake: FakeLabelStudio, client: LabelStudioClient):
    fake.backends[0] = {"id": 0, "project": 7, "url": "http://other:9090", "title": "other"}
    fake.projects[7].model_version = "other"
    World(fake, client, LABELLOOP_REGISTER_URL=URL).keep(ONE)
    assert fake.projects[7].model_version == "other"


def test_what_is_there_already_is_taken_over(fake: FakeLabelStudio, client: LabelStudioClient):
    World(fake, client, LABELLOOP_REGISTER_URL=URL).keep(ONE)
    World(fake, client, LABELLOOP_REGISTER_URL=URL).keep(TWO)
    assert (len(fake.webhooks), World(fake, client).titles) == (1, [TWO])


def test_credentials_go_to_label_studio_and_into_the_webhook(fake: FakeLabelStudio, client: LabelStudioClient):
    login = {"BASIC_AUTH_USER": "user", "BASIC_AUTH_PASS": "pass"}
    World(fake, client, LABELLOOP_REGISTER_URL=URL, **login).keep(ONE)
    (backend,), (hook,) = fake.backends.values(), fake.webhooks.values()
    assert (backend["auth_method"], backend["basic_auth_user"], backend["basic_auth_pass"]) == (
        "BASIC_AUTH",
        "user",
        "pass",
    )
    assert hook["headers"] == {"Authorization": "Basic dXNlcjpwYXNz"}


def test_a_failure_is_told_and_tried_again_later(
    fake: FakeLabelStudio, client: LabelStudioClient, caplog: pytest.LogCaptureFixture
):
    world = World(fake, client, LABELLOOP_REGISTER_URL=URL)
    fake.guard_webhooks = True
    world.keep(ONE)
    assert "SSRF_PROTECTION_ENABLED" in caplog.text
    fake.guard_webhooks = False
    world.keep(ONE, after=FIRST_RETRY_SECONDS / 2)
    assert world.titles == []
    world.keep(ONE, after=FIRST_RETRY_SECONDS)
    assert world.titles == [ONE]


def test_the_operator_asks_for_the_same_webhook():
    """It has a list of its own: import rules keep the two apart."""
    assert WEBHOOK_ACTIONS == label_studio_objects.WEBHOOK_ACTIONS
