import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from tests.fakes.label_studio import TOKEN, FakeLabelStudio
from tests.fakes.waiting import until

from labelloop.label_studio import Credentials
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.api.status import Cut
from labelloop_operator.label_studio.project_ref import Hint, PollIntervals, Progress, ProjectRef
from labelloop_operator.label_studio.registration_operations import Owner
from labelloop_operator.label_studio.watch import LabelStudioWatch
from labelloop_operator.planning.actions import Deregister, EnsureBackend, EnsureWebhook
from labelloop_operator.planning.observed import LabelStudioFacts

KEY = ("team-a", "intents")
URL = "http://intents-ml.team-a.svc.cluster.local:9090"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelloop_operator.label_studio.project_monitor.GAP", 0.05)
    monkeypatch.setattr("labelloop_operator.label_studio.action_runner._FIRST_PAUSE", 0.05)
    monkeypatch.setattr("labelloop_operator.label_studio.action_runner._REPEAT_PAUSE", 0.05)


class Watching:
    """A watch with its pace, and the wake-ups it caused."""

    def __init__(self, fake: FakeLabelStudio, poll: float = 0.1, scan: float = 60.0) -> None:
        self.fake = fake
        self.scan = scan
        self.woken: Counter[tuple[str, str]] = Counter()
        self.leading = True
        self.watch = LabelStudioWatch(PollIntervals(poll, scan), self._wake, lambda: self.leading)

    def _wake(self, key: tuple[str, str], _: float) -> None:
        self.woken[key] += 1

    def target(self, project: int = 7, cut: Cut | None = None, token: str = TOKEN, name: str = "intents") -> ProjectRef:
        url = URL.replace("intents", name)
        owner = Owner(f"uid-{name}", project, url)
        return ProjectRef(Credentials(self.fake.url, token), owner, "s3cret", cut or Cut())

    async def observe(self, key: tuple[str, str] = KEY, **target: Any) -> LabelStudioFacts | None:
        return await self.watch.observe(key, self.target(**target))

    def facts(self, key: tuple[str, str] = KEY) -> LabelStudioFacts:
        return self.watch.facts(key) or LabelStudioFacts()

    def pending(self, key: tuple[str, str] = KEY) -> int | None:
        pending = self.facts(key).pending
        return pending.total if pending else None


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeLabelStudio]:
    made = await FakeLabelStudio().start()
    made.add_project(7, tasks=10)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def watching(fake: FakeLabelStudio) -> AsyncIterator[Watching]:
    made = Watching(fake)
    yield made
    await made.watch.close()


async def test_first_everything_is_read(fake: FakeLabelStudio, watching: Watching) -> None:
    fake.annotate(7, 3)
    fake.annotate(7, 2, skipped=True)
    assert await watching.observe() is None
    await until(lambda: watching.facts().registration_known and watching.pending() == 5)
    facts = watching.facts()
    assert facts.project is not None
    assert facts.project.label_config_digest
    assert facts.problem is None
    assert facts.pending is not None
    assert facts.pending.size == 5
    assert watching.woken[KEY] > 0


async def test_moved_counters_are_noticed_by_the_poll(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.pending() == 0)
    fake.annotate(7, 4)
    await until(lambda: watching.pending() == 4)


async def test_a_hint_is_looked_into_at_once_and_a_burst_of_hints_once(fake: FakeLabelStudio) -> None:
    watching = Watching(fake, poll=60.0)
    await watching.observe()
    await until(lambda: watching.pending() == 0)
    scans = fake.calls["GET", "/api/projects/7"]
    fake.annotate(7, 2)
    for _ in range(50):
        watching.watch.hint(KEY, Hint("ANNOTATION_CREATED"))
    await until(lambda: watching.pending() == 2)
    assert fake.calls["GET", "/api/projects/7"] - scans <= 2
    await watching.watch.close()


async def test_an_edit_whose_webhook_was_lost_is_found_by_the_unconditional_scan(fake: FakeLabelStudio) -> None:
    watching = Watching(fake, poll=60.0, scan=0.2)
    (annotation,) = fake.annotate(7)
    await watching.observe(cut=Cut(annotation.updated_at, 1))
    await until(lambda: watching.pending() == 0)
    fake.edit(7, annotation.id)  # moves no counter
    await until(lambda: watching.pending() == 1)
    await watching.watch.close()


