"""`labelloop models` on a folder of local mode."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.command_line import run
from tests.support.serving_models import train
from typer.testing import CliRunner

from labelloop.cli import app
from labelloop.cli.output import CommandError
from labelloop.local.project_state import Last, Promoted
from labelloop.local.version_store import Store

ONE, TWO = "model-000000000001", "model-000000000002"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = Store(tmp_path).project(7)
    for number, version in enumerate((ONE, TWO)):
        train(tmp_path / version, version=version)
        store.add(tmp_path / version, version)
        promoted = Promoted(version, ago_text(days=9), {"accuracy": 0.5 + number / 10})
        store.change(lambda state, promoted=promoted: state.promoted(promoted))
    return tmp_path


def answer(folder: Path, *arguments: str) -> dict:
    done = CliRunner().invoke(app, ["models", *arguments, "--model-dir", str(folder), "--json"])
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout.splitlines()[-1])


def refusal(folder: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, ["models", *arguments, "--model-dir", str(folder)])
    assert isinstance(done.exception, CommandError)
    return str(done.exception)


def test_list_and_show(folder: Path):
    (project,) = answer(folder, "list")["projects"]
    assert (project["project"], project["serves"]) == (7, TWO)
    assert [(item["version"], item["serves"], item["accuracy"]) for item in project["versions"]] == [
        (ONE, False, 0.5),
        (TWO, True, 0.6),
    ]
    assert answer(folder, "show")["version"] == TWO
    assert answer(folder, "show", ONE)["labels"] == {"label": ["billing", "delivery", "login"]}


def lines(folder: Path, *arguments: str, **variables: str) -> list[str]:
    done = run("models", *arguments, "--model-dir", folder, variables=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_versions_and_times_are_never_cut_whatever_the_width(folder: Path):
    head, *rows = lines(folder, "list", COLUMNS="20")
    assert head.split() == ["project", "version", "promoted", "accuracy", "serves"]
    assert [row.split() for row in rows] == [
        ["7", ONE, "9", "d", "ago", "0.500"],
        ["7", TWO, "9", "d", "ago", "0.600", "yes"],
    ]


def test_show_is_lines_for_people(folder: Path):
    promoted = Promoted(TWO, ago_text(days=9), {"accuracy": 0.6})
    last = Last("a", "Refused", "WorseThanIncumbent", "accuracy 0.50, it was 0.60", ago_text(hours=2))
    Store(folder).project(7).change(lambda state: replace(state.promoted(promoted), last=last))
    shown = dict(re.split(r"  +", line, maxsplit=1) for line in lines(folder, "show") if "  " in line)
    assert shown["labels"] == "label: billing, delivery, login"
    assert shown["serves"] == f"{TWO}, since 9 d ago"
    assert shown["pending"].startswith("not counted: LABEL_STUDIO_API_KEY is not set")
    assert shown["last training"] == "Refused (WorseThanIncumbent) 2 h ago: accuracy 0.50, it was 0.60"
    assert not any(sign in line for line in lines(folder, "show") for sign in "{}")


def ago_text(**parts: int) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


def test_a_prune_without_effect_says_so(folder: Path):
    assert lines(folder, "prune") == ["nothing to remove"]
    assert lines(folder, "prune", "--keep", "1") == [f"removed {ONE} of project 7"]


def test_rollback_and_prune(folder: Path):
    assert answer(folder, "rollback") == {"project": 7, "version": ONE, "before": TWO}
    assert Store(folder).project(7).read().current == ONE
    assert answer(folder, "prune", "--keep", "1") == {"removed": []}
    assert answer(folder, "rollback", TWO)["version"] == TWO
    assert answer(folder, "prune", "--keep", "1") == {"removed": [{"project": 7, "version": ONE}]}


def test_what_is_not_there_is_told_with_what_is(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    assert "there is no project 8; there are: 7" in refusal(folder, "show", "--project", "8")
    assert f"there are: {ONE}, {TWO}" in refusal(folder, "rollback", "model-ffffffffffff")
    assert "has no version model-ffffffffffff" in refusal(folder, "show", "model-ffffffffffff")
    assert "holds no projects" in refusal(tmp_path_factory.mktemp("empty"), "list")
    Store(folder).project(9).hint()
    assert "several projects (7, 9)" in refusal(folder, "rollback")
