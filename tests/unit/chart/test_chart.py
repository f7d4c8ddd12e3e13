"""The chart's files agree with each other and with the CRD; what needs helm is seen in the end-to-end tests."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/labelloop"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads((CHART / "values.schema.json").read_text())


def values(**changed: Any) -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.yaml").read_text()) | changed


def test_crd_of_the_chart_is_the_one_in_crds():
    name = "labelstudiobackends.yaml"
    assert (CHART / "files" / name).read_bytes() == (ROOT / "crds" / name).read_bytes()


def test_default_values_obey_the_schema(schema: dict[str, Any]):
    jsonschema.validate(values(), schema)


def test_every_value_is_described_in_the_schema(schema: dict[str, Any]):
    assert set(values()) == set(schema["properties"]) - {"global"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"pollIntervall": "5s"},
        {"pollInterval": "5 seconds"},
        {"logLevel": "LOUD"},
        {"watchNamespaces": "team-a"},
        {"image": {"repository": "", "tag": "dev", "pullPolicy": "Always"}},
        {"replicas": 0},
        {"registry": {"prefix": "http://registry:5000", "plainHTTP": True}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_values_are_refused(schema: dict[str, Any], wrong: dict[str, Any]):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values(**wrong), schema)


def test_secrets_are_never_listed_or_watched():
    helpers = (CHART / "templates/_helpers.tpl").read_text()
    rules = yaml.safe_load(helpers.split('define "labelloop.rules" -}}')[1].split("{{- end }}")[0])
    granted = next(rule["verbs"] for rule in rules if rule["resources"] == ["secrets"])
    assert set(granted) == {"get", "create", "patch"}
