"""`labelloop status`, `retrain`, and what `check` and `models show` say about a project of local mode."""

import fcntl
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN, FakeLabelStudio
from tests.support.command_line import run

from labelloop.local.project_state import Last, Promoted
from labelloop.local.version_store import Store

VERSION = "model-000000000001"


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        fake.add_project(7, 0)
        fake.add_labelled(7, "invoice", "billing")
        fake.add_labelled(7, "password", "login")
        yield fake


@pytest.fixture
def variables(fake: FakeLabelStudio, tmp_path: Path) -> dict[str, str]:
    store = Store(tmp_path).project(7)
    store.change(lambda state: state.promoted(Promoted(VERSION, "2026-11-22T06:00:00+00:00")))
    last = Last("a", "Trained", "Trained", "2 tasks, 2 labels", "2026-11-22T06:00:00+00:00")
    store.change(lambda state: replace(state, last=last))
    settings = {"LABEL_STUDIO_URL": fake.url, "LABEL_STUDIO_API_KEY": TOKEN, "START_TRAINING_EACH_N_UPDATES": "50"}
    return {"MODEL_DIR": str(tmp_path), **settings}


def told(*arguments: object, variables: dict[str, str]) -> str:
    done = run(*arguments, variables=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_status_says_what_serves_what_is_pending_and_how_the_last_training_ended(variables: dict[str, str]):
    shown = told("status", variables=variables)
    assert "none that trains runs on this folder" in shown
    assert f"serves         {VERSION}, since " in shown
    assert "pending        2 of 50 updates since the last training" in shown
    assert "last training  Trained " in shown
    (project,) = json.loads(told("status", "--json", variables=variables))["projects"]
    assert (project["project"], project["serves"], project["pending"], project["updates_per_training"]) == (
        7,
        VERSION,
        2,
        50,
    )


def test_status_without_label_studio_still_tells_what_is_on_disk(variables: dict[str, str], fake: FakeLabelStudio):
    fake.broken = 500
    shown = told("status", variables=variables)
    assert VERSION in shown
    assert "pending        not counted: " in shown


def test_retrain_notes_a_request_and_says_whether_a_server_is_there(variables: dict[str, str], tmp_path: Path):
    assert "it starts with the next server on this folder" in told("retrain", "--project", "7", variables=variables)
    store = Store(tmp_path).project(7)
    first = store.requested()
    assert first is not None
    with (tmp_path / "trainer.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "the server starts it within seconds" in told("retrain", variables=variables)
        assert "server         running" in told("status", variables=variables)
    assert store.requested() != first


def test_retrain_of_an_unknown_project_names_the_known_ones(variables: dict[str, str]):
    done = run("retrain", "--project", "8", variables=variables)
    assert (done.returncode, done.stderr) == (2, "labelloop: there is no project 8; there are: 7.\n")


def test_check_has_facts_in_plain_words(variables: dict[str, str]):
    done = run("check", "--project", "7", variables=variables)
    shown = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert {"Label Studio", "labels", "serves", "pending", "last training"} <= set(shown)
    assert not any(sign in done.stdout for sign in "{}[]")
