"""What a podTemplate adds stands next to what is ours, and changes none of it."""

from typing import Any

import pytest
from tests.unit.operator.api.test_pod_template import GOOD, SECTIONS, container
from tests.unit.operator.builders.support import OWNER, RELAY, environment, spec
from tests.unit.operator.builders.test_training_job import TRAINING

from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.deployment import deployment
from labelloop_operator.builders.training_job import job
from labelloop_operator.kubernetes.drift import matches

OURS_OF_A_POD = ("securityContext", "automountServiceAccountToken", "enableServiceLinks", "restartPolicy")
OURS_OF_A_CONTAINER = ("name", "image", "command", "securityContext", "ports", "readinessProbe", "livenessProbe")


def child(section: str, given: Spec) -> dict[str, Any]:
    return deployment(OWNER, given, "model-1", "image", RELAY) if section == "serving" else job(OWNER, given, TRAINING)


def pods(section: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The template of our pod without and with additions."""
    template = {**GOOD, "spec": {**GOOD["spec"], "containers": [container(SECTIONS[section])]}}
    return tuple(
        child(section, given)["spec"]["template"] for given in (spec(), spec(**{section: {"podTemplate": template}}))
    )  # type: ignore[return-value]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_ours_stays_as_it_is(section: str) -> None:
    plain, added = pods(section)
    for name in OURS_OF_A_POD:
        assert added["spec"].get(name) == plain["spec"].get(name)
    for before, after in zip(containers(plain), containers(added), strict=True):
        for name in OURS_OF_A_CONTAINER:
            assert after.get(name) == before.get(name)
        assert after["env"][: len(before["env"])] == before["env"]
        assert after["volumeMounts"][: len(before["volumeMounts"])] == before["volumeMounts"]
    assert added["metadata"]["labels"].items() >= plain["metadata"]["labels"].items()
    assert added["metadata"].get("annotations", {}).items() >= plain["metadata"].get("annotations", {}).items()
    assert added["spec"]["volumes"][: len(plain["spec"]["volumes"])] == plain["spec"]["volumes"]
    assert "serviceAccountName" not in added["spec"]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_added_is_there(section: str) -> None:
    plain, added = pods(section)
    assert added["metadata"]["labels"]["team"] == "nlp"
    assert added["metadata"]["annotations"]["example.com/note"] == "any\ntext"
    assert added["spec"]["priorityClassName"] == "batch"
    assert added["spec"]["tolerations"] == GOOD["spec"]["tolerations"]
    changed = [
        (before, after) for before, after in zip(containers(plain), containers(added), strict=True) if before != after
    ]
    ((before, after),) = changed
    assert after["name"] == SECTIONS[section]
    assert environment({"env": [item for item in after["env"] if "fieldRef" not in item.get("valueFrom", {})]})[
        "KEY"
    ] == ("api-key", "key")
    assert after["resources"]["limits"] == before["resources"]["limits"] | {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert after["resources"]["requests"] == before["resources"]["requests"]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_applied_is_found_in_place(section: str) -> None:
    """Two mounts of one volume: the live object covers both, so nothing is applied again and again."""
    manifest = child(
        section,
        spec(
            **{
                section: {
                    "podTemplate": {**GOOD, "spec": {**GOOD["spec"], "containers": [container(SECTIONS[section])]}}
                }
            }
        ),
    )
    assert matches(manifest, manifest)


def test_an_empty_template_adds_nothing() -> None:
    for section in SECTIONS:
        assert child(section, spec()) == child(section, spec(**{section: {"podTemplate": {"spec": {}}}}))
