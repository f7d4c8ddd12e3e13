"""Secrets that pod templates name: only labelled ones, read by name, and again once they are fixed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.fakes.operator import NAMESPACE, World, world
from tests.fakes.waiting import until

from labelloop_operator.planning import plan

FIELD = "spec.serving.podTemplate.spec.volumes[0].secret.secretName"


@pytest_asyncio.fixture
async def loop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(plan, "SECRET_PAUSE", 0.05)
    async with world() as made:
        yield made


def mounting(name: str) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"volumes": [{"name": "key", "secret": {"secretName": name}}]}}}


def secret(loop: World, name: str, **labels: str) -> None:
    loop.api.put("secrets", {"metadata": {"name": name, "labels": labels}, "data": {"k": "c2VjcmV0"}}, NAMESPACE)


async def test_a_secret_without_the_label_is_mounted_by_no_pod(loop: World) -> None:
    secret(loop, "other-team")
    loop.resource(serving=mounting("other-team"))
    await loop.run()
    await until(lambda: loop.condition("SpecValid") == ("False", "SecretNotLabelled"), "the condition")
    told = loop.message("SpecValid")
    assert told.startswith(f"{FIELD} (other-team): ")
    assert "kubectl label secret other-team labelloop.dev/use=true" in told
    assert loop.condition("Ready")[0] == "False"
    assert not loop.api.all("deployments")

    secret(loop, "other-team", **{"labelloop.dev/use": "true"})
    await loop.ready()
    assert loop.condition("SpecValid") == ("True", "Valid")


@pytest.mark.parametrize("name", ["missing", "label-studio", "intents-ml-relay"])
async def test_neither_ours_nor_the_connection_nor_one_that_is_missing(loop: World, name: str) -> None:
    loop.resource()
    await loop.run()
    await loop.ready()
    served = loop.api.all("deployments")
    loop.api.patch("labelstudiobackends", NAMESPACE, "intents", lambda live: _set(live, mounting(name)))
    await until(lambda: loop.condition("SpecValid") == ("False", "SecretNotLabelled"), "the condition")
    assert loop.api.all("deployments") == served  # what serves continues to serve


def _set(live: dict[str, Any], serving: dict[str, Any]) -> None:
    live["spec"]["serving"] = serving
    live["metadata"]["generation"] += 1


async def test_a_label_of_another_value_does_not_do(loop: World) -> None:
    secret(loop, "key", **{"labelloop.dev/use": "yes"})
    loop.resource(serving=mounting("key"))
    await loop.run()
    await until(lambda: loop.condition("SpecValid") == ("False", "SecretNotLabelled"), "the condition")


async def test_secrets_are_read_by_name_only(loop: World) -> None:
    secret(loop, "key", **{"labelloop.dev/use": "true"})
    loop.resource(serving=mounting("key"))
    await loop.run()
    await loop.ready()
    reads = [seen for seen in loop.api.requests if seen.plural == "secrets" and seen.method == "GET"]
    assert reads
    assert all(seen.name for seen in reads)
