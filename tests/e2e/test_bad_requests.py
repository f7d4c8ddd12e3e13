"""Rubbish at the Service's address: each request gets an answer, none takes the backend down."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.story import Project, Story
from tests.support.backend import Backend
from tests.support.lab import restarts

SAMPLES = Path(__file__).parents[1] / "samples/label-studio"
MALFORMED = [b"", b"{", b"not json", b"\xff\xfe", b'{"tasks": NaN', b"[" * 100_000]
WRONG_SHAPES: list[Any] = [
    [],
    None,
    "text",
    {},
    {"tasks": None},
    {"tasks": "all"},
    {"tasks": [None]},
    {"tasks": [{"id": 1}]},
    {"tasks": [{"data": []}]},
    {"tasks": [{"data": {"text": "x"}}], "label_config": "<View"},
    {"tasks": [{"data": {"text": "x"}}], "label_config": 7},
]

RUBBISH_HINTS: list[Any] = [
    {"action": "NOBODY_KNOWS"},
    {"action": 7},
    {"annotation": {}},
    {"action": "ANNOTATION_CREATED"},
    {"action": "ANNOTATION_CREATED", "annotation": {"id": "x", "updated_at": "yesterday"}},
]


def test_rubbish_gets_an_answer_and_serving_goes_on(story: Story, project: Project) -> None:
    backend = story.running(project, 1000)

    for path in ("/predict", "/setup", "/webhook"):
        for content in MALFORMED:
            answer = backend.call("POST", path, data=content, headers={"Content-Type": "application/json"})
            assert answer.status_code < 500, (path, content[:20], answer.status_code, answer.text)
        for body in WRONG_SHAPES:
            answer = backend.call("POST", path, json=body)
            assert answer.status_code < 500, (path, body, answer.status_code, answer.text)
    assert_tasks_are_answered(backend, project)
    assert_webhooks_are_answered(backend)

    assert backend.predict(["my card"], project.id, project.label_config)[0]["model_version"] == backend.version
    assert all(restarts(pod) == 0 for pod in backend.serving_pods)


def assert_tasks_are_answered(backend: Backend, project: Project) -> None:
    """N results for N tasks, whatever the tasks are."""
    assert backend.predict([], project.id, project.label_config) == []
    many = backend.predict([f"my card {number}" for number in range(5000)], project.id, project.label_config)
    assert {result["model_version"] for result in many} == {backend.version}
    strange = [None, "", 7, 1.5, True, ["x"], {"a": 1}, "x" * 1_000_000, "<b>card</b>", "🧾", "\u0000", "ﷺ"]
    for result in backend.predict(strange, project.id, project.label_config):
        assert result["model_version"] == backend.version
        assert result.get("result") != []
        assert "NaN" not in json.dumps(result)
    missing = [{"id": 1, "data": {}}, {"id": 2, "data": {"other": "x"}}, {"id": 3}]
    assert [result.get("result") for result in backend.predict_tasks(missing, project.id, project.label_config)] == [
        None,
        None,
        None,
    ]


def assert_webhooks_are_answered(backend: Backend) -> None:
    """Every webhook that Label Studio ever sent in the recordings is taken."""
    sent = [call for path in sorted(SAMPLES.glob("*.json")) for call in recorded_calls(path, "/webhook")]
    assert len(sent) > 8
    for body in sent:
        answer = backend.call("POST", "/webhook", json=body)
        # The recordings' START_TRAINING is for another project and project-less: the operator may refuse it.
        assert answer.ok or body.get("action") == "START_TRAINING", (body.get("action"), answer.text)
    for rubbish in RUBBISH_HINTS:
        assert backend.call("POST", "/webhook", json=rubbish).status_code < 500


def recorded_calls(path: Path, route: str) -> list[Any]:
    """The bodies of a recording's requests to one route."""
    recorded = json.loads(path.read_text())
    calls = recorded if isinstance(recorded, list) else [recorded]
    return [
        call["body"]
        for call in calls
        if isinstance(call, dict) and str(call.get("path", "")).endswith(route) and isinstance(call.get("body"), dict)
    ]
