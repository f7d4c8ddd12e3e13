"""A model that is not good enough stays out, and a person can go back to an earlier one and hold it."""

import pytest
from examples.tickets.generator import LABELS
from tests.e2e.story import Story
from tests.support.load import load
from tests.support.waiting import PATIENCE, eventually

ROUND = 120


@pytest.mark.chaos_case("12")
def test_a_refused_model_is_kept_out_until_asked_for_and_a_pin_goes_back(story: Story) -> None:
    project = story.new_project(LABELS)
    backend = story.trained(project, ROUND)
    first = backend.version
    assert first is not None

    strict = story.spec(project, ROUND, evaluation={"minAccuracy": "1"})
    backend.apply(strict)
    project.import_annotated(ROUND)
    refusal = backend.wait_for("CandidateAccepted", "False", "BelowMinimum")
    assert "evaluation.minAccuracy 1" in refusal["message"]
    refused = backend.status["model"]["rejected"][0]
    assert refused["image"] in refusal["message"]
    eventually(lambda: "CandidateRejected" in [event["reason"] for event in backend.events()], PATIENCE, backend.told)
    # Its updates are used up: nothing trains again, and what served continues to serve.
    backend.wait_pending(0)
    assert (backend.version, backend.answering) == (first, first)
    assert "more updates" in refusal["message"]

    backend.apply(story.spec(project, ROUND))
    answer = backend.call("POST", "/webhook", json={"action": "START_TRAINING", "project": {"id": project.id}})
    assert answer.status_code == 200, answer.text
    second = backend.wait_version_other_than(first)
    assert second == refused["version"]
    assert backend.condition("CandidateAccepted")["status"] == "True"

    with load(story.lab.cluster, backend.address, f"{project.id}.1", project.label_config, 0.05) as report:
        backend.apply(story.spec(project, ROUND, model={"pinnedVersion": first}))
        eventually(lambda: backend.version == first and backend.answering == first, PATIENCE, backend.told)
    assert not report.failures, report.failures[:3]
    project.import_annotated(ROUND)
    eventually(lambda: "Pinned" in backend.status["training"].get("next", ""), PATIENCE, backend.told)
    refused_press = backend.call("POST", "/webhook", json={"action": "START_TRAINING", "project": {"id": project.id}})
    assert refused_press.status_code == 503, refused_press.text
    assert first in refused_press.text

    backend.apply(story.spec(project, ROUND))
    backend.wait_version_other_than(first, second)
