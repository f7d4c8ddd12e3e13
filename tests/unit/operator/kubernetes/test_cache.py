from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labelloop_operator.kubernetes.cache import Cache
from labelloop_operator.kubernetes.kinds import BACKEND, DEPLOYMENT, JOB, SERVICE


def item(name: str, version: int, uid: str = "", owner: str = "intents", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "a",
            "uid": uid or name,
            "resourceVersion": str(version),
            "labels": {"labelloop.dev/backend": owner},
            "managedFields": [{}],
        },
        **more,
    }


def made() -> tuple[Cache, list[tuple[str, str]]]:
    changes: list[tuple[str, str]] = []
    return Cache(changes.append), changes


def test_children_are_found_by_their_resource_and_kept_slim() -> None:
    cache, changes = made()
    cache.put(SERVICE, item("intents-ml", 5, spec={"x": 1}, data={"big": 1}))
    cache.put(DEPLOYMENT, item("d2", 6))
    cache.put(DEPLOYMENT, item("d1", 7))
    seen = cache.children(("a", "intents"))
    assert [child["metadata"]["name"] for child in seen.deployments] == ["d1", "d2"]
    assert "managedFields" not in seen.services[0]["metadata"]
    assert "data" not in seen.services[0]
    assert changes == [("a", "intents")] * 3


def test_an_older_state_never_comes_back() -> None:
    cache, changes = made()
    cache.put(JOB, item("j", 10, status={"done": True}))
    cache.put(JOB, item("j", 9, status={}))
    assert cache.child(JOB, "a", "j")["status"] == {"done": True}
    cache.remove(JOB, item("j", 11))
    cache.put(JOB, item("j", 10))
    assert cache.child(JOB, "a", "j") is None
    cache.put(JOB, item("j", 12, uid="successor"))
    cache.remove(JOB, item("j", 11))
    assert cache.child(JOB, "a", "j")["metadata"]["uid"] == "successor"
    assert len(changes) == 3


def test_a_list_tells_deletions_but_spares_what_is_newer_than_it() -> None:
    cache, changes = made()
    cache.put(SERVICE, item("old", 5))
    cache.put(SERVICE, item("new", 20))
    changes.clear()
    cache.put(SERVICE, item("listed", 8))
    cache.listed(SERVICE, None, {("a", "listed")}, "10")
    assert cache.child(SERVICE, "a", "old") is None
    assert cache.child(SERVICE, "a", "new") is not None
    assert cache.child(SERVICE, "a", "listed") is not None
    assert len(changes) == 2


def test_what_is_asked_for_is_the_callers_own() -> None:
    cache, _ = made()
    cache.put(SERVICE, item("s", 5, spec={"ports": [{"port": 1}]}))
    mine: Any = cache.child(SERVICE, "a", "s")
    mine["spec"]["ports"].clear()
    assert cache.child(SERVICE, "a", "s")["spec"] == {"ports": [{"port": 1}]}


def test_a_list_of_one_namespace_says_nothing_of_others() -> None:
    cache, _ = made()
    cache.put(SERVICE, item("s", 5))
    cache.listed(SERVICE, "b", set(), "10")
    assert cache.child(SERVICE, "a", "s") is not None


def test_a_child_that_changes_its_resource_leaves_the_former_one() -> None:
    cache, _ = made()
    cache.put(SERVICE, item("s", 5, owner="one"))
    cache.put(SERVICE, item("s", 6, owner="two"))
    assert cache.children(("a", "one")).services == ()
    assert len(cache.children(("a", "two")).services) == 1


def test_what_we_deleted_counts_as_going_until_the_watch_tells() -> None:
    cache, _ = made()
    cache.put(JOB, item("j", 5))
    cache.going(JOB, "a", "j")
    assert cache.child(JOB, "a", "j")["metadata"]["deletionTimestamp"]
    assert cache.children(("a", "intents")).jobs[0]["metadata"]["deletionTimestamp"]


EVENTS = st.lists(st.tuples(st.sampled_from(["put", "delete"]), st.integers(0, 2)), max_size=12)


@given(EVENTS, st.randoms(use_true_random=False))
def test_whatever_order_and_doubling_the_newest_state_wins(events: list[tuple[str, int]], random: Any) -> None:
    """Two writers (watch and own answers) may tell the same history in any order, and twice."""
    cache, _ = made()
    history = []
    lives: dict[int, int] = {}
    for version, (what, name) in enumerate(events, start=1):
        if what == "put":
            history.append(("put", item(f"n{name}", version, uid=f"{name}-{lives.setdefault(name, 0)}")))
        elif name in lives:
            history.append(("delete", item(f"n{name}", version, uid=f"{name}-{lives[name]}")))
            lives[name] += 1
    final: dict[str, int] = {}
    for what, entry in history:
        if what == "put":
            final[entry["metadata"]["name"]] = int(entry["metadata"]["resourceVersion"])
        else:
            final.pop(entry["metadata"]["name"], None)
    told = history * 2
    random.shuffle(told)
    for what, entry in told:
        (cache.put if what == "put" else cache.remove)(BACKEND, entry)
    known = {key[1]: int(cache.resource(key)["metadata"]["resourceVersion"]) for key in cache.resources()}
    assert known == final
