"""Tables, times and steps, as a person, a pipe and a terminal without Unicode get them."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.command_line import run
from tests.support.tables import TABLE

from labelloop.cli.output import ago, table

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-11-30T12:00:00Z", "now"),
        ("2026-11-30T11:59:18.5+00:00", "41 s ago"),
        ("2026-11-30T11:58:00Z", "2 min ago"),
        ("2026-11-30T06:10:00Z", "5 h ago"),
        ("2026-11-21T12:00:00Z", "9 d ago"),
        (None, ""),
        ("long ago", "long ago"),
    ],
)
def test_times_are_short(moment: str | None, said: str):
    assert ago(moment, NOW) == said


def test_a_cell_is_printed_as_it_is_however_long():
    long, markup = "x" * 500, "[bold]:smile: ä"
    lines = table(("name", "other"), [(long, markup)])
    assert lines[1] == f"{long}   {markup}"


def test_each_step_is_a_line_with_its_time_where_there_is_no_terminal(tmp_path: Path):
    (tmp_path / "data.csv").write_text(TABLE)
    done = run("train", "--data", tmp_path / "data.csv", "--out", tmp_path / "m")
    steps = [line.rsplit(": ", 1) for line in done.stderr.splitlines()]
    assert [step for step, _ in steps] == [
        "labelloop: reading",
        "labelloop: looking for contradicting labels",
        "labelloop: preparing",
        "labelloop: measuring on held-out texts",
        "labelloop: fitting on all texts",
    ]
    assert all(float(time.removesuffix(" s")) >= 0 for _, time in steps)


def test_a_terminal_that_knows_ascii_only_gets_no_trace(tmp_path: Path):
    (tmp_path / "data.csv").write_text(TABLE.replace("billing", "Prüfung…"), "utf-8")
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    ascii_only = {**variables, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    for arguments in (
        ["train", "--data", "data.csv", "--out", "m"],
        ["evaluate", "--data", "data.csv", "--model", "m"],
        ["predict", "--text", "ünlogged…", "--model", "m"],
        ["train", "--data", "Prüfung…", "--out", "n"],
        ["--help"],
    ):
        command = [sys.executable, "-m", "labelloop", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=ascii_only, capture_output=True)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (2 if "Prüfung…" in arguments else 0)
