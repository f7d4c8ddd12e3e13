import asyncio
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession
from tests.fakes.operator import KEY
from tests.unit.operator.server.receiver_port import PATH, Port

from labelloop_operator.controller.derived_secrets import relay_secret, webhook_secret
from labelloop_operator.kubernetes.kinds import BACKEND
from labelloop_operator.label_studio.project_ref import Hint
from labelloop_operator.server.app import parse_hint
from labelloop_operator.server.rate_limits import MOST_BUCKETS, RateLimit


async def test_a_hint_is_passed_on(port: Port) -> None:
    annotations = [{"id": 3, "updated_at": "2026-11-22T05:00:00.5Z"}, {"id": "x"}, "rubbish", {"id": 4}]
    body = {"action": "ANNOTATION_UPDATED", "authenticated": True, "annotations": annotations}
    status, _ = await port.post(f"{PATH}/hints", body)
    assert status == 202
    ((key, hint),) = port.hints.told
    assert key == ("team-a", "intents")
    assert hint.authenticated
    assert list(hint.annotations) == [(3, datetime(2026, 11, 22, 5, 0, 0, 500000, tzinfo=UTC))]


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"3", b'{"action": '])
async def test_rubbish_is_refused(port: Port, body: bytes) -> None:
    status, told = await port.post(f"{PATH}/hints", body)
    assert (status, told["reason"]) == (400, "BadRequest")


def test_a_hint_is_bounded() -> None:
    annotations = [
        {"id": number, "updated_at": "2026-11-22T05:00:00Z"} for number in (0, -1, True, 2**63, *range(1, 3000))
    ]
    hint = parse_hint({"action": "x" * 10_000, "annotations": annotations})
    assert len(hint.action) == 100
    assert [number for number, _ in hint.annotations] == [*range(1, 1001)]


async def test_a_bearer_that_is_no_text_is_refused(api_port: tuple[Port, int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api_port[1])
    writer.write(f"POST {PATH}/hints HTTP/1.1\r\nHost: a\r\nAuthorization: ".encode() + b"\xe9\xff\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"401"
    writer.close()


@pytest.mark.parametrize("encoding", ["deflate", "gzip", "br", "x"])
async def test_bodies_are_not_decompressed(api_port: tuple[Port, int], encoding: str) -> None:
    made, number = api_port
    headers = {**made.bearer, "Content-Encoding": encoding}
    async with ClientSession() as session:
        for body, status in ((b"{}", 202), (b"\x1f\x8b\xff", 400)):
            async with session.post(f"http://127.0.0.1:{number}{PATH}/hints", data=body, headers=headers) as answer:
                assert answer.status == status


async def test_a_body_that_is_too_large_is_refused(port: Port) -> None:
    assert (await port.post(f"{PATH}/hints", b"x" * 1_100_000))[0] == 413


async def test_a_train_request_stands_on_the_resource_before_the_answer(port: Port) -> None:
    status, _ = await port.post(f"{PATH}/train")
    assert status == 202
    found = port.api.find("labelstudiobackends", "team-a", "intents") or {}
    assert found["metadata"]["annotations"] == {"labelloop.dev/train-requested-at": "2026-11-22T06:00:00.123456Z"}
    cached = port.cache.resource(("team-a", "intents")) or {}
    assert cached["metadata"]["annotations"] == found["metadata"]["annotations"]
    assert port.api.writes()[0].manager == "labelloop-request"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}])
async def test_without_the_right_bearer_nothing_happens(port: Port, headers: dict[str, str]) -> None:
    assert (await port.post(f"{PATH}/train", headers=headers))[0] == 401
    assert (await port.post(f"{PATH}/hints", headers=headers))[0] == 401
    webhook = {"Authorization": f"Bearer {webhook_secret(KEY, port.item['metadata']['uid'])}"}
    assert (await port.post(f"{PATH}/train", headers=webhook))[0] == 401
    assert port.api.writes() == []
    assert port.hints.told == []


async def test_the_bearer_of_another_resource_is_no_good(port: Port) -> None:
    other = {"Authorization": f"Bearer {relay_secret(KEY, 'another-uid')}"}
    assert (await port.post(f"{PATH}/train", headers=other))[0] == 401
    assert port.api.writes() == []


