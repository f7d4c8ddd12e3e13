from typing import Any

import pytest

from labelloop_operator.kubernetes import lease

OURS, OTHER = "one", "two"
PLACE = ("ns", "lease")


def held_by(identity: str, version: str = "5", renewed: str = "t1", **spec: Any) -> dict[str, Any]:
    told = {"holderIdentity": identity, "renewTime": renewed, "leaseDurationSeconds": 13, "leaseTransitions": 2, **spec}
    return {"metadata": {"namespace": "ns", "name": "lease", "resourceVersion": version}, "spec": told}


@pytest.mark.parametrize(
    ("live", "waited", "expected"),
    [
        (held_by(OURS), 0, True),
        (held_by(""), 0, True),
        (held_by(OTHER), 0, False),
        (held_by(OTHER), 12.9, False),
        (held_by(OTHER), 13, True),
        (held_by(OTHER, leaseDurationSeconds=30), 29, False),
        (held_by(OTHER, leaseDurationSeconds=30), 30, True),
        (held_by(OTHER, leaseDurationSeconds=None), lease.LEASE_DURATION - 0.1, False),
        (held_by(OTHER, leaseDurationSeconds=None), lease.LEASE_DURATION, True),
        (held_by(OTHER, leaseDurationSeconds=1), 1, True),
        ({"metadata": {"resourceVersion": "5"}}, 0, True),
    ],
)
def test_who_may_take_it_after_having_seen_it_stand_still(live: dict[str, Any], waited: float, expected: bool) -> None:
    sight = lease.observe(None, live, 1000.0)
    assert lease.may_take(live, OURS, lease.observe(sight, live, 1000.0 + waited), 1000.0 + waited) is expected


@pytest.mark.parametrize(
    "changed", [held_by(OTHER, version="6"), held_by(OTHER, renewed="t2"), held_by("three")], ids=str
)
def test_whatever_moves_in_it_starts_the_wait_anew(changed: dict[str, Any]) -> None:
    sight = lease.observe(None, held_by(OTHER), 1000.0)
    assert lease.observe(sight, held_by(OTHER), 1005.0).at == 1000.0
    assert lease.observe(sight, changed, 1005.0).at == 1005.0


@pytest.mark.chaos_case("16")
def test_a_clock_of_another_machine_does_not_matter() -> None:
    """The times in the Lease are for people: only that they move counts."""
    live = held_by(OTHER, renewed="1999-01-01T00:00:00Z")
    assert not lease.may_take(live, OURS, lease.observe(None, live, 1000.0), 1000.0)


def test_taking_it_counts_as_a_term_and_renewing_does_not() -> None:
    took = lease.acquired(held_by(OTHER), PLACE, OURS, "http://10.0.0.1:8080", "t9")
    assert (lease.holder(took), lease.term(took), took["spec"]["acquireTime"]) == (OURS, 3, "t9")
    assert took["metadata"]["resourceVersion"] == "5"
    assert lease.address(took) == "http://10.0.0.1:8080"
    renewed = lease.acquired(took, PLACE, OURS, "http://10.0.0.1:8080", "t10")
    assert (lease.term(renewed), renewed["spec"]["acquireTime"], renewed["spec"]["renewTime"]) == (3, "t9", "t10")


def test_the_first_one_makes_it() -> None:
    made = lease.acquired(None, PLACE, OURS, "", "t1")
    assert made["metadata"] == {"namespace": "ns", "name": "lease", "annotations": {lease.ANNOTATION_ADDRESS: ""}}
    assert (lease.holder(made), lease.term(made)) == (OURS, 0)


def test_given_up_it_is_anybodys_at_once() -> None:
    live = lease.released(held_by(OTHER))
    assert lease.may_take(live, OURS, lease.observe(None, live, 1000.0), 1000.0)


def test_the_leader_stops_writing_before_anybody_may_take_over() -> None:
    assert lease.RENEW_DEADLINE + 2 < lease.LEASE_DURATION
