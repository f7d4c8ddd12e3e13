"""Probes in virtual time: at once after a change, often until the wanted version answers, seldom afterwards."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.fakes.virtual_network import virtually

from labelloop_operator.controller.backend_client import NoAnswer
from labelloop_operator.controller.service_probes import AT_ONCE, ServiceProbes
from labelloop_operator.planning.actions import ProbeService

KEY = ("team-a", "intents")
URL = "http://intents-ml.team-a.svc.cluster.local:9090"
INTERVAL = 60.0


def action(version: str = "model-1", route: str = "a") -> ProbeService:
    return ProbeService(URL, version, route)


class Asked:
    """A backend and the probes of it."""

    def __init__(self) -> None:
        self.answer: str | Exception = "model-1"
        self.takes = 0.0
        self.at: list[float] = []
        self.woken = 0
        self.under_way = self.most = 0
        self.probes = ServiceProbes(self.ask, INTERVAL, self.wake, self.clock, lambda: 1.0)

    def wake(self, _: object) -> None:
        self.woken += 1

    def clock(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())

    async def ask(self, url: str) -> str:
        assert url == URL
        self.at.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.under_way -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def story(tell: Callable[[Asked], object]) -> None:
    async def run() -> None:
        asked = Asked()
        await tell(asked)  # type: ignore[misc]
        await asked.probes.close()

    virtually(run())


def test_an_answer_is_news_once_and_asked_for_seldom_afterwards() -> None:
    async def tell(asked: Asked) -> None:
        asked.probes.perform(KEY, action())
        await asyncio.sleep(3 * INTERVAL + 1)
        assert asked.at == [0.0, 60.0, 120.0, 180.0]
        assert asked.woken == 1
        facts = asked.probes.facts(KEY)
        assert (facts.route, facts.version, facts.failures) == ("a", "model-1", 0)

    story(tell)


def test_many_resources_share_five_probes_a_second() -> None:
    async def tell(asked: Asked) -> None:
        for number in range(1000):
            asked.probes.perform(("team-a", f"backend-{number}"), action())
        await asyncio.sleep(10)
        asked.at.clear()
        await asyncio.sleep(1000)
        assert len(asked.at) == 5000

    story(tell)


def test_another_version_is_asked_again_soon_until_the_wanted_one_answers() -> None:
    async def tell(asked: Asked) -> None:
        asked.probes.perform(KEY, action("model-2"))
        await asyncio.sleep(2.1)
        assert asked.at == [0.0, 0.5, 1.0, 1.5, 2.0]
        assert asked.woken == 1
        asked.answer = "model-2"
        await asyncio.sleep(30)
        assert len(asked.at) == 6
        assert asked.woken == 2

    story(tell)


def test_a_change_of_the_route_is_asked_about_at_once_and_older_questions_count_for_nothing() -> None:
    async def tell(asked: Asked) -> None:
        asked.takes = 2.0
        asked.probes.perform(KEY, action())
        await asyncio.sleep(1.0)
        asked.probes.perform(KEY, action(route="b"))
        assert asked.probes.facts(KEY).version is None
        await asyncio.sleep(1.5)
        assert asked.probes.facts(KEY).version is None
        await asyncio.sleep(1.0)
        assert asked.at == [0.0, 1.0]
        facts = asked.probes.facts(KEY)
        assert (facts.route, facts.version) == ("b", "model-1")

    story(tell)


def test_the_same_question_in_every_reconcile_is_asked_once() -> None:
    async def tell(asked: Asked) -> None:
        for _ in range(100):
            asked.probes.perform(KEY, action())
            await asyncio.sleep(0.1)
        assert len(asked.at) == 1

    story(tell)


@pytest.mark.parametrize("error", [NoAnswer("connection refused"), RuntimeError("a fault of ours")])
def test_failures_are_news_at_the_third_and_pauses_grow(error: Exception) -> None:
    async def tell(asked: Asked) -> None:
        asked.answer = error
        asked.probes.perform(KEY, action())
        await asyncio.sleep(0.9)
        assert asked.woken == 0
        await asyncio.sleep(0.2)
        assert asked.woken == 1
        facts = asked.probes.facts(KEY)
        assert (facts.failures, facts.error, facts.version) == (3, str(error), None)
        assert facts.failing_since is not None
        await asyncio.sleep(600)
        assert asked.woken == 1
        assert max(later - earlier for earlier, later in zip(asked.at, asked.at[1:], strict=False)) == 15.0
        assert len(asked.at) < 70
        asked.answer = "model-1"
        await asyncio.sleep(16)
        assert asked.woken == 2
        assert asked.probes.facts(KEY).failures == 0

    story(tell)


def test_a_slow_backend_delays_no_other_and_no_more_than_so_many_are_asked_at_once() -> None:
    async def tell(asked: Asked) -> None:
        asked.takes = 3.0
        for number in range(4 * AT_ONCE):
            asked.probes.perform(("team-a", f"backend-{number}"), action())
        await asyncio.sleep(4 * 3.0 + 0.1)
        assert asked.most == AT_ONCE
        assert asked.probes.facts(("team-a", f"backend-{4 * AT_ONCE - 1}")).version == "model-1"

    story(tell)


def test_a_resource_that_is_gone_is_asked_no_more() -> None:
    async def tell(asked: Asked) -> None:
        asked.probes.perform(KEY, action())
        await asyncio.sleep(1)
        asked.probes.forget(KEY)
        await asyncio.sleep(3 * INTERVAL)
        assert len(asked.at) == 1
        assert asked.probes.facts(KEY).version is None

    story(tell)


def test_where_it_is_switched_off_nothing_is_known_and_nothing_asked() -> None:
    probes = ServiceProbes(None, INTERVAL, lambda _: None, lambda: datetime.now(UTC))
    assert not probes.facts(KEY).enabled
