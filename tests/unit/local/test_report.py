"""What local mode says of a project: notes on its state, and what became of its versions."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from labelloop.local.activity import Activity
from labelloop.local.project_state import Last, ProjectState, Promoted
from labelloop.local.report import notes, versions
from labelloop.page_facts import pill_of

ONE, TWO, THREE = "model-1", "model-2", "model-3"
STATE = ProjectState(
    current=TWO, since="2026-12-01T10:00:00Z", history=(Promoted(ONE, "2026-11-30T10:00:00Z"), Promoted(TWO, "x"))
)
COUNTED = Activity(50, pending=31)


def told(state: ProjectState = STATE, activity: Activity | None = COUNTED, **changed: object) -> tuple[str, str]:
    """Tone and words of the pill, then all sentences."""
    given = {"served": state.current or "cold-0", "there": [ONE, TWO, THREE]} | changed
    found = notes(state, activity, **given)  # type: ignore[arg-type]
    tone, pill = pill_of(found)
    return f"{tone}: {pill}", " ".join(note.text for note in found)


def ended(outcome: str, reason: str, message: str) -> ProjectState:
    return replace(STATE, last=Last("a", outcome, reason, message, "2026-12-01T11:00:00Z"))


def test_pending_updates_are_counted_towards_the_next_training():
    assert told() == ("good: ready", "31 of 50 annotation updates until the next training.")


def test_a_cold_project_says_what_the_first_training_takes():
    pill, text = told(ProjectState(), Activity(10, pending=3))
    assert pill == "good: ready"
    assert text.startswith("3 of 10 annotation updates until the first training.")
    assert "two labels" in text


def test_a_training_under_way_is_shown():
    pill, text = told(activity=replace(COUNTED, training_since="2026-12-01T12:30:00Z"))
    assert (pill, text) == ("busy: training", "A training runs since 2026-12-01 12:30 UTC.")


def test_an_unreachable_label_studio_is_not_ready_green():
    problem = replace(COUNTED, problem="http://ls:8080 cannot be reached", problem_since="2026-12-01T12:05:00Z")
    pill, text = told(activity=problem)
    assert pill == "bad: not counting"
    assert "not counted since 2026-12-01 12:05 UTC" in text
    assert "http://ls:8080 cannot be reached" in text
    assert "31 of 50" in text


def test_a_failed_training_says_why_and_when_it_is_tried_again():
    state = replace(
        ended("Failed", "OutOfMemory", "it was killed"), not_before=datetime(2026, 12, 1, 11, 5, tzinfo=UTC)
    )
    pill, text = told(state)
    assert pill == "bad: training failed"
    assert (
        "failed at 2026-12-01 11:00 UTC (OutOfMemory): it was killed. It is tried again after 2026-12-01 11:05" in text
    )


def test_a_model_that_the_gate_refused_is_shown_with_the_reason():
    pill, text = told(ended("Refused", "WorseThanActive", "0.55 instead of 0.64"))
    assert pill == "warn: new model held back"
    assert "held back by the gate at 2026-12-01 11:00 UTC (WorseThanActive): 0.55 instead of 0.64." in text


@pytest.mark.parametrize("outcome", ["Unchanged", "NotEnoughData"])
def test_a_training_without_a_model_is_told_and_is_no_fault(outcome: str):
    pill, text = told(ended(outcome, "Because", "all tasks were skipped"))
    assert pill == "good: ready"
    assert "made no new model at 2026-12-01 11:00 UTC (Because): all tasks were skipped." in text


def test_the_training_that_made_what_serves_is_no_note():
    assert told(ended("Trained", "Trained", "")) == told()


def test_a_rollback_is_said_and_the_next_training_ends_it():
    rolled_back = replace(STATE, current=ONE)
    pill, text = told(rolled_back)
    assert pill == "warn: rolled back"
    assert f"{ONE} serves again, {TWO} came after it" in text
    assert told(rolled_back.promoted(Promoted(THREE, "y")))[0] == "good: ready"


@pytest.mark.parametrize(("there", "why"), [([ONE, TWO], "cannot be loaded"), ([ONE], "is missing on the disk")])
def test_an_older_version_in_the_place_of_a_damaged_one_is_a_fault(there: list[str], why: str):
    pill, text = told(served=ONE, there=there)
    assert pill == "bad: older version serves"
    assert f"{TWO} {why}: see the log. {ONE} answers in its place." in text


def test_without_a_trainer_the_old_activity_is_not_shown():
    pill, text = told(activity=replace(COUNTED, training_since="x"), unconfigured="LABEL_STUDIO_API_KEY is not set")
    assert (pill, text) == ("good: ready", "Nothing is counted or trained: LABEL_STUDIO_API_KEY is not set.")


def test_newer_versions_stay_listed_after_a_rollback_and_pruned_ones_are_removed():
    history = tuple(Promoted(version, version[-1], {"accuracy": 0.5, "examples": 20}) for version in (ONE, TWO, THREE))
    state = ProjectState(current=TWO, history=(Promoted("model-0", "0"), *history))
    found = versions(state, TWO, ["model-9", ONE, TWO, THREE])
    assert [(entry.version, entry.state) for entry in found] == [
        ("model-9", "kept"), ("model-0", "removed"), (ONE, "kept"), (TWO, "serves"), (THREE, "kept, newer")
    ]  # fmt: skip
    assert (found[2].accuracy, found[2].examples) == (0.5, 20)
