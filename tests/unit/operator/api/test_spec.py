"""Specs: defaults, every kind of mistake, and that no input raises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelloop_operator.api.spec import SERVING_RESOURCES, EvaluationSpec, ModelSpec, Problem, Resources, Spec, parse

MINIMAL: dict[str, Any] = {"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 7}}


def valid(**changes: Any) -> Spec:
    found = parse({**MINIMAL, **changes})
    assert isinstance(found, Spec), found
    return found


def problems(**changes: Any) -> tuple[Problem, ...]:
    found = parse({**MINIMAL, **changes})
    assert isinstance(found, tuple)
    return found


def test_the_smallest_useful_resource_has_every_default() -> None:
    spec = valid()
    assert (spec.label_studio.connection_secret, spec.label_studio.project, spec.label_studio.register) == (
        "label-studio",
        7,
        True,
    )
    assert (spec.serving.replicas, spec.serving.resources) == (1, SERVING_RESOURCES)
    assert (spec.training.updates_per_training, spec.training.backoff, spec.training.deadline) == (10, 30.0, 3600.0)
    assert spec.evaluation == EvaluationSpec(0.2, "Accuracy", None, None, "Enforce")
    assert (spec.progress_deadline, spec.suspend) == (300.0, False)
    assert (spec.image, spec.registry.repository, spec.registry.plain_http) == (None, None, None)


def test_every_field_is_read() -> None:
    spec = valid(
        image="registry/base@sha256:1",
        model={"parameters": {"C": 3}, "pinnedVersion": "model-0123456789ab", "historyLimit": 2},
        serving={
            "replicas": 2,
            "resources": {"limits": {"memory": "1024Mi", "cpu": 2}},
            "basicAuthSecretRef": {"name": "auth"},
        },
        training={
            "updatesPerTraining": 50,
            "backoff": "1m30s",
            "deadline": "1.5h",
            "minInterval": "5m",
            "minAnnotations": 20,
            "snapshotPolicy": "None",
        },
        evaluation={
            "holdout": "0.1",
            "metric": "LogLoss",
            "tolerance": "0.05",
            "minAccuracy": "0.6",
            "mode": "Audit",
            "hideHoldoutPredictions": True,
        },
        rollout={"progressDeadline": "90s"},
        registry={
            "repository": "r:5000/x",
            "pushSecretRef": {"name": "push"},
            "pullSecretRef": {"name": "pull"},
            "plainHTTP": True,
        },
        suspend=True,
    )
    assert spec.model == ModelSpec({"C": 3}, "model-0123456789ab", 2)
    assert (spec.training.min_interval, spec.training.min_annotations) == (300.0, 20)
    assert not spec.training.keeps_snapshots
    assert spec.evaluation == EvaluationSpec(0.1, "LogLoss", 0.05, 0.6, "Audit", True)
    assert spec.serving.resources == Resources(requests={}, limits={"cpu": "2", "memory": "1Gi"})
    assert (spec.training.backoff, spec.training.deadline, spec.progress_deadline) == (90.0, 5400.0, 90.0)
    assert (spec.registry.push_secret, spec.registry.pull_secret, spec.serving.basic_auth_secret) == (
        "push",
        "pull",
        "auth",
    )
    assert spec.suspend


@pytest.mark.parametrize(
    ("changes", "field", "value", "remedy"),
    [
        ({"labelStudio": {"project": 7}}, "spec.labelStudio.connectionSecretRef.name", "missing", "name a Secret"),
        (
            {"labelStudio": {"connectionSecretRef": {"name": "x"}, "project": 0}},
            "spec.labelStudio.project",
            "0",
            "at least 1",
        ),
        ({"labelStudio": {"connectionSecretRef": {"name": "x"}}}, "spec.labelStudio.project", "missing", "at least 1"),
        ({"training": {"updatesPerTraining": 0}}, "spec.training.updatesPerTraining", "0", "at least 1"),
        ({"training": {"updatesPerTraining": True}}, "spec.training.updatesPerTraining", "True", "whole number"),
        ({"training": {"snapshotPolicy": "S3"}}, "spec.training.snapshotPolicy", "'S3'", "must be Registry or None"),
        ({"training": {"backoff": "1d"}}, "spec.training.backoff", "'1d'", "30s or 1h30m"),
        ({"training": {"backoff": 30}}, "spec.training.backoff", "30", "30s or 1h30m"),
        ({"rollout": {"progressDeadline": "1ms"}}, "spec.rollout.progressDeadline", "'1ms'", "from 1s to 24h"),
        (
            {"rollout": {"progressDeadline": "99999999h"}},
            "spec.rollout.progressDeadline",
            "'99999999h'",
            "from 1s to 24h",
        ),
        ({"training": {"backoff": "61m"}}, "spec.training.backoff", "'61m'", "from 1s to 1h"),
        ({"training": {"deadline": "1e3h"}}, "spec.training.deadline", "'1e3h'", "is not a duration"),
        ({"serving": {"replicas": 0}}, "spec.serving.replicas", "0", "at least 1"),
        ({"serving": "many"}, "spec.serving", "'many'", "object"),
        (
            {"serving": {"resources": {"limits": {"cpu": "lots"}}}},
            "spec.serving.resources.limits.cpu",
            "'lots'",
            "500m",
        ),
        (
            {"serving": {"resources": {"requests": {"cpu": "1.5"}, "limits": {"cpu": "1000m"}}}},
            "spec.serving.resources.requests.cpu",
            "'1.5'",
            "limit of 1",
        ),
        ({"evaluation": {"holdout": "1.5"}}, "spec.evaluation.holdout", "'1.5'", '"0" to "0.9"'),
        ({"evaluation": {"holdout": 0.1}}, "spec.evaluation.holdout", "0.1", "in quotes"),
        ({"evaluation": {"metric": 1}}, "spec.evaluation.metric", "1", "must be a text"),
        ({"evaluation": {"minAccuracy": "70"}}, "spec.evaluation.minAccuracy", "'70'", '"0" to "1"'),
        ({"evaluation": {"tolerance": "1%"}}, "spec.evaluation.tolerance", "'1%'", '"0" to "10"'),
        ({"evaluation": {"mode": "Ignore"}}, "spec.evaluation.mode", "'Ignore'", "Enforce or Audit"),
        ({"model": {"type": "image_model"}}, "spec.model.type", "'image_model'", "module:Class"),
        ({"model": {"historyLimit": 21}}, "spec.model.historyLimit", "21", "at most 20"),
        ({"training": {"minInterval": "200h"}}, "spec.training.minInterval", "'200h'", "0s to 168h"),
        ({"training": {"minAnnotations": -1}}, "spec.training.minAnnotations", "-1", "at least 0"),
        ({"suspend": "yes"}, "spec.suspend", "'yes'", "true or false"),
        ({"image": "a b"}, "spec.image", "'a b'", "white space"),
    ],
)
def test_a_mistake_names_field_value_and_remedy(changes: dict[str, Any], field: str, value: str, remedy: str) -> None:
    (problem,) = problems(**changes)
    assert (problem.field, problem.value) == (field, value)
    assert remedy in problem.message
    assert str(problem).startswith(f"{field} ({value}): ")


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(training={"updatesPerTraining": -1, "deadline": "soon"}, serving={"replicas": None or 0})
    assert len(found) == 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["labelStudio", "image", "model", "serving", "training", "evaluation", "rollout", "registry", "suspend"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_spec_raises(data: dict[str, Any]) -> None:
    found = parse(data)
    assert isinstance(found, Spec | tuple)


@pytest.mark.parametrize(
    "spec",
    [
        {"training": {"backoff": "é" * 10_000}},
        {"training": {"backoff": "9" * 10_000 + "h"}},
        {"serving": {"resources": {"limits": {"cpu": "9" * 10_000}}}},
        {"serving": {"resources": {"limits": {"x" * 10_000: "lots"}}}},
    ],
)
def test_messages_are_bounded(spec: dict[str, Any]) -> None:
    problems = parse({"labelStudio": {"connectionSecretRef": {"name": "a"}, "project": 7}, **spec})
    assert isinstance(problems, tuple)
    assert len(str(problems[0])) < 700


@pytest.mark.parametrize("depth", [17, 900])
def test_parameters_that_nest_without_end_are_refused(depth: int) -> None:
    parameters: Any = 1
    for level in range(depth):
        parameters = {"a": parameters} if level % 2 else [parameters]
    spec = {"labelStudio": {"connectionSecretRef": {"name": "a"}, "project": 7}}
    problems = parse({**spec, "model": {"parameters": {"deep": parameters}}})
    assert isinstance(problems, tuple)
    assert problems[0].field == "spec.model.parameters"
    assert "16 levels" in problems[0].message
    assert isinstance(parse({**spec, "model": {"parameters": {"C": 10, "shallow": [[{"a": 1}]]}}}), Spec)
