"""A Label Studio that was restored from an older backup, or takes half a minute for every answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes import virtual_story
from tests.fakes.operator import World
from tests.fakes.story import result

PATIENCE = 3600.0
"""Virtual seconds."""


def told(story: Callable[[World], Awaitable[None]]) -> None:
    """A story of a resource that has trained on ten annotations."""

    async def tell(made: World) -> None:
        made.label_studio.annotate(7, 10)
        await trains(made, "model-a", 10)
        await until(made, lambda: made.training.get("pendingUpdates") == 0)
        await story(made)

    virtual_story.told(tell, PATIENCE)


async def trains(made: World, version: str, size: int) -> None:
    await until(made, lambda: made.api.all("jobs"))
    (job,) = made.api.all("jobs")
    made.job_ends(job["metadata"]["name"], result(version, size, made.label_studio.now.isoformat()))
    await until(made, lambda: made.found()["status"]["model"]["active"]["version"] == version)
    await until(made, lambda: not made.api.all("jobs"))


async def until(made: World, condition: Callable[[], object]) -> None:
    await virtual_story.until(made, condition, PATIENCE)


def test_what_a_restored_backup_lacks_counts_as_removed_and_what_comes_then_as_usual() -> None:
    async def story(made: World) -> None:
        kept = 0
        for task in made.label_studio.projects[7].tasks.values():
            while task.annotations and kept + len(task.annotations) > 6:
                task.annotations.popitem()
            kept += len(task.annotations)
        assert kept == 6
        await until(made, lambda: made.training.get("pendingUpdates") == 4)
        assert made.training["next"] == "WaitingForUpdates: 4 of 10 annotation updates; a training starts after 6 more"
        assert made.condition("Ready") == ("True", "Ready")
        made.label_studio.annotate(7, 6)
        await trains(made, "model-b", 12)
        await until(made, lambda: made.training.get("pendingUpdates") == 0)
        assert made.training["trainedThrough"]["annotations"] == 12

    told(story)


def test_a_backup_from_before_the_project_is_told_and_the_model_goes_on_serving() -> None:
    async def story(made: World) -> None:
        project = made.label_studio.projects.pop(7)
        await until(made, lambda: made.condition("Ready") == ("False", "ProjectNotFound"))
        assert made.condition("Serving") == ("True", "Available")
        assert made.training["next"].startswith("ProjectNotFound")
        made.label_studio.projects[7] = project
        await until(made, lambda: made.condition("Ready") == ("True", "Ready"))
        assert made.training["pendingUpdates"] == 0

    told(story)


@pytest.mark.parametrize("seconds", [20.0, 31.0])
def test_slow_answers_delay_counting_and_nothing_else(seconds: float) -> None:
    """Requests have 30 s: below, everything takes its time; above, it is reported."""

    async def story(made: World) -> None:
        async def slow(_: Any, carry_out: Callable[[], Any]) -> Any:
            await asyncio.sleep(seconds)
            return await carry_out()

        made.label_studio.interceptor = slow
        made.label_studio.annotate(7, 3)
        if seconds < 30.0:
            await until(made, lambda: made.training.get("pendingUpdates") == 3)
            assert made.condition("Ready") == ("True", "Ready")
        else:
            await until(made, lambda: made.condition("Ready") == ("False", "LabelStudioUnreachable"))
            assert "no answer in time" in made.message("Ready")
            assert made.training["next"].startswith("LabelStudioUnreachable")
            assert made.condition("Serving") == ("True", "Available")
        made.label_studio.interceptor = None
        await until(made, lambda: made.condition("Ready") == ("True", "Ready"))
        await until(made, lambda: made.training.get("pendingUpdates") == 3)

    told(story)
