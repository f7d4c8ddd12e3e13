import pytest
from aiohttp import web
from tests.fakes.kubernetes import FakeKubernetes

from labelloop_operator.kubernetes.api_errors import ApiError, NotLeading
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import BACKEND, DEPLOYMENT, SECRET, SERVICE, kind_named


def service(**spec: object) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "a"}, "spec": spec}


def test_paths() -> None:
    assert SERVICE.path("a") == "/api/v1/namespaces/a/services"
    assert DEPLOYMENT.path(None) == "/apis/apps/v1/deployments"
    assert BACKEND.path("a", "b", "status") == "/apis/labelloop.dev/v1alpha1/namespaces/a/labelstudiobackends/b/status"
    assert kind_named("Secret") is SECRET


async def test_what_is_not_there_is_none(kubernetes: Kubernetes) -> None:
    assert await kubernetes.get(SECRET, "a", "missing") is None


async def test_lists_are_read_in_pages(
    api: FakeKubernetes, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelloop_operator.kubernetes.client.PAGE_SIZE", 2)
    for number in range(5):
        api.put("services", {"metadata": {"name": f"s{number}", "labels": {"x": "1"}}}, "a")
    api.put("services", {"metadata": {"name": "other"}}, "a")
    pages = [page async for page in kubernetes.pages(SERVICE, None, "x=1")]
    items = [item for page, _ in pages for item in page]
    assert [item["metadata"]["name"] for item in items] == [f"s{number}" for number in range(5)]
    assert [len(page) for page, _ in pages] == [2, 2, 1]
    newest = max(int(item["metadata"]["resourceVersion"]) for item in items)
    assert all(int(version) >= newest for _, version in pages)
    assert len(api.requests) == 3
    assert await kubernetes.list(SERVICE, None, "x=1") == items


async def test_applying_twice_changes_nothing_and_leaves_what_others_own(
    api: FakeKubernetes, kubernetes: Kubernetes
) -> None:
    first = await kubernetes.apply(SERVICE, service(selector={"a": "1"}))
    again = await kubernetes.apply(SERVICE, service(selector={"a": "1"}))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    api.patch("services", "a", "s", lambda item: item["spec"].update(externalIPs=["10.0.0.1"]))
    changed = await kubernetes.apply(SERVICE, service(ports=[{"port": 1}]))
    assert changed["spec"]["externalIPs"] == ["10.0.0.1"]
    assert [port["port"] for port in changed["spec"]["ports"]] == [1]
    assert "selector" not in changed["spec"]


async def test_a_refusal_carries_status_and_message(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    api.refuse("PATCH", "services", 403, "no")
    with pytest.raises(ApiError) as refused:
        await kubernetes.apply(SERVICE, service())
    assert (refused.value.status, refused.value.message) == (403, "no")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [({"Retry-After": "7"}, 7.0), ({}, 0.0), ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
     ({"Retry-After": "-3"}, 0.0), ({"Retry-After": "9" * 5000}, 300.0)],
)  # fmt: skip
async def test_when_to_ask_again_is_read_and_bounded(
    api: FakeKubernetes, kubernetes: Kubernetes, header: dict[str, str], seconds: float
) -> None:
    async def busy(*_: object) -> web.Response:
        return web.json_response({"message": "too many requests"}, status=429, headers=header)

    api.interceptor = busy
    with pytest.raises(ApiError) as refused:
        await kubernetes.get(SERVICE, "a", "s")
    assert refused.value.retry_after == seconds


async def test_an_unreachable_server_is_an_api_error_without_status(
    api: FakeKubernetes, kubernetes: Kubernetes
) -> None:
    await api.stop()
    with pytest.raises(ApiError) as refused:
        await kubernetes.get(SECRET, "a", "x")
    assert refused.value.status == 0


async def test_deleting_what_is_gone_or_replaced_is_success(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    await kubernetes.delete(SERVICE, "a", "s", "uid-1")
    made = api.put("services", {"metadata": {"name": "s"}}, "a")
    await kubernetes.delete(SERVICE, "a", "s", "another-uid")
    assert api.find("services", "a", "s")
    await kubernetes.delete(SERVICE, "a", "s", made["metadata"]["uid"])
    assert api.find("services", "a", "s") is None


async def test_without_the_lease_nothing_is_written(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    guarded = kubernetes.require_leadership(lambda: False)
    assert await guarded.get(SERVICE, "a", "s") is None
    for write in (
        guarded.apply(SERVICE, service()),
        guarded.create(SERVICE, service()),
        guarded.replace(SERVICE, service()),
        guarded.delete(SERVICE, "a", "s", "uid"),
        guarded.merge(SERVICE, "a", "s", {}, "m"),
    ):
        with pytest.raises(NotLeading):
            await write
    assert api.writes() == []


async def test_a_watch_tells_changes_and_410_when_it_starts_too_early(
    api: FakeKubernetes, kubernetes: Kubernetes
) -> None:
    ((_, version),) = [page async for page in kubernetes.pages(SERVICE, None)]
    api.put("services", {"metadata": {"name": "s"}}, "a")
    api.remove("services", "a", "s")
    events = []
    async for event in kubernetes.watch(SERVICE, None, "", version):
        events.append((event["type"], event["object"]["metadata"]["name"]))
        if len(events) == 2:
            break
    assert events == [("ADDED", "s"), ("DELETED", "s")]
    api.oldest = int(version) + 1
    with pytest.raises(ApiError) as refused:
        async for _ in kubernetes.watch(SERVICE, None, "", version):
            pass
    assert refused.value.status == 410


async def test_two_field_managers_keep_out_of_each_other_s_way(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    """The annotation of a train request and our finalizer: neither write removes the other."""
    made = api.put("labelstudiobackends", {"metadata": {"name": "b"}, "spec": {}}, "a")
    manifest = {
        "apiVersion": BACKEND.api_version,
        "kind": BACKEND.kind,
        "metadata": {"name": "b", "namespace": "a", "uid": made["metadata"]["uid"], "finalizers": ["labelloop.dev/x"]},
    }
    await kubernetes.apply(BACKEND, manifest)
    await kubernetes.merge(BACKEND, "a", "b", {"metadata": {"annotations": {"requested": "1"}}}, "request")
    await kubernetes.apply(BACKEND, manifest)
    metadata = (api.find("labelstudiobackends", "a", "b") or {})["metadata"]
    assert (metadata["finalizers"], metadata["annotations"]) == (["labelloop.dev/x"], {"requested": "1"})
