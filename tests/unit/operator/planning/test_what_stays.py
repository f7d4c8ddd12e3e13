"""A deletion that leaves something in Label Studio says what, where, and why."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.unit.operator.planning.world import World

from labelloop_operator.api import names
from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.spec import Problem
from labelloop_operator.planning.actions import Emit
from labelloop_operator.planning.observed import ConnectionFacts, LabelStudioFacts, Observed
from labelloop_operator.planning.plan import plan

ADDRESS = "http://label-studio.tools.svc.cluster.local:8080"
HANGS = Problem("", "", f"removing ML backend and webhook at {ADDRESS} did not end", Reason.LABEL_STUDIO_UNREACHABLE)
NO_SECRET = Problem("Secret", "ls", "there is no such Secret", Reason.CONNECTION_SECRET_NOT_FOUND)


@pytest.fixture
def given_up() -> Observed:
    """A registered resource whose deletion has waited for Label Studio as long as it may."""
    world = World()
    world.settle()
    world.delete()
    world.pass_time(world.observe().operator.deregister_timeout)
    return replace(world.observe(), connection=ConnectionFacts(address=ADDRESS))


def _later(observed: Observed) -> datetime:
    requested_at = observed.resource.deletion_requested_at
    assert requested_at is not None
    return requested_at + timedelta(seconds=observed.operator.deregister_timeout)


def told(observed: Observed) -> str:
    (event,) = [action for action in plan(observed, _later(observed)).actions if isinstance(action, Emit)]
    assert (event.type, event.reason) == ("Warning", "DeregistrationIncomplete")
    assert "ML backend 1 and webhook 1 of project 7" in event.note
    assert "http://intents-ml.team-a.svc.cluster.local:9090" in event.note
    assert "remove them there" in event.note
    return event.note


def test_the_cause_that_label_studio_gave(given_up: Observed) -> None:
    note = told(replace(given_up, label_studio=LabelStudioFacts(registration_problem=HANGS)))
    assert f"Label Studio at {ADDRESS} was asked to remove them for 60 s" in note
    assert str(HANGS) in note


@pytest.mark.parametrize("facts", [None, LabelStudioFacts()])
def test_no_answer_at_all_is_told_as_such(given_up: Observed, facts: LabelStudioFacts | None) -> None:
    note = told(replace(given_up, label_studio=facts))
    assert f"Label Studio at {ADDRESS} was asked to remove them for 60 s, without success: no answer" in note


def test_without_a_usable_connection_it_could_not_be_asked(given_up: Observed) -> None:
    note = told(replace(given_up, label_studio=None, connection=ConnectionFacts(problem=NO_SECRET)))
    assert f"could not be asked within 60 s: {NO_SECRET}" in note


def test_skipped_by_a_person(given_up: Observed) -> None:
    annotated = replace(given_up.resource, annotations={names.ANNOTATION_SKIP_DEREGISTRATION: "true"})
    assert names.ANNOTATION_SKIP_DEREGISTRATION in told(replace(given_up, resource=annotated))


def test_an_unusable_spec_names_no_project_to_ask_about(given_up: Observed) -> None:
    (event,) = [
        action
        for action in plan(replace(given_up, resource=replace(given_up.resource, spec=None)), _later(given_up)).actions
        if isinstance(action, Emit)
    ]
    assert "the spec that names project and connection cannot be used" in event.note


def test_what_is_going_on_stands_in_the_condition_meanwhile() -> None:
    world = World()
    world.settle()
    world.delete()
    observed = replace(world.observe(), connection=ConnectionFacts(address=ADDRESS))
    (ready,) = [item for item in plan(observed, world.now).status.conditions if item.type == "Ready"]
    assert ready.reason == "Deleting"
    assert ADDRESS in ready.message