@pytest.mark.parametrize("bearer", ["Bearer x", ""])
async def test_bearers_are_compared_in_constant_time(port: Port, bearer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr("labelloop_operator.controller.derived_secrets.compare_digest", compare)
    assert (await port.post(f"{PATH}/train", headers={"Authorization": bearer}))[0] == 401
    assert (await port.post(f"{PATH}/train"))[0] == 202
    wanted = port.bearer["Authorization"].encode()
    assert compared == [(bearer.encode(), wanted), (wanted, wanted)]


async def test_strangers_are_limited_without_costing_the_resource_its_requests(port: Port) -> None:
    stranger = {"Authorization": "Bearer x"}
    answers = [(await port.post(f"{PATH}/hints", headers=stranger))[0] for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert (await port.post(f"{PATH}/hints"))[0] == 202


def test_buckets_of_who_asks_no_more_are_dropped() -> None:
    now = [0.0]
    limit = RateLimit(rate=1, burst=10, clock=lambda: now[0])
    for number in range(5000):
        now[0] += 0.1
        assert limit.allow(number)
    assert len(limit._buckets) <= 2 * MOST_BUCKETS


async def test_an_unknown_resource(port: Port) -> None:
    assert (await port.post("/v1/backends/team-a/other/train"))[0] == 404


@pytest.mark.parametrize(
    ("spec", "reason"),
    [({"suspend": True}, "Suspended"), ({"training": {"updatesPerTraining": 0}}, "InvalidSpec")],
)
async def test_what_cannot_train_says_why(port: Port, spec: dict[str, Any], reason: str) -> None:
    port.resource(**spec)
    status, told = await port.post(f"{PATH}/train")
    assert (status, told["reason"]) == (409, reason)
    assert told["message"]


async def test_a_resource_that_is_going_does_not_train(port: Port) -> None:
    going = {"deletionTimestamp": "2026-11-22T06:00:00Z", "finalizers": ["x"]}
    item = port.api.patch("labelstudiobackends", "team-a", "intents", lambda live: live["metadata"].update(going))
    port.cache.put(BACKEND, item)
    assert (await port.post(f"{PATH}/train"))[1]["reason"] == "Deleting"


async def test_a_request_that_cannot_be_written_is_not_accepted(port: Port) -> None:
    port.api.refuse("PATCH", "labelstudiobackends", 503, "down")
    assert (await port.post(f"{PATH}/train"))[0] == 503


async def test_a_successor_of_the_same_name_gets_no_request_of_its_predecessor(port: Port) -> None:
    port.api.remove("labelstudiobackends", "team-a", "intents")
    port.api.put("labelstudiobackends", {"metadata": {"name": "intents"}, "spec": {}}, "team-a")
    assert (await port.post(f"{PATH}/train"))[0] == 503
    assert "annotations" not in (port.api.find("labelstudiobackends", "team-a", "intents") or {})["metadata"]


async def test_a_replica_that_does_not_lead_writes_a_train_request_all_the_same(port: Port) -> None:
    port.leading = False
    assert (await port.post(f"{PATH}/train"))[0] == 202
    found = port.api.find("labelstudiobackends", "team-a", "intents") or {}
    assert found["metadata"]["annotations"] == {"labelloop.dev/train-requested-at": "2026-11-22T06:00:00.123456Z"}
    assert (await port.post(f"{PATH}/train", headers={"Authorization": "Bearer x"}))[0] == 401
    assert (await port.post("/v1/backends/team-a/other/train"))[0] == 404


async def test_a_fresh_leader_answers_before_its_cache_is_filled(port: Port) -> None:
    port.health.prefilled = False
    port.cache.remove(BACKEND, port.item)
    assert (await port.post(f"{PATH}/train"))[0] == 202


async def test_one_that_lost_its_lease_writes_nothing(port: Port) -> None:
    port.leading = False
    port.receiver._kubernetes = port.kubernetes.require_leadership(lambda: False)
    status, told = await port.post(f"{PATH}/train")
    assert (status, told["reason"]) == (503, "NotLeading")
    assert port.api.writes() == []


async def test_reads_without_a_cache_are_bounded(port: Port) -> None:
    port.leading = False
    stranger = {"Authorization": "Bearer x"}
    answers = [(await port.post(f"{PATH}-{number}/train", headers=stranger))[0] for number in range(12)]
    assert answers == [404] * 10 + [429] * 2


async def test_an_api_server_that_cannot_be_read_is_told(port: Port) -> None:
    port.leading = False
    port.api.refuse("GET", "labelstudiobackends", 500, "down")
    assert (await port.post(f"{PATH}/train"))[1]["reason"] == "NotRead"


async def test_a_hint_is_handed_to_the_leader(port: Port) -> None:
    leader = Port(port.api)
    await leader.client.start_server()
    leader.item = port.item
    leader.cache.put(BACKEND, port.item)
    port.leading = False
    assert (await port.post(f"{PATH}/hints"))[1]["reason"] == "NotLeading"
    port.leader_address = str(leader.client.make_url("")).rstrip("/")
    assert (await port.post(f"{PATH}/hints", {"action": "ANNOTATION_CREATED"}))[0] == 202
    assert leader.hints.told == [(("team-a", "intents"), Hint("ANNOTATION_CREATED", False, ()))]
    assert (await port.post(f"{PATH}/hints", headers={"Authorization": "Bearer x"}))[0] == 401
    leader.leading = False  # it has just handed over, too: nothing goes round in a circle
    leader.leader_address = port.leader_address
    assert (await port.post(f"{PATH}/hints"))[1]["reason"] == "NotLeading"
    await leader.client.close()
    await leader.peer.close()
    await leader.kubernetes.close()
    assert (await port.post(f"{PATH}/hints"))[1]["reason"] == "NotLeading"


async def test_too_many_requests_are_refused(port: Port) -> None:
    answers = [(await port.post(f"{PATH}/hints"))[0] for _ in range(12)]
    assert answers == [202] * 10 + [429] * 2


async def test_probes_and_metrics(port: Port) -> None:
    await port.post(f"{PATH}/train")
    port.health.prefilled = False
    async with port.client.get("/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "the cache is not filled yet\n")
    port.health.prefilled = True
    for path in ("/readyz", "/livez"):
        async with port.client.get(path) as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
    async with port.client.get("/metrics") as answer:
        assert 'labelloop_relay_requests_total{kind="train",status="202"} 1.0' in await answer.text()


def test_a_hint_without_anything_is_still_a_hint() -> None:
    assert parse_hint({}) == Hint("", False, ())
    assert not parse_hint({"authenticated": "yes"}).authenticated


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    limit = RateLimit(rate=2, burst=3, clock=lambda: now[0])
    assert [limit.allow("a") for _ in range(4)] == [True, True, True, False]
    assert limit.allow("b")
    now[0] = 1.0
    assert [limit.allow("a") for _ in range(3)] == [True, True, False]
