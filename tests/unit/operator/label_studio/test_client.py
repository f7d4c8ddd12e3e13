import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from tests.fakes.label_studio import TOKEN, FakeLabelStudio

from labelloop import label_studio as library
from labelloop_operator.label_studio.client import LabelStudio
from labelloop_operator.label_studio.registration_operations import (
    Owner,
    deregister,
    ensure_backend,
    ensure_webhook,
)

URL = "http://intents-ml.team-a.svc.cluster.local:9090"
OWNER = Owner("uid-1", 7, URL)
MARK = {"labelloop": {"cluster": "cluster-1", "resource": "team-a/intents", "uid": "uid-1"}}


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeLabelStudio]:
    made = await FakeLabelStudio().start()
    made.add_project(7)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def client(fake: FakeLabelStudio) -> AsyncIterator[LabelStudio]:
    made = LabelStudio(library.Credentials(fake.url, TOKEN))
    yield made
    await made.close()


async def test_an_operation_is_carried_out(fake: FakeLabelStudio, client: LabelStudio) -> None:
    fake.annotate(7, 3)
    assert (await client.run(library.counters([7])))[7].size == 3


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ({"token": "f" * 40}, library.Unauthorized),
        ({"html": True}, library.NotLabelStudio),
        ({"broken": 503}, library.Unreachable),
        ({"broken": 500}, library.Rejected),
    ],
)
async def test_what_goes_wrong_is_named(
    fake: FakeLabelStudio, broken: dict[str, Any], error: type[library.LabelStudioError]
) -> None:
    results: list[str] = []
    client = LabelStudio(library.Credentials(fake.url, TOKEN), results.append)
    for name, value in broken.items():
        setattr(fake, name, value)
    with pytest.raises(error) as told:
        await client.run(library.project(7))
    assert fake.url in told.value.message
    assert TOKEN not in told.value.message
    assert results == [error.__name__]
    await client.close()


async def test_nobody_listening_is_unreachable(fake: FakeLabelStudio, client: LabelStudio) -> None:
    await fake.stop()
    with pytest.raises(library.Unreachable, match="refused"):
        await client.run(library.project(7))


async def test_the_first_registration(fake: FakeLabelStudio, client: LabelStudio) -> None:
    (hook,) = await client.run(ensure_webhook(OWNER, "s3cret", None))
    (backend,), shown = await client.run(ensure_backend(OWNER, "cold-1", None, MARK, ("user", "pass")))
    assert shown == library.Selection("cold-1")
    assert hook.headers == {"Authorization": "Bearer s3cret", "Labelloop-Owner": OWNER.uid}
    assert len(fake.webhooks) == 1
    assert fake.backends[backend.id]["basic_auth_pass"] == "pass"
    assert OWNER.owns(backend)


async def test_repairing_changes_what_is_wrong_and_makes_nothing_new(
    fake: FakeLabelStudio, client: LabelStudio
) -> None:
    (hook,) = await client.run(ensure_webhook(OWNER, "s3cret", None))
    fake.webhooks[hook.id] |= {"is_active": False, "actions": [], "headers": {}}
    (repaired,) = await client.run(ensure_webhook(OWNER, "s3cret", hook.id))
    assert (repaired.id, repaired.is_active) == (hook.id, True)
    assert repaired.headers == {"Authorization": "Bearer s3cret", "Labelloop-Owner": OWNER.uid}
    (backend,), _ = await client.run(ensure_backend(OWNER, "cold-1", None, MARK))
    (again,), _ = await client.run(ensure_backend(OWNER, "model-1", backend.id, MARK))
    assert (again.id, again.title) == (backend.id, "model-1")
    assert len(fake.backends) == 1


