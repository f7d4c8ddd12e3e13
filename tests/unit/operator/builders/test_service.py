"""The Service: name, port, and a selector that one revision's pods satisfy."""

from tests.unit.operator.builders.support import OWNER, RELAY, spec

from labelloop_operator.api import names
from labelloop_operator.builders.deployment import deployment
from labelloop_operator.builders.service import service


def test_it_selects_the_pods_of_one_version_and_no_other() -> None:
    selector = service(OWNER, "model-1", "{}")["spec"]["selector"]
    for version, selected in (("model-1", True), ("model-2", False)):
        labels = deployment(OWNER, spec(), version, "image", RELAY)["spec"]["template"]["metadata"]["labels"]
        assert (selector.items() <= labels.items()) is selected


def test_its_port_leads_to_the_backends_port() -> None:
    (port,) = service(OWNER, "model-1", "{}")["spec"]["ports"]
    (container,) = deployment(OWNER, spec(), "model-1", "image", RELAY)["spec"]["template"]["spec"]["containers"]
    assert (port["port"], port["name"]) == (9090, "http")
    assert [item["containerPort"] for item in container["ports"] if item["name"] == port["targetPort"]] == [9090]


def test_it_carries_the_record() -> None:
    metadata = service(OWNER, "model-1", '{"a":1}')["metadata"]
    assert metadata["name"] == "intents-ml"
    assert metadata["annotations"] == {names.ANNOTATION_RECORD: '{"a":1}'}
