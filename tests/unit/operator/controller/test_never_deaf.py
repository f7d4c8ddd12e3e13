"""Whatever goes wrong between Label Studio and a count, it passes by itself or is reported; nothing is lost in
silence."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.operator import NAME, NAMESPACE, Operator, World, world
from tests.fakes.virtual_network import virtually
from tests.fakes.virtual_story import clock

from labelloop_operator.controller import reconciler as engine_module
from labelloop_operator.label_studio.project_monitor import ProjectWatch
from labelloop_operator.label_studio.project_ref import PollIntervals

KEY = (NAMESPACE, NAME)
HOUR = 3600.0


def told(story: Callable[[World, Operator], Awaitable[None]], **options: Any) -> None:
    """A story of a Ready resource in virtual time, with a Label Studio that is asked as often as by default."""

    async def tell() -> None:
        async with world() as made:
            made.pace = PollIntervals(poll=30.0, scan=1200.0)
            made.clock = clock
            made.resource(training={"updatesPerTraining": 10})
            operator = await made.run(**options)
            await made.ready()
            await story(made, operator)

    virtually(tell())


async def until(condition: Callable[[], object], seconds: float = 3 * HOUR) -> None:
    """Within so many virtual seconds."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.5)


async def hang(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


def test_a_write_refused_for_want_of_the_lease_is_made_once_the_lease_is_renewed() -> None:
    leading = [True]

    async def story(made: World, operator: Operator) -> None:
        leading[0] = False
        made.label_studio.annotate(7, 3)
        refused = {"result": "not_leading"}
        await until(lambda: operator.metrics.registry.get_sample_value("labelloop_reconcile_total", refused))
        leading[0] = True
        await until(lambda: made.training.get("pendingUpdates") == 3, 60.0)

    told(story, may_write=lambda: leading[0])


def test_a_reconcile_that_hangs_is_ended_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def story(made: World, operator: Operator) -> None:
        gather = operator.engine._gatherer.gather
        operator.engine._gatherer.gather = hang  # type: ignore[assignment]
        made.label_studio.annotate(7, 3)
        await until(lambda: "reconcile failed" in caplog.text)
        assert made.condition("Ready") == ("Unknown", "InternalError")
        operator.engine._gatherer.gather = gather  # type: ignore[method-assign]
        await until(lambda: made.training.get("pendingUpdates") == 3)
        assert made.condition("Ready") == ("True", "Ready")

    told(story)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_a_watch_that_ends_starts_again(
    end: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(made: World, operator: Operator) -> None:
        watch = operator.watch._projects[KEY]
        if end == "cancelled":
            watch._loop._task.cancel()
        else:
            monkeypatch.setattr(ProjectWatch, "_scan", lambda *_: 1 / 0)
            made.label_studio.annotate(7, 1)
        await until(lambda: "it starts again" in caplog.text)
        monkeypatch.undo()
        made.label_studio.annotate(7, 3)
        await until(lambda: (made.training.get("pendingUpdates") or 0) >= 3)
        assert "the watch of project 7" in caplog.text

    told(story)


def test_a_count_that_does_not_come_is_told_and_logged_and_given_up_in_the_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(made: World, operator: Operator) -> None:
        await until(lambda: operator.watch._projects[KEY].count_waits == 0)
        monkeypatch.setattr(ProjectWatch, "_count", hang)
        made.label_studio.annotate(7, 3)
        await until(lambda: "CountStale" in (made.training.get("next") or ""))
        assert made.training["next"].startswith("CountStale: 0 of 10 annotation updates, as of 20")
        assert "no new count for" in caplog.text
        await until(lambda: made.condition("Ready")[1] == "LabelStudioUnreachable")
        assert "counting the annotation updates of project 7" in made.message("Ready")
        monkeypatch.undo()
        await until(lambda: made.training.get("pendingUpdates") == 3)
        assert made.training["next"] == "WaitingForUpdates: 3 of 10 annotation updates; a training starts after 7 more"

    with caplog.at_level(logging.INFO):
        told(story)


@pytest.mark.parametrize("path", ["/api/tasks", "/api/projects", "/api/ml"])
def test_a_request_that_is_never_answered_after_a_restart_is_told(path: str) -> None:
    async def story(made: World, _: Operator) -> None:
        await made.crash()
        made.label_studio.annotate(7, 3)
        released = asyncio.Event()

        async def held(request: Any, carry_out: Callable[[], Any]) -> Any:
            if request.path == path and not released.is_set():
                await released.wait()
            return await carry_out()

        made.label_studio.interceptor = held
        await made.run()
        await until(lambda: made.condition("Ready")[1] == "LabelStudioUnreachable")
        assert made.training["next"].startswith("LabelStudioUnreachable")
        released.set()
        await until(lambda: made.training.get("pendingUpdates") == 3)
        await until(lambda: made.condition("Ready") == ("True", "Ready"))

    told(story)


def test_silence_after_a_restart_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def story(made: World, _: Operator) -> None:
        await made.crash()
        monkeypatch.setattr(ProjectWatch, "facts", None)
        await made.run()
        await until(lambda: made.condition("Ready") == ("False", "Connecting"))
        assert "nothing was heard from Label Studio" in caplog.text
        monkeypatch.undo()
        await until(lambda: made.condition("Ready") == ("True", "Ready"))

    told(story)


def test_a_fault_of_the_operator_is_told_without_a_trace_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(made: World, _: Operator) -> None:
        before = made.found()["status"]

        def broken(*_: Any) -> None:
            raise KeyError("a text that nobody should see")

        monkeypatch.setattr(engine_module, "plan", broken)
        made.label_studio.annotate(7, 3)
        await until(lambda: made.condition("Ready") == ("Unknown", "InternalError"))
        assert "KeyError" in made.message("Ready")
        assert "tries again by itself" in made.message("Ready")
        assert "nobody should see" not in str(made.found())
        assert made.found()["status"]["model"] == before["model"]
        await until(lambda: any(item["reason"] == "InternalError" for item in made.api.all("events")))
        monkeypatch.undo()
        await until(lambda: made.condition("Ready") == ("True", "Ready"))
        assert made.training["pendingUpdates"] == 3

    told(story)
