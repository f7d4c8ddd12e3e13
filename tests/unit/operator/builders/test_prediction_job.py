"""The Job that writes predictions: which credentials it holds, and what makes another Job."""

from dataclasses import replace

import pytest
from tests.unit.operator.builders.support import OWNER, environment, spec

from labelloop_operator.api import names
from labelloop_operator.builders.prediction_job import PredictionTask, prediction_job

TASK = PredictionTask("model-1", "r/x@sha256:1", "0123", has_ca=True, address_policy="{}")
SECURED = spec(
    registry={"pushSecretRef": {"name": "push"}, "pullSecretRef": {"name": "pull"}},
    predictions={"scope": "All", "limit": 7, "keepVersions": 3},
)


def test_it_runs_the_image_that_serves_with_label_studios_token_and_nothing_of_the_registry() -> None:
    pod = prediction_job(OWNER, SECURED, TASK)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "initContainers" not in pod
    assert (container["name"], container["image"], container["command"][-1]) == (
        "predict", "r/x@sha256:1", "batch-predict",
    )  # fmt: skip
    assert [mount["name"] for mount in container["volumeMounts"]] == ["work", "label-studio-ca"]
    variables = environment(container)
    assert not [name for name in variables if "REGISTRY" in name or "REPOSITORY" in name]
    assert {name: value for name, value in variables.items() if name.startswith("LABELLOOP_P")} == {
        "LABELLOOP_PROJECT": "7",
        "LABELLOOP_PREDICTIONS_SCOPE": "All",
        "LABELLOOP_PREDICTIONS_LIMIT": "7",
        "LABELLOOP_PREDICTIONS_KEEP_VERSIONS": "3",
    }
    assert variables["LABELLOOP_MODEL_VERSION"] == "model-1"


@pytest.mark.parametrize(
    "changes", [{"version": "model-2"}, {"image": "r/x@sha256:2"}, {"inputs": "4567"}, {"attempt": 1}]
)
def test_another_version_project_setting_or_attempt_is_another_job(changes: dict[str, object]) -> None:
    first = prediction_job(OWNER, spec(), TASK)["metadata"]["name"]
    assert prediction_job(OWNER, spec(), TASK)["metadata"]["name"] == first
    assert prediction_job(OWNER, spec(), replace(TASK, **changes))["metadata"]["name"] != first  # type: ignore[arg-type]


def test_texts_that_are_held_out_get_no_prediction_when_the_service_gives_none() -> None:
    hidden = spec(evaluation={"hideHoldoutPredictions": True, "holdout": "0.1"})
    (container,) = prediction_job(OWNER, hidden, TASK)["spec"]["template"]["spec"]["containers"]
    assert environment(container)["LABELLOOP_BLIND_HOLDOUT"] == "0.1"
    (container,) = prediction_job(OWNER, SECURED, TASK)["spec"]["template"]["spec"]["containers"]
    assert "LABELLOOP_BLIND_HOLDOUT" not in environment(container)


def test_the_longest_name_is_still_a_label() -> None:
    longest = replace(OWNER, name="x" * names.NAME_MAX_LENGTH)
    assert len(prediction_job(longest, spec(), TASK)["metadata"]["name"]) <= 63
