"""The registry outside the reconciles, on the fake API server: tags, removals, restore; a dead one delays nothing."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.fakes.operator import NAME, NAMESPACE, World, world
from tests.fakes.story import fast, result
from tests.fakes.waiting import until


@pytest_asyncio.fixture
async def loop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    fast(monkeypatch.setattr)
    async with world() as made:
        yield made


async def trained(loop: World, version: str, size: int) -> None:
    """One more training, promoted."""
    done = {item["metadata"]["name"] for item in loop.api.all("jobs")}
    last = loop.label_studio.annotate(7)[-1]

    def started() -> list[str]:
        loop.pods_serve()
        return [item["metadata"]["name"] for item in loop.api.all("jobs") if item["metadata"]["name"] not in done]

    await until(started, "a Job")
    loop.job_ends(started()[0], result(version, size, last.updated_at.isoformat()))

    def active() -> bool:
        loop.pods_serve()
        return bool(loop.found()["status"]["model"]["active"]["version"] == version)

    await until(active, version)


def image(version: str) -> str:
    return str(result(version, 1, "")["image"])


async def test_promoted_images_are_tagged_and_those_that_fall_out_removed(loop: World) -> None:
    loop.resource(training={"updatesPerTraining": 1}, model={"historyLimit": 0})
    await loop.run()
    await loop.ready()
    await trained(loop, "model-a", 1)
    await until(lambda: loop.registry.promoted == [image("model-a")], "the tag")
    await trained(loop, "model-b", 2)
    await until(lambda: loop.registry.promoted[-1] == image("model-b"), "the tag")
    await until(lambda: loop.registry.removed == [image("model-a")], "the removal")
    await until(lambda: not loop.found()["status"]["registry"].get("pendingDeletion"), "that it is on record")


async def test_a_dead_registry_delays_nothing_else(loop: World) -> None:
    loop.registry.failure = OSError("no route to host")
    loop.resource(training={"updatesPerTraining": 1})
    await loop.run()
    await loop.ready()
    await trained(loop, "model-a", 1)
    await until(lambda: loop.condition("Ready") == ("True", "Ready"), "Ready")
    assert not loop.registry.promoted
    assert "promoted" not in loop.found()["status"].get("registry", {})


async def test_a_fresh_cluster_serves_the_promoted_version(loop: World) -> None:
    last = loop.label_studio.annotate(7, 3)[-1]
    told: dict[str, Any] = {**result("model-c", 3, last.updated_at.isoformat()), "project": 7}
    loop.registry.results["promoted"] = told
    loop.resource(training={"updatesPerTraining": 2}, image="registry.example/base:1")
    loop.registry.results["promoted"]["base_image"] = "registry.example/base:1"
    await loop.run()
    await loop.ready()
    assert loop.found()["status"]["model"]["active"]["version"] == "model-c"
    assert not loop.api.all("jobs")
    await until(lambda: loop.training.get("pendingUpdates") == 0, "the count against the restored cut")
    service = loop.api.find("services", NAMESPACE, f"{NAME}-ml") or {}
    assert "model-c" in service["metadata"]["annotations"]["labelloop.dev/record"]
