import asyncio

import pytest
from tests.fakes.kubernetes import FakeKubernetes
from tests.fakes.waiting import until

from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.leader_election import Leader
from labelloop_operator.kubernetes.lease import LEASE_DURATION, RENEW_DEADLINE


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelloop_operator.kubernetes.leader_election.RETRY_PERIOD", 0.01)
    monkeypatch.setattr("labelloop_operator.kubernetes.leader_election.CANDIDATE_PERIOD", 0.01)


def holder(api: FakeKubernetes) -> str:
    return str((api.find("leases", "ns", "lease") or {})["spec"]["holderIdentity"])


async def test_the_first_one_leads_and_renews(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    clock = Clock()
    leader = Leader(kubernetes, "ns", "lease", "one", clock)
    assert not leader.is_leader()
    await leader.acquire()
    assert leader.is_leader()
    holding = asyncio.create_task(leader.renew_until_lost())
    version = (api.find("leases", "ns", "lease") or {})["metadata"]["resourceVersion"]
    await until(lambda: (api.find("leases", "ns", "lease") or {})["metadata"]["resourceVersion"] != version)
    holding.cancel()


async def test_a_second_one_waits_until_the_lease_stood_still(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    await Leader(kubernetes, "ns", "lease", "one").acquire()
    clock = Clock()
    second = Leader(kubernetes, "ns", "lease", "two", clock)
    waiting = asyncio.create_task(second.acquire())
    await until(lambda: len(api.requests) > 5)
    assert not waiting.done()
    clock.now += LEASE_DURATION + 1
    await waiting
    assert holder(api) == "two"
    assert (api.find("leases", "ns", "lease") or {})["spec"]["leaseTransitions"] == 1


async def test_a_thawed_leader_knows_at_once_that_it_may_be_too_late(kubernetes: Kubernetes) -> None:
    clock = Clock()
    leader = Leader(kubernetes, "ns", "lease", "one", clock)
    await leader.acquire()
    clock.now += RENEW_DEADLINE + 0.1
    assert not leader.is_leader()
    assert leader.lost()


async def test_a_leader_frozen_for_so_long_that_another_took_over_ends(
    api: FakeKubernetes, kubernetes: Kubernetes
) -> None:
    clock = Clock()
    frozen = Leader(kubernetes, "ns", "lease", "one", clock)
    await frozen.acquire()
    second = Leader(kubernetes, "ns", "lease", "two", clock)
    waiting = asyncio.create_task(second.acquire())
    await until(lambda: len(api.requests) > 4)
    clock.now += LEASE_DURATION + 1
    await waiting
    await second.release()  # free again: whoever led without knowing of it must not go on as if nothing had been
    await frozen.renew_until_lost()
    assert frozen.lost()
    assert holder(api) == ""


async def test_a_leader_frozen_while_nobody_else_led_goes_on(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    clock = Clock()
    leader = Leader(kubernetes, "ns", "lease", "one", clock)
    await leader.acquire()
    clock.now += 1000
    holding = asyncio.create_task(leader.renew_until_lost())
    await until(leader.is_leader)
    assert not holding.done()
    holding.cancel()
    await leader.release()
    assert holder(api) == ""


async def test_a_leader_that_cannot_renew_ends(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    clock = Clock()
    leader = Leader(kubernetes, "ns", "lease", "one", clock)
    await leader.acquire()
    api.refuse("PUT", "leases", 503, "down")
    holding = asyncio.create_task(leader.renew_until_lost())
    await until(lambda: len(api.requests) > 6)
    assert not holding.done()
    clock.now += RENEW_DEADLINE
    await holding
    assert not leader.is_leader()


async def test_a_released_lease_is_taken_at_once(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    first = Leader(kubernetes, "ns", "lease", "one")
    await first.acquire()
    await first.release()
    assert not first.is_leader()
    await Leader(kubernetes, "ns", "lease", "two").acquire()
    assert holder(api) == "two"
    await first.release()
    assert holder(api) == "two"


async def test_one_who_waits_knows_where_the_leader_is(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    first = Leader(kubernetes, "ns", "lease", "one", address="http://10.0.0.1:8080")
    await first.acquire()
    assert first.leader_address() == ""
    second = Leader(kubernetes, "ns", "lease", "two", address="http://10.0.0.2:8080")
    waiting = asyncio.create_task(second.acquire())
    await until(lambda: second.leader_address() == "http://10.0.0.1:8080")
    await first.release()
    await waiting
    assert second.leader_address() == ""


async def test_whether_the_api_server_answers_is_told(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    told: list[bool] = []
    api.refuse("GET", "leases", 503, "starting", times=1)
    api.refuse("POST", "leases", 403, "not allowed", times=1)
    await Leader(kubernetes, "ns", "lease", "one", asked=told.append).acquire()
    assert told == [False, True, True]


async def test_an_outage_while_acquiring_is_waited_out(api: FakeKubernetes, kubernetes: Kubernetes) -> None:
    api.refuse("GET", "leases", 503, "starting", times=3)
    leader = Leader(kubernetes, "ns", "lease", "one")
    await leader.acquire()
    assert leader.is_leader()
