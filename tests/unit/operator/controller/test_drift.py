import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop_operator.kubernetes.drift import ANNOTATION_MANIFEST, is_superset, matches, with_hash

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_everything_covers_itself(value: Any) -> None:
    assert is_superset(value, copy.deepcopy(value))


@given(st.dictionaries(st.sampled_from("abc"), JSON), st.dictionaries(st.sampled_from("xyz"), JSON))
def test_what_others_add_does_not_matter(wanted: dict[str, Any], added: dict[str, Any]) -> None:
    assert is_superset(wanted, {**wanted, **added})


@pytest.mark.parametrize(
    ("wanted", "live", "covered"),
    [
        ({"replicas": 2}, {"replicas": 1}, False),
        ({"limits": {"cpu": "1000m", "memory": "1024Mi"}}, {"limits": {"cpu": "1", "memory": "1Gi"}}, True),
        ({"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}, False),
        ({"ports": [{"port": 9090}]}, {"ports": [{"port": 9090, "protocol": "TCP"}]}, True),
        ({"ports": [{"port": 9090}]}, {"ports": [{"port": 80}]}, False),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B"}, {"name": "A", "value": "1"}]}, True),
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}, False),
        ({"finalizers": []}, {}, True),
        ({"hostNetwork": False}, {}, True),
        ({"readOnly": True}, {}, False),
        ({"value": 1}, {"value": True}, False),
    ],
)
def test_examples(wanted: dict[str, Any], live: dict[str, Any], covered: bool) -> None:
    assert is_superset(wanted, live) is covered


def test_a_stamp_changes_with_the_manifest_and_with_nothing_else() -> None:
    manifest = {"kind": "Service", "metadata": {"name": "a", "annotations": {"x": "1"}}, "spec": {"b": 1}}
    digest = with_hash(manifest)["metadata"]["annotations"][ANNOTATION_MANIFEST]
    assert with_hash(copy.deepcopy(manifest))["metadata"]["annotations"] == {"x": "1", ANNOTATION_MANIFEST: digest}
    changed = {**manifest, "spec": {}}
    assert with_hash(changed)["metadata"]["annotations"][ANNOTATION_MANIFEST] != digest


def test_what_is_wanted_no_more_is_noticed() -> None:
    before = with_hash({"kind": "Service", "metadata": {"name": "a"}, "spec": {"b": 1, "c": 2}})
    live = {key: value for key, value in before.items() if key != "kind"}
    assert matches(before, live)
    assert not matches(with_hash({"kind": "Service", "metadata": {"name": "a"}, "spec": {"b": 1}}), live)
