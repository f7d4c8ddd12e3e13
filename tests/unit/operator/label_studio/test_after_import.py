"""What counts cost right after an import of annotated tasks, most of which changed within seconds before the cut."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.fakes.annotated_project import AnnotatedProject, choices_config
from tests.fakes.virtual_network import virtually

from labelloop.label_studio import Credentials, Unreachable
from labelloop.label_studio.protocol import Request, Response
from labelloop_operator.api.status import Cut
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.project_ref import Hint, PollIntervals, ProjectRef
from labelloop_operator.label_studio.registration_operations import Owner
from labelloop_operator.label_studio.watch import LabelStudioWatch

KEY = ("team-a", "intents")
POLL, SCAN = 30.0, 600.0
TASKS = 6500
REQUEST, LISTED = 0.1, 0.0025
"""Seconds that an answer takes, and each listed task in it, as measured with Label Studio 1.23.2."""


class World:
    """The project and its watch. The project's clock continues as the loop's does."""

    def __init__(self) -> None:
        self.project = AnnotatedProject(choices_config(["billing", "login"]))
        self.project.step = timedelta(milliseconds=1)
        self.watch = LabelStudioWatch(PollIntervals(POLL, SCAN), lambda key, delay: None)
        self.down = False
        self._began = self.project.now

    async def exchange(self, _: LabelStudio, request: Request) -> Response:
        if self.down:
            raise Unreachable("Label Studio does not answer")
        if request.path in ("/api/webhooks/", "/api/ml"):
            return Response(200, {}, b"[]")
        before = self.listed
        answer = self.project.answer(request)
        await asyncio.sleep(REQUEST + LISTED * (self.listed - before))
        return answer

    @property
    def listed(self) -> int:
        return self.project.tasks_given["listed"]

    def go_on(self) -> None:
        self.project.now = max(self.project.now, self._began + timedelta(seconds=asyncio.get_running_loop().time()))

    def annotate(self, task: int) -> None:
        self.go_on()
        self.project.annotate(task, "login")
        self.watch.hint(KEY, Hint("ANNOTATION_CREATED"))

    async def count_against(self, cut: Cut) -> None:
        owner = Owner("uid-intents", self.project.number, "http://intents-ml.team-a.svc.cluster.local:9090")
        await self.watch.observe(KEY, ProjectRef(Credentials("http://one", "token"), owner, "s3cret", cut))

    @property
    def pending(self) -> int | None:
        facts = self.watch.facts(KEY)
        return facts.pending.total if facts and facts.pending else None

    async def until(self, condition: Callable[[], object], patience: float = 120.0) -> float:
        began = asyncio.get_running_loop().time()
        while not condition():
            await asyncio.sleep(0.1)
            assert asyncio.get_running_loop().time() - began < patience
        return asyncio.get_running_loop().time() - began


@asynccontextmanager
async def trained(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Imported, counted before the first training, and counted against its cut."""
    made = World()

    async def exchange(client: LabelStudio, request: Request) -> Response:
        return await made.exchange(client, request)

    monkeypatch.setattr(LabelStudio, "_exchange", exchange)
    for number in range(TASKS):
        made.project.add_task({"text": f"text {number}"}, "billing")
    cut = Cut(made.project.now, TASKS)
    await made.count_against(Cut())
    await made.until(lambda: made.pending == TASKS)
    await made.count_against(cut)
    await made.until(lambda: made.pending == 0)
    yield made
    await made.watch.close()


def test_each_annotation_is_counted_at_once_and_lists_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def annotated() -> None:
        async with trained(monkeypatch) as world:
            for number in range(1, 6):
                before = world.listed
                world.annotate(number)
                assert await world.until(lambda number=number: world.pending == number) <= 3.0
                assert world.listed - before <= number

    virtually(annotated())


def test_the_unconditional_look_lists_everything_and_finds_what_became_visible_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def late() -> None:
        async with trained(monkeypatch) as world:
            await asyncio.sleep(60.0)
            world.annotate(1)
            await world.until(lambda: world.pending == 1)
            now, written_at = world.project.now, world.project.now - timedelta(seconds=30)
            world.project.now = written_at
            world.project.edit(7, 0, "login")
            world.project.now = now
            world.annotate(2)
            await world.until(lambda: world.pending == 2)
            await world.until(lambda: world.pending == 3, 2 * SCAN)

    virtually(late())


def test_after_a_failure_everything_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def failed() -> None:
        async with trained(monkeypatch) as world:
            world.down = True
            world.annotate(1)
            await world.until(lambda: world.watch.failed_at(KEY))
            world.down = False
            before = world.listed
            await world.until(lambda: world.pending == 1, 4 * POLL)
            assert world.listed - before >= TASKS

    virtually(failed())


def test_a_deleted_task_is_looked_into_among_everything_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def deleted() -> None:
        async with trained(monkeypatch) as world:
            world.annotate(1)
            await world.until(lambda: world.pending == 1)
            world.project.delete_task(TASKS - 5)
            world.project.delete_task(1)  # its new annotation never reached a training, its old one counts
            await world.until(lambda: world.pending == 2)

    virtually(deleted())