async def test_a_moved_cut_is_counted_against_and_the_old_count_is_void(
    fake: FakeLabelStudio, watching: Watching
) -> None:
    made = fake.annotate(7, 3)
    await watching.observe()
    await until(lambda: watching.pending() == 3)
    cut = Cut(made[-1].updated_at, 3)
    facts = await watching.observe(cut=cut)
    assert facts is not None
    assert facts.pending is None
    await until(lambda: watching.pending() == 0)
    pending = watching.facts().pending
    assert pending is not None
    assert pending.cut == cut


async def test_resources_of_one_server_share_the_poll_s_requests(fake: FakeLabelStudio, watching: Watching) -> None:
    for number in range(20, 25):
        fake.add_project(number)
        await watching.observe(("team-a", f"p{number}"), project=number, name=f"p{number}")
    await until(lambda: all(watching.pending(("team-a", f"p{number}")) == 0 for number in range(20, 25)))
    before = fake.calls.copy()
    fake.annotate(22, 1)
    await until(lambda: watching.pending(("team-a", "p22")) == 1)
    polls = fake.calls["GET", "/api/webhooks/"] - before["GET", "/api/webhooks/"]
    counts = fake.calls["GET", "/api/projects"] - before["GET", "/api/projects"]
    assert counts <= polls + 4  # one a poll, and those before and after the one scan


async def test_backends_are_not_polled(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.facts().registration_known)
    polls = fake.calls["GET", "/api/webhooks/"]
    await until(lambda: fake.calls["GET", "/api/webhooks/"] >= polls + 5)
    assert fake.calls["GET", "/api/ml"] == 1


async def test_problems_are_told_and_pass(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.pending() == 0)
    fake.html = True
    await until(lambda: (watching.facts().problem or Problem("", "", "")).reason == Reason.NOT_LABEL_STUDIO)
    assert watching.watch.failed_at(KEY) is not None
    assert watching.pending() == 0  # what was known stays
    fake.html = False
    await until(lambda: watching.facts().problem is None)
    assert watching.watch.failed_at(KEY) is None


async def test_a_project_that_is_not_there_is_told(watching: Watching) -> None:
    await watching.observe(project=99)
    await until(lambda: (watching.facts().problem or Problem("", "", "")).reason == Reason.PROJECT_NOT_FOUND)


async def test_an_unsupported_labelling_configuration_is_told_and_counting_goes_on(
    fake: FakeLabelStudio, watching: Watching
) -> None:
    fake.projects[7].label_config = "<View><Image name='i' value='$i'/></View>"
    fake.annotate(7, 1)
    await watching.observe()
    await until(lambda: watching.pending() == 1)
    project = watching.facts().project
    assert project is not None
    assert project.label_config_digest is None
    assert project.label_config_problem


async def test_controls_that_are_left_out_are_told(fake: FakeLabelStudio, watching: Watching) -> None:
    more = '<Choices name="part" toName="text" perRegion="true"><Choice value="a"/></Choices></View>'
    fake.projects[7].label_config = fake.projects[7].label_config.replace("</View>", more)
    await watching.observe()
    await until(lambda: watching.pending() == 0)
    project = watching.facts().project
    assert project is not None
    assert project.label_config_digest
    assert ['<Choices name="part" perRegion="true">' in reason for reason in project.label_config_ignored] == [True]


async def test_a_dead_server_delays_no_other(fake: FakeLabelStudio, watching: Watching) -> None:
    dead = await FakeLabelStudio().start()
    dead.add_project(7)
    target = ProjectRef(Credentials(dead.url, TOKEN), Owner("u", 7, URL), "s", Cut())
    await dead.stop()
    await watching.watch.observe(("team-a", "dead"), target)
    await watching.observe()
    await until(lambda: watching.pending() == 0)
    problem = watching.facts(("team-a", "dead")).problem
    assert problem is not None
    assert problem.reason == Reason.LABEL_STUDIO_UNREACHABLE


def ensure_webhook(secret: str = "s3cret") -> EnsureWebhook:
    return EnsureWebhook(7, URL, secret, None)


def ensure_backend(title: str = "cold-1", backend_id: int | None = None) -> EnsureBackend:
    return EnsureBackend(7, URL, title, backend_id, {"labelloop": {"cluster": "cluster-1", "uid": "uid-intents"}})


