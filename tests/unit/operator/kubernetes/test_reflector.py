import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.operator import connect
from tests.fakes.waiting import until

from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.cluster_watch import ClusterWatch, MissingDefinition, api_servers, cluster_id
from labelloop_operator.kubernetes.kinds import SERVICE
from labelloop_operator.kubernetes.reflector import Reflector

LABELS = {"labelloop.dev/backend": "intents"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelloop_operator.kubernetes.reflector._FIRST_DELAY", 0.02)
    monkeypatch.setattr("labelloop_operator.kubernetes.reflector._MAXIMUM_DELAY", 0.05)
    monkeypatch.setattr("labelloop_operator.kubernetes.cluster_watch._RETRY_PAUSE", 0.02)


@pytest_asyncio.fixture
async def api() -> AsyncIterator[FakeKubernetes]:
    made = await FakeKubernetes().start()
    yield made
    await made.stop()


class Watching:
    def __init__(self, api: FakeKubernetes) -> None:
        self.kubernetes = connect(api)
        self.cache = Cache(lambda _: None)
        self.reflector = Reflector(self.kubernetes, self.cache, SERVICE, None, "labelloop.dev/backend")

    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.cache.children(("a", "intents")).services]

    async def __aenter__(self) -> "Watching":
        self.task = asyncio.create_task(self.reflector.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.kubernetes.close()


def put(api: FakeKubernetes, name: str, **more: Any) -> None:
    api.put("services", {"metadata": {"name": name, "labels": LABELS}, **more}, "a")


async def test_what_is_there_and_what_comes_and_goes(api: FakeKubernetes) -> None:
    put(api, "one")
    async with Watching(api) as watching:
        await until(lambda: watching.names() == ["one"])
        put(api, "two")
        await until(lambda: watching.names() == ["one", "two"])
        api.remove("services", "a", "one")
        await until(lambda: watching.names() == ["two"])


async def test_a_broken_watch_resumes_where_it_was(api: FakeKubernetes) -> None:
    put(api, "one")
    async with Watching(api) as watching:
        await until(lambda: any(seen.watch for seen in api.requests))
        api.drop_watches()
        put(api, "two")
        await until(lambda: watching.names() == ["one", "two"])
        assert len([seen for seen in api.requests if not seen.watch]) == 1


async def test_too_old_a_version_means_a_new_list_that_tells_deletions(api: FakeKubernetes) -> None:
    put(api, "one")
    put(api, "two")
    async with Watching(api) as watching:
        await until(lambda: any(seen.watch for seen in api.requests))
        api.forget_silently("services", "a", "one")
        put(api, "three")
        await until(lambda: "three" in watching.names())
        api.oldest = 10_000
        api.drop_watches()
        await until(lambda: watching.names() == ["three", "two"])
        api.oldest = 0


async def test_an_outage_is_waited_out(api: FakeKubernetes) -> None:
    refusal = api.refuse("GET", "services", 503, "starting")
    put(api, "one")
    async with Watching(api) as watching:
        await until(lambda: len(api.requests) > 3)
        api.refusals.remove(refusal)
        await until(lambda: watching.names() == ["one"])


async def test_the_cache_is_filled_once_the_api_server_answers(api: FakeKubernetes) -> None:
    kubernetes = connect(api)
    listed: list[int] = []
    put(api, "one")
    cache = Cache(lambda _: None)
    api.refuse("GET", "*", 503, "starting", times=3)
    await ClusterWatch(kubernetes, cache, (), 60, lambda: listed.append(1)).fill()
    assert len(cache.children(("a", "intents")).services) == 1
    assert listed == [1]
    await kubernetes.close()


async def test_without_the_definition_the_operator_says_so(api: FakeKubernetes) -> None:
    kubernetes = connect(api)
    api.missing.add("labelstudiobackends")
    with pytest.raises(MissingDefinition, match="kubectl apply -f crds/"):
        await ClusterWatch(kubernetes, Cache(lambda _: None), (), 60, lambda: None).fill()
    await kubernetes.close()


async def test_only_the_chosen_namespaces_are_listed(api: FakeKubernetes) -> None:
    kubernetes = connect(api)
    for namespace in ("a", "b"):
        api.put("labelstudiobackends", {"metadata": {"name": "x"}, "spec": {}}, namespace)
    cache = Cache(lambda _: None)
    await ClusterWatch(kubernetes, cache, ("b",), 60, lambda: None).fill()
    assert cache.resources() == (("b", "x"),)
    await kubernetes.close()


async def test_the_periodic_list_heals_what_no_event_told(api: FakeKubernetes) -> None:
    kubernetes = connect(api)
    api.put("labelstudiobackends", {"metadata": {"name": "x"}, "spec": {}}, "a")
    cache = Cache(lambda _: None)
    watch = ClusterWatch(kubernetes, cache, (), 0.05, lambda: None)
    await watch.fill()
    tasks = [asyncio.create_task(task) for task in watch.tasks()]
    api.forget_silently("labelstudiobackends", "a", "x")
    put(api, "moves the version on")
    await until(lambda: cache.resources() == ())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await kubernetes.close()


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda api: None, lambda api: api.all("namespaces")[0]["metadata"]["uid"]),
        (lambda api: api.refuse("GET", "namespaces", 403, "no"), lambda api: "key-"),
        (
            lambda api: api.refuse("GET", "namespaces", 503, "busy", 2),
            lambda api: api.all("namespaces")[0]["metadata"]["uid"],
        ),
    ],
)
async def test_the_cluster_s_id(
    api: FakeKubernetes, prepare: Callable[[FakeKubernetes], object], expected: Callable[[FakeKubernetes], str]
) -> None:
    prepare(api)
    kubernetes = connect(api)
    assert (await cluster_id(kubernetes, b"key", whole_cluster=True)).startswith(expected(api))
    await kubernetes.close()


async def test_the_api_servers_are_those_behind_the_service(api: FakeKubernetes) -> None:
    kubernetes = connect(api)
    assert await api_servers(kubernetes) == ()
    slice_ = {
        "metadata": {"name": "kubernetes"},
        "endpoints": [{"addresses": ["10.0.0.5"]}, {"addresses": ["10.0.0.6"]}],
        "ports": [{"name": "https", "port": 6443}],
    }
    api.put("endpointslices", slice_, "default")
    assert await api_servers(kubernetes) == ("[10.0.0.5]:6443", "[10.0.0.6]:6443")
    api.refuse("GET", "endpointslices", 403, "no")
    assert await api_servers(kubernetes) == ()
    await kubernetes.close()
