"""What holds of every command: help with an example, documented exit codes, one JSON object as the last line."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
from tests.support.command_line import Done, run
from tests.support.tables import TABLE

from labelloop.cli import app

ROOT = Path(__file__).parents[3]
ROLES = ("serve", "restore", "rebase", "verify", "batch-predict")
"""What pods run, and a server: they tell their outcome elsewhere."""


def commands() -> dict[str, click.Command]:
    """All commands by the words one types."""
    found: dict[str, click.Command] = {}

    def collect(command: click.Command, words: tuple[str, ...]) -> None:
        inner = getattr(command, "commands", None)
        if not isinstance(inner, dict):
            found[" ".join(words)] = command
            return
        for name, each in inner.items():
            collect(each, (*words, name))

    collect(typer.main.get_command(app), ())  # type: ignore[arg-type]
    return found


ALL = commands()
WITH_JSON = [name for name in ALL if name not in (*ROLES, "help")]


def test_the_commands_that_users_asked_for_are_there():
    asked = ["init", "serve", "train", "evaluate", "predict", "publish", "status", "retrain", "check", "help"]
    assert set(ALL) >= {*asked, *(f"models {name}" for name in ("list", "show", "rollback", "prune"))}


@pytest.mark.parametrize("name", ALL)
def test_help_has_an_example_that_can_be_typed(name: str):
    done = run(*name.split(), "--help")
    assert done.returncode == 0
    told = " ".join(done.stdout.split())
    found = re.search(r"Example: (?:\w+=\S+ )*labelloop (.+?)(?: \(in a training pod\))?$", told)
    assert found, told
    example = found.group(1)
    assert example.startswith(name)
    options = {option for parameter in ALL[name].params for option in parameter.opts}
    assert {word for word in example.split() if word.startswith("--")} <= options


@pytest.mark.parametrize("name", WITH_JSON)
def test_every_command_can_end_with_one_object(name: str):
    assert "--json" in {option for parameter in ALL[name].params for option in parameter.opts}


def test_exit_codes_are_told_by_help_and_docs_and_are_the_same():
    told = " ".join(run("--help").stdout.split())
    page = (ROOT / "docs/user/local.md").read_text()
    for code, meaning in {0: "done", 1: "failed", 2: "wrong use or setting", 3: "not enough labelled data"}.items():
        assert re.search(rf"\b{code} [^;.]*{meaning}", told), code
        assert re.search(rf"\b{code} [^;.]*{meaning}", page), code


@pytest.mark.parametrize("name", [name for name in ALL if name not in (*ROLES, "publish", "train")])
def test_a_wrong_option_is_one_line_and_exit_code_2(name: str):
    done = run(*name.split(), "--no-such-option")
    assert_told_in_one_line(done)


def assert_told_in_one_line(done: Done) -> None:
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("labelloop: ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and a model made of it."""
    made = tmp_path_factory.mktemp("commands")
    (made / "data.csv").write_text(TABLE)
    assert run("train", "--data", made / "data.csv", "--out", made / "model").returncode == 0
    return made


@pytest.mark.parametrize(
    "arguments",
    [
        "train --data {0}/data.csv --out {0}/again",
        "evaluate --model {0}/model --data {0}/data.csv",
        "predict --model {0}/model --text invoice",
        "init {0}/mine",
    ],
)
def test_the_last_line_is_the_object_whatever_else_is_said(folder: Path, arguments: str):
    done = run(*arguments.format(folder).split(), "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout.splitlines()[-1]), dict)
    assert done.stdout.endswith("\n")


def test_failing_commands_tell_on_standard_error_only(folder: Path):
    for arguments in ("evaluate --model {0}/none --data {0}/data.csv", "train --data {0}/none.csv --out {0}/x"):
        done = run(*arguments.format(folder).split(), "--json")
        assert_told_in_one_line(done)
        assert done.stdout == ""


def test_who_waits_at_a_terminal_sees_what_is_done_and_a_program_sees_the_object_only(folder: Path):
    terminal, inner = pty.openpty()
    command = [sys.executable, "-m", "labelloop", "train", "--data", "data.csv", "--out", "shown", "--json"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "200"}
    done = subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=inner, check=True)
    os.close(inner)
    drawn = b""
    while part := _read(terminal):
        drawn += part
    os.close(terminal)
    assert b"measuring on held-out texts" in drawn
    assert b"fitting on all texts" in drawn
    assert json.loads(done.stdout)["outcome"] == "Trained"


def _read(terminal: int) -> bytes:
    """What the terminal still holds; its end is an error once nobody writes any more."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
