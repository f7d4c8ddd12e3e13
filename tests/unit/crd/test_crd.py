"""The CRD as a file: complete, self-consistent, and the same as what the operator parses."""

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.unit.operator.api.test_status import FULL
from tools import resource_reference

from labelloop.training.gate import COMPARABLE, GateRules
from labelloop_operator.api import names
from labelloop_operator.api.durations import PATTERN as DURATION
from labelloop_operator.api.quantities import PATTERN as QUANTITY
from labelloop_operator.api.spec import Spec, parse
from labelloop_operator.api.status import Status

CRD = yaml.safe_load(resource_reference.CRD.read_text(encoding="utf-8"))
(VERSION,) = CRD["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
MINIMAL: dict[str, Any] = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND,
    "metadata": {"name": "intents"},
    "spec": {"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 7}},
}


def fields(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        yield from fields(field.get("items", {}), f"{path}.{name}[]")


def apply_defaults(value: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """As the API server does."""
    for name, field in schema.get("properties", {}).items():
        if name not in value and "default" in field:
            value[name] = copy.deepcopy(field["default"])
        if isinstance(value.get(name), dict):
            apply_defaults(value[name], field)


def check(resource: Mapping[str, Any]) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(resource)


def test_names_are_those_of_the_operator() -> None:
    spec = CRD["spec"]
    assert (spec["group"], VERSION["name"]) == (names.GROUP, names.VERSION)
    assert (spec["names"]["kind"], spec["names"]["plural"]) == (names.KIND, names.PLURAL)
    assert spec["names"]["shortNames"] == ["lsb"]
    assert spec["names"]["categories"] == ["labelloop"]
    assert VERSION["subresources"]["scale"]["specReplicasPath"] == ".spec.serving.replicas"
    rules = [rule["rule"] for rule in SCHEMA["x-kubernetes-validations"]]
    assert f"size(self.metadata.name) <= {names.NAME_MAX_LENGTH}" in rules


def test_every_field_has_a_description() -> None:
    missing = [path for path, field in fields(SCHEMA) if path != ".metadata" and not field.get("description")]
    assert not missing


def test_the_schema_is_structural_where_it_matters() -> None:
    """Every field has a type (or is int-or-string), and objects say what they hold."""
    for path, field in fields(SCHEMA):
        assert "type" in field or field.get("x-kubernetes-int-or-string"), path
        if field.get("type") == "object" and path != ".metadata":
            holds = {"properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"}
            assert holds & field.keys(), path
        if field.get("type") == "array":
            assert "items" in field, path
            assert "x-kubernetes-list-type" in field, path


def test_the_defaults_are_those_of_the_operator() -> None:
    with_defaults = copy.deepcopy(MINIMAL)
    apply_defaults(with_defaults, SCHEMA)
    check(with_defaults)
    bare = parse(MINIMAL["spec"])
    assert isinstance(bare, Spec)
    assert parse(with_defaults["spec"]) == bare


def test_the_metrics_are_those_of_the_gate() -> None:
    metric = dict(fields(SCHEMA))[".spec.evaluation.metric"]
    assert set(metric["enum"]) == COMPARABLE.keys()
    assert COMPARABLE[metric["default"]] == GateRules().metric


def test_patterns_are_those_of_the_parser() -> None:
    patterns = {path: field["pattern"] for path, field in fields(SCHEMA) if "pattern" in field}
    for path in (".spec.training.backoff", ".spec.training.deadline", ".spec.rollout.progressDeadline"):
        assert patterns[path] == DURATION
    resources = SCHEMA["properties"]["spec"]["properties"]["serving"]["properties"]["resources"]
    assert resources["properties"]["limits"]["additionalProperties"]["pattern"] == QUANTITY


def test_every_pattern_can_be_read() -> None:
    for _, field in fields(SCHEMA):
        re.compile(field.get("pattern", ""))


def test_a_full_status_fits_the_schema_and_every_field_of_it_is_known() -> None:
    written = FULL.to_dict()
    check({**MINIMAL, "status": written})
    _assert_known(written, SCHEMA["properties"]["status"], "status")
    assert Status.from_dict(written) == FULL


def _assert_known(value: Any, schema: Mapping[str, Any], path: str) -> None:
    """The API server drops unknown fields without a word."""
    if isinstance(value, dict) and "additionalProperties" not in schema:
        for name, item in value.items():
            assert name in schema["properties"], f"{path}.{name}"
            _assert_known(item, schema["properties"][name], f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            _assert_known(item, schema["items"], f"{path}[]")


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("labelStudio", {"connectionSecretRef": {"name": "x"}, "project": 0}),
        ("labelStudio", {"connectionSecretRef": {"name": "x"}}),
        ("labelStudio", {"connectionSecretRef": {}, "project": 7}),
        ("labelStudio", {"connectionSecretRef": {"name": "Not A Name"}, "project": 7}),
        ("training", {"updatesPerTraining": 0}),
        ("training", {"updatesPerTraining": "many"}),
        ("training", {"backoff": "1d"}),
        ("serving", {"replicas": 0}),
        ("serving", {"resources": {"limits": {"memory": "lots"}}}),
        ("serving", {"resources": {"limits": {"cpu": -1}}}),
        ("evaluation", {"holdout": "1"}),
        ("evaluation", {"holdout": 0.1}),
        ("evaluation", {"minAccuracy": "70"}),
        ("evaluation", {"tolerance": "1%"}),
        ("registry", {"repository": "http://registry/x"}),
        ("registry", {"repository": "registry:5000"}),
        ("image", ""),
        ("suspend", "yes"),
    ],
)
def test_mistakes_are_refused(section: str, value: object) -> None:
    resource = copy.deepcopy(MINIMAL)
    resource["spec"][section] = value
    with pytest.raises(jsonschema.ValidationError):
        check(resource)


def test_columns_lead_to_fields_that_exist() -> None:
    known = {path for path, _ in fields(SCHEMA)} | {".metadata.creationTimestamp"}
    for column in VERSION["additionalPrinterColumns"]:
        path = re.sub(r"\[\?\(.*?\)\]", "[]", column["jsonPath"])
        assert path in known or path == ".status.model.active.metrics.accuracy", path
    assert [column["name"] for column in VERSION["additionalPrinterColumns"] if "priority" not in column] == [
        "Ready", "Version", "Pending", "Training", "Age",
    ]  # fmt: skip


def test_the_reference_page_is_made_from_the_crd() -> None:
    assert resource_reference.PAGE.read_text(encoding="utf-8") == resource_reference.page(), (
        "run python -m tools.resource_reference"
    )


def test_the_reference_page_tells_every_field() -> None:
    page = Path(resource_reference.PAGE).read_text(encoding="utf-8")
    for path, _ in fields(SCHEMA):
        if path.startswith((".spec.", ".status.")):
            assert f"`{path[1:]}" in page, path