async def test_duplicates_of_ours_go_and_foreign_ones_stay(fake: FakeLabelStudio, client: LabelStudio) -> None:
    foreign = await client.run(library.create_backend(7, "http://other.svc:9090", "theirs"))
    for _ in range(2):
        await client.run(library.create_webhook(7, OWNER.webhook_url, ["ANNOTATION_CREATED"], {}))
    await client.run(ensure_webhook(OWNER, "s3cret", None))
    await client.run(library.create_backend(7, URL, "one", extra_params=MARK))
    left, shown = await client.run(ensure_backend(OWNER, "two", None, MARK))
    assert shown is None, "another one is the first"
    assert sorted(item.url for item in left) == sorted([URL, foreign.url])
    assert sorted(item["url"] for item in fake.backends.values()) == sorted([URL, foreign.url])
    assert [item["url"] for item in fake.webhooks.values()].count(OWNER.webhook_url) == 1


async def test_a_backend_that_vanished_is_made_anew(fake: FakeLabelStudio, client: LabelStudio) -> None:
    (made,), _ = await client.run(ensure_backend(OWNER, "cold-1", 999, MARK))
    assert list(fake.backends) == [made.id]


async def test_a_backend_that_the_guard_left_halfway_is_cleaned_up(fake: FakeLabelStudio, client: LabelStudio) -> None:
    fake.guard_webhooks = True
    with pytest.raises(library.AddressBlocked, match="SSRF_PROTECTION_ENABLED"):
        await client.run(ensure_backend(OWNER, "cold-1", None, MARK))
    assert fake.backends == {}


async def test_deregistering_removes_ours_only_and_is_idempotent(fake: FakeLabelStudio, client: LabelStudio) -> None:
    foreign = await client.run(library.create_backend(7, "http://other.svc:9090", "theirs"))
    await client.run(ensure_webhook(OWNER, "s3cret", None))
    await client.run(ensure_backend(OWNER, "cold-1", None, MARK))
    for _ in range(2):
        await client.run(deregister(OWNER))
        assert list(fake.backends) == [foreign.id]
        assert [hook["url"] for hook in fake.webhooks.values()] == ["http://other.svc:9090/webhook"]


async def test_a_project_that_is_gone_needs_no_deregistration(fake: FakeLabelStudio, client: LabelStudio) -> None:
    fake.projects.clear()
    await client.run(deregister(OWNER))


def test_another_cluster_s_backend_with_our_address_is_not_ours() -> None:
    other = {"labelloop": {"cluster": "cluster-2", "resource": "team-a/intents", "uid": "uid-9"}}
    backend = library.Backend(1, 7, URL, "t", "CO", None, None, "NONE", "", False, other, True)
    assert not OWNER.owns(backend)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"])
async def test_refused_addresses_are_not_connected_to(fake: FakeLabelStudio, host: str) -> None:
    url = f"http://{host}:{fake.url.rpartition(':')[2]}"
    client = LabelStudio(library.Credentials(url, TOKEN), addresses=library.AddressPolicy())
    with pytest.raises(library.AddressRefused, match=r"loopback|no address") as told:
        await client.run(library.project(7))
    await client.close()
    assert TOKEN not in told.value.message
    assert not fake.calls


async def test_allowed_addresses_are_connected_to(fake: FakeLabelStudio) -> None:
    policy = library.AddressPolicy.parse(["127.0.0.0/8"])
    client = LabelStudio(library.Credentials(fake.url, TOKEN), addresses=policy)
    assert (await client.run(library.project(7))).id == 7
    await client.close()


async def test_a_name_is_judged_by_the_address_that_is_connected_to(
    fake: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several addresses, all refused; what a resolver says before or after plays no part."""
    port = int(fake.url.rpartition(":")[2])

    class Rebinding(aiohttp.abc.AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[Any]:
            return [
                {"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 6, "flags": 0}
                for address in ("127.0.0.1", "127.0.0.2")
            ]

        async def close(self) -> None:
            """Nothing is held."""

    monkeypatch.setattr("aiohttp.connector.DefaultResolver", lambda **_: Rebinding())
    client = LabelStudio(
        library.Credentials(f"http://rebinding.example:{port}", TOKEN), addresses=library.AddressPolicy()
    )
    with pytest.raises(library.AddressRefused, match=r"127\.0\.0\.[12] is loopback"):
        await client.run(library.project(7))
    await client.close()
    assert not fake.calls
