"""Several resources on one project: the first ML backend is the primary, the others stand by."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

from tests.fakes import virtual_story
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.operator import NAME, NAMESPACE, World
from tests.fakes.story import result
from tests.fakes.virtual_story import clock

HOUR = 3600.0
PATIENCE = HOUR / 6
"""Virtual seconds: less than the interval of unconditional looks."""
SECOND = "second"


def told(story: Callable[[World], Awaitable[None]]) -> None:
    virtual_story.told(story, PATIENCE)


async def until(made: World, condition: Callable[[], object]) -> None:
    await virtual_story.until(made, condition, PATIENCE, SECOND)


def message(made: World, name: str) -> str:
    conditions = made.found(name)["status"]["conditions"]
    return next(item["message"] for item in conditions if item["type"] == "Registered")


def titles(made: World) -> list[str]:
    return [item["title"] for _, item in sorted(made.label_studio.backends.items())]


def collect_children(made: World) -> None:
    """As Kubernetes does once their owner is gone."""
    for plural in ("services", "deployments", "jobs", "secrets"):
        for item in made.api.all(plural):
            if item["metadata"].get("ownerReferences"):
                made.api.remove(plural, NAMESPACE, item["metadata"]["name"])


async def trains(made: World, name: str, version: str) -> None:
    """The resource's Job ends with this version, which then serves."""

    def jobs() -> list[Any]:
        return [job for job in made.api.all("jobs") if job["metadata"]["labels"]["labelloop.dev/backend"] == name]

    await until(made, jobs)
    size = sum(len(task.annotations) for task in made.label_studio.projects[7].tasks.values())
    made.job_ends(jobs()[0]["metadata"]["name"], result(version, size, made.label_studio.now.isoformat()))
    await until(made, lambda: made.found(name)["status"]["model"]["active"]["version"] == version)


def test_the_second_stands_by_trains_too_and_takes_over_title_and_predictions() -> None:
    async def story(made: World) -> None:
        made.resource(SECOND, training={"updatesPerTraining": 10})
        await until(made, lambda: made.condition("Registered", SECOND) == ("False", "NotPrimary"))
        assert f"of LabelStudioBackend {NAMESPACE}/{NAME}" in message(made, SECOND)
        assert made.condition("Registered") == ("True", "Registered")
        before = titles(made)
        made.label_studio.annotate(7, 10)
        await trains(made, SECOND, "model-b")
        await asyncio.sleep(60.0)
        assert titles(made) == before, "Label Studio would take the project's version from a standby's new title"
        await trains(made, NAME, "model-a")
        await until(made, lambda: titles(made)[0] == "model-a")
        made.api.delete("labelstudiobackends", NAMESPACE, NAME, at=clock().strftime("%Y-%m-%dT%H:%M:%SZ"))
        await until(made, lambda: made.condition("Registered", SECOND) == ("True", "Registered"))
        await until(made, lambda: titles(made) == ["model-b"])
        await until(made, lambda: made.label_studio.projects[7].model_version == "model-b")

    told(story)


def test_a_backend_removed_by_hand_whose_webhook_stays_hands_over_within_a_few_polls() -> None:
    async def story(made: World) -> None:
        made.resource(SECOND, training={"updatesPerTraining": 10})
        await until(made, lambda: made.condition("Registered", SECOND) == ("False", "NotPrimary"))
        made.label_studio.remove_backend(min(made.label_studio.backends))
        await until(made, lambda: made.condition("Registered", SECOND) == ("True", "Registered"))
        await until(made, lambda: made.label_studio.projects[7].model_version == titles(made)[0])

    told(story)


def test_a_cleared_model_version_is_selected_again() -> None:
    async def story(made: World) -> None:
        project = made.label_studio.projects[7]
        assert project.model_version == titles(made)[0]
        for stale in ("", "model-0123456789ab"):
            project.model_version = stale
            await until(made, lambda: project.model_version == titles(made)[0])
        assert made.condition("Registered") == ("True", "Registered")

    told(story)


