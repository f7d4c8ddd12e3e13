"""The connection Secret leads to another Label Studio, or to one that was installed again at the same address."""

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.fakes import virtual_story
from tests.fakes.label_studio import FakeLabelStudio
from tests.fakes.operator import NAME, NAMESPACE, World
from tests.fakes.story import result

PATIENCE = 1500.0
"""Virtual seconds: more than the interval in which the projects themselves are described."""
LATER = "2026-11-22T05:00:00.000001Z"


def told(story: Callable[[World], Awaitable[None]]) -> None:
    virtual_story.told(story, PATIENCE)


async def until(made: World, condition: Callable[[], object]) -> None:
    await virtual_story.until(made, condition, PATIENCE)


@asynccontextmanager
async def other_label_studio(created_at: str = LATER) -> Any:
    """One with a project of the same id."""
    other = await FakeLabelStudio().start()
    other.add_project(7).created_at = created_at
    try:
        yield other
    finally:
        await other.stop()


def moves(made: World, url: str) -> None:
    """The Secret names this address from now on, and somebody asks for a reconcile, which reads it at once."""
    made.connection(url=url)
    asked = {"labelloop.dev/reconcile-requested-at": url}
    made.api.patch("labelstudiobackends", NAMESPACE, NAME, lambda item: item["metadata"].update(annotations=asked))


async def trains(made: World, version: str, fake: FakeLabelStudio) -> None:
    await until(made, lambda: made.api.all("jobs"))
    (job,) = made.api.all("jobs")
    size = sum(len(task.annotations) for task in fake.projects[7].tasks.values())
    made.job_ends(job["metadata"]["name"], result(version, size, fake.now.isoformat()))
    await until(made, lambda: active(made) == version)


def active(made: World) -> str:
    return str(made.found()["status"]["model"]["active"]["version"])


def events(made: World, reason: str) -> list[str]:
    return [item["note"] for item in made.api.all("events") if item["reason"] == reason]


def label_studio(made: World) -> dict[str, Any]:
    return dict(made.found()["status"]["labelStudio"])


def test_another_label_studio_starts_from_everything_and_the_former_one_is_left_clean() -> None:
    async def story(made: World) -> None:
        former = made.label_studio
        former.annotate(7, 12)
        await trains(made, "model-aaaaaaaaaaaa", former)
        former.annotate(7, 10)
        await until(made, lambda: len(made.api.all("jobs")) == 1)
        running = made.api.all("jobs")[0]["metadata"]["name"]
        async with other_label_studio() as other:
            other.annotate(7, 3)
            moves(made, other.url)
            await until(made, lambda: label_studio(made)["address"] == other.url)
            await until(made, lambda: not former.backends and not former.webhooks)
            await until(made, lambda: made.training.get("pendingUpdates") == 3)
            assert made.training["trainedThrough"] == {"annotations": 0}
            assert "snapshot" not in made.training
            assert made.api.find("jobs", NAMESPACE, running) is None
            assert active(made) == "model-aaaaaaaaaaaa", "it serves until another model is trained"
            await until(made, lambda: made.condition("Ready") == ("True", "Ready"))
            assert other.projects[7].model_version == "model-aaaaaaaaaaaa"
            await until(made, lambda: "former" not in label_studio(made))
            assert len(events(made, "ProjectChanged")) == 1
            assert not events(made, "RegistrationOrphaned")
            other.annotate(7, 7)
            await trains(made, "model-bbbbbbbbbbbb", other)

    told(story)


def test_the_former_job_s_outcome_is_not_accepted() -> None:
    async def story(made: World) -> None:
        made.label_studio.annotate(7, 10)
        await until(made, lambda: made.api.all("jobs"))
        name = made.api.all("jobs")[0]["metadata"]["name"]
        made.api.patch("jobs", NAMESPACE, name, lambda job: job["metadata"].update(finalizers=["kept"]))
        async with other_label_studio() as other:
            moves(made, other.url)
            await until(made, lambda: label_studio(made)["address"] == other.url)
            made.job_ends(name, result("model-aaaaaaaaaaaa", 10, other.now.isoformat()))
            await until(made, lambda: made.condition("Registered") == ("True", "Registered"))
            await until(made, lambda: made.training.get("pendingUpdates") == 0)
            assert active(made).startswith("cold-")

    told(story)


def test_a_former_label_studio_that_does_not_answer_is_named() -> None:
    async def story(made: World) -> None:
        ids = label_studio(made)
        async with other_label_studio() as other:
            await made.label_studio.stop()
            moves(made, other.url)
            await until(made, lambda: events(made, "RegistrationOrphaned"))
            (note,) = events(made, "RegistrationOrphaned")
            assert f"ML backend {ids['backendID']} and webhook {ids['webhookID']} of project 7" in note
            assert made.label_studio.url in note
            await until(made, lambda: made.condition("Ready") == ("True", "Ready"))
            assert "former" not in label_studio(made)

    told(story)


def test_a_change_while_the_operator_is_away_is_noticed() -> None:
    async def story(made: World) -> None:
        await made.crash()
        async with other_label_studio() as other:
            made.connection(url=other.url)
            await made.run()
            await until(made, lambda: label_studio(made)["address"] == other.url)
            await until(made, lambda: not made.label_studio.backends and not made.label_studio.webhooks)
            await until(made, lambda: len(other.backends) == 1)

    told(story)


def test_label_studio_installed_again_at_the_same_address_is_another_one() -> None:
    async def story(made: World) -> None:
        fake = made.label_studio
        fake.annotate(7, 12)
        await trains(made, "model-aaaaaaaaaaaa", fake)
        fake.projects.clear()
        fake.backends.clear()
        fake.webhooks.clear()
        fake.add_project(7).created_at = LATER
        fake.annotate(7, 12)
        await until(made, lambda: made.training["trainedThrough"] == {"annotations": 0})
        assert events(made, "RegistrationOrphaned")
        await trains(made, "model-bbbbbbbbbbbb", fake)

    told(story)


def test_the_same_label_studio_at_another_address_changes_nothing_but_the_address() -> None:
    async def story(made: World) -> None:
        fake = made.label_studio
        fake.annotate(7, 12)
        await trains(made, "model-aaaaaaaaaaaa", fake)
        before = label_studio(made)
        url = fake.url.replace("http:", "HTTP:")
        moves(made, url)
        await until(made, lambda: label_studio(made)["address"] == url)
        assert label_studio(made)["backendID"] == before["backendID"]
        assert made.training["trainedThrough"]["annotations"] == 12
        assert not events(made, "ProjectChanged")

    told(story)


def test_a_release_that_is_too_old_is_named() -> None:
    async def story(made: World) -> None:
        assert label_studio(made)["release"] == "1.23.2"
        made.label_studio.release = "1.10.1"
        await until(made, lambda: label_studio(made)["release"] == "1.10.1")
        assert "1.13.1 or newer" in events(made, "ReleaseUnsupported")[0]

    told(story)