async def test_an_action_is_done_once_and_the_facts_show_it(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.facts().registration_known)
    for action in (ensure_webhook(), ensure_backend()):
        assert watching.watch.perform(KEY, action) is Progress.WAITING
        assert watching.watch.perform(KEY, action) is Progress.WAITING
        await until(lambda: len(fake.webhooks) == 1)
        await until(lambda: watching.facts().webhooks)
    await until(lambda: [item.title for item in watching.facts().backends] == ["cold-1"])
    assert fake.calls["POST", "/api/webhooks/"] == 1
    assert fake.calls["POST", "/api/ml"] == 1
    (backend,) = watching.facts().backends
    assert backend.ours
    assert watching.facts().webhooks[0].authorized
    watching.watch.perform(KEY, ensure_backend("model-1", backend.id))
    await until(lambda: [item.title for item in watching.facts().backends] == ["model-1"])


async def test_a_failed_action_is_told_and_tried_again_later(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.facts().registration_known)
    fake.guard_webhooks = True
    watching.watch.perform(KEY, ensure_webhook())
    await until(lambda: watching.facts().registration_problem)
    told = watching.watch.perform(KEY, ensure_webhook())
    assert isinstance(told, Problem)
    assert told.reason == Reason.ADDRESS_BLOCKED
    assert "SSRF_PROTECTION_ENABLED" in told.message
    fake.guard_webhooks = False

    def done() -> bool:
        watching.watch.perform(KEY, ensure_webhook())
        return watching.facts().registration_problem is None and bool(fake.webhooks)

    await until(done)


async def test_a_failure_is_void_once_nobody_asks_any_more(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.facts().registration_known)
    fake.guard_backends = True
    watching.watch.perform(KEY, ensure_backend())
    await until(lambda: watching.facts().registration_problem)
    watching.watch.settled(KEY)
    assert watching.facts().registration_problem is None


async def test_deregistration_is_told_as_done(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    watching.watch.perform(KEY, ensure_webhook())
    await until(lambda: fake.webhooks)
    action = Deregister(7, URL)
    await until(lambda: watching.watch.perform(KEY, action) is Progress.DONE)
    assert fake.webhooks == {}


async def test_nothing_is_written_without_the_lease(fake: FakeLabelStudio, watching: Watching) -> None:
    await watching.observe()
    await until(lambda: watching.facts().registration_known)
    watching.leading = False
    watching.watch.perform(KEY, ensure_webhook())
    await until(lambda: watching.woken[KEY] > 0)
    assert fake.calls["POST", "/api/webhooks/"] == 0
    assert watching.facts().registration_problem is None


async def test_a_backend_that_label_studio_cannot_reach_is_asked_for_until_it_can(
    fake: FakeLabelStudio, watching: Watching
) -> None:
    await watching.observe()
    await until(lambda: watching.facts().registration_known)
    fake.backend_state = "DI"
    watching.watch.perform(KEY, ensure_backend())
    await until(lambda: [item.state for item in watching.facts().backends] == ["DI"])
    fake.backend_state = "CO"
    await until(lambda: [item.state for item in watching.facts().backends] == ["CO"])


async def test_backends_that_could_not_be_listed_are_asked_for_again_soon(
    fake: FakeLabelStudio, watching: Watching
) -> None:
    refused: list[str] = []

    async def hiccup(request: Any, carry_out: Any) -> Any:
        if request.method == "GET" and request.path == "/api/ml" and len(refused) < 2:
            refused.append(request.path)
            return web.json_response({"detail": "hiccup"}, status=500)
        return await carry_out()

    fake.interceptor = hiccup
    await watching.observe()
    await until(lambda: watching.facts().registration_problem)
    async with asyncio.timeout(watching.scan / 2):
        await until(lambda: watching.facts().registration_known and not watching.facts().registration_problem)
    assert len(refused) == 2


async def test_other_credentials_start_anew_and_a_forgotten_resource_is_asked_for_no_more(
    fake: FakeLabelStudio, watching: Watching
) -> None:
    await watching.observe(token="f" * 40)
    await until(lambda: watching.facts().problem)
    assert await watching.observe() is None
    await until(lambda: watching.pending() == 0)
    await watching.watch.forget(KEY)
    assert watching.watch.facts(KEY) is None
    assert not watching.watch.address(KEY)
    calls = sum(fake.calls.values())
    other = Watching(fake)
    await other.observe()
    await until(lambda: other.pending() == 0)
    await other.watch.close()
    assert fake.calls["GET", "/api/ml"] <= 3
    assert sum(fake.calls.values()) > calls