def test_predictions_that_somebody_chose_are_kept_and_reported() -> None:
    async def story(made: World) -> None:
        project = made.label_studio.projects[7]
        project.predictions["imported"] = 3
        project.model_version = "imported"
        await until(made, lambda: made.condition("Registered") == ("False", "OtherModelVersionSelected"))
        assert "'imported'" in message(made, NAME)
        project.shows_predictions = False
        await until(made, lambda: made.condition("Registered") == ("False", "PredictionsOff"))
        await asyncio.sleep(HOUR)
        assert project.model_version == "imported"
        project.shows_predictions, project.model_version = True, titles(made)[0]
        await until(made, lambda: made.condition("Registered") == ("True", "Registered"))

    told(story)


def test_a_resource_made_again_takes_over_what_its_predecessor_left() -> None:
    async def story(made: World) -> None:
        fake = made.label_studio
        before = min(fake.backends)
        fake.html = True
        made.api.delete("labelstudiobackends", NAMESPACE, NAME, at=clock().strftime("%Y-%m-%dT%H:%M:%SZ"))
        await until(made, lambda: made.api.find("labelstudiobackends", NAMESPACE, NAME) is None)
        fake.html = False
        assert (len(fake.backends), len(fake.webhooks)) == (1, 1)
        collect_children(made)
        made.resource(training={"updatesPerTraining": 10})
        await until(made, lambda: made.condition("Registered") == ("True", "Registered"))
        assert list(fake.backends) == [before]
        assert len(fake.webhooks) == 1
        uid = made.found()["metadata"]["uid"]
        assert next(iter(fake.webhooks.values()))["headers"]["Labelloop-Owner"] == uid

    told(story)


def test_a_backend_removed_in_label_studio_hands_over_too_and_comes_back_as_standby() -> None:
    async def story(made: World) -> None:
        made.resource(SECOND, training={"updatesPerTraining": 10})
        await until(made, lambda: made.condition("Registered", SECOND) == ("False", "NotPrimary"))
        fake = made.label_studio
        del fake.backends[min(fake.backends)]
        first = min(fake.webhooks)
        del fake.webhooks[first]
        await until(made, lambda: made.condition("Registered", SECOND) == ("True", "Registered"))
        await until(made, lambda: made.condition("Registered") == ("False", "NotPrimary"))
        assert f"of LabelStudioBackend {NAMESPACE}/{SECOND}" in message(made, NAME)

    told(story)


def test_one_label_studio_under_two_addresses_is_still_one_project() -> None:
    async def story(made: World) -> None:
        first = made.api.find("secrets", NAMESPACE, "label-studio") or {}
        other = {"metadata": {"name": "other-address"}, "data": dict(first["data"])}
        other["data"]["url"] = base64.b64encode(made.label_studio.url.replace("http:", "HTTP:").encode()).decode()
        made.api.put("secrets", other, NAMESPACE)
        place = {"connectionSecretRef": {"name": "other-address"}, "project": 7}
        made.resource(SECOND, labelStudio=place, training={"updatesPerTraining": 10})
        await until(made, lambda: made.condition("Registered", SECOND) == ("False", "NotPrimary"))
        assert made.condition("Registered") == ("True", "Registered")

    told(story)


def test_two_clusters_with_resources_of_one_name_leave_each_other_alone() -> None:
    async def story(made: World) -> None:
        other = World(await FakeKubernetes().start(), made.label_studio)
        other.pace, other.clock = made.pace, clock
        other.connection()
        other.resource(training={"updatesPerTraining": 10})
        await other.run(cluster_id="cluster-2")
        try:
            await until(other, lambda: other.condition("Registered") == ("False", "NotPrimary"))
            await asyncio.sleep(120.0)
            calls = made.label_studio.calls.copy()
            await asyncio.sleep(HOUR)
            changes = made.label_studio.calls - calls
            assert not [call for call in changes if call[0] != "GET"], "they must not undo each other's work"
            assert len(made.label_studio.backends) == len(made.label_studio.webhooks) == 2
            assert made.condition("Registered") == ("True", "Registered")
            made.api.delete("labelstudiobackends", NAMESPACE, NAME, at=clock().strftime("%Y-%m-%dT%H:%M:%SZ"))
            await until(other, lambda: other.condition("Registered") == ("True", "Registered"))
        finally:
            await other.crash()
            await other.api.stop()

    told(story)
