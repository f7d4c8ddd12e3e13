"""`labelloop init`: what it writes, what it refuses. tests/integration/local/test_scaffold.py sees that it runs."""

import ast
import json
from pathlib import Path

import pytest
import yaml
from tests.support.command_line import run

from labelloop.label_config.schema import parse_label_config

FILES = [
    "Makefile",
    "README.md",
    "bentofile.yaml",
    "label_config.xml",
    "sample.csv",
    "service.py",
    "test_ticket_sorter.py",
    "ticket_sorter.py",
]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    done = run("init", tmp_path / "Ticket-Sorter", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["model_class"] == "ticket_sorter:Classifier"
    assert sorted(told["files"]) == FILES
    return Path(told["folder"])


def test_every_file_is_there_and_carries_the_name(made: Path):
    assert sorted(path.name for path in made.iterdir()) == FILES
    for path in made.iterdir():
        text = path.read_text()
        assert "my_backend" not in text
        assert "my-backend" not in text
    bentofile = yaml.safe_load((made / "bentofile.yaml").read_text())
    assert (bentofile["name"], bentofile["envs"][0]["value"]) == ("ticket-sorter", "ticket_sorter:Classifier")
    assert "ticket_sorter:Classifier" in (made / "Makefile").read_text()


def test_the_python_files_parse_and_the_sample_fits_the_configuration(made: Path):
    for path in made.glob("*.py"):
        ast.parse(path.read_text())
    (control,) = parse_label_config((made / "label_config.xml").read_text()).controls
    labels = {line.rpartition(",")[2] for line in (made / "sample.csv").read_text().splitlines()[1:]}
    assert labels == set(control.labels)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("9lives", "begin with a letter"),
        ("a b", "letters, digits"),
        ("-x", ""),
        ("class", "choose another name"),
        ("json", "Python knows a module 'json' already"),
        ("labelloop", "choose another name"),
        ("service", "choose another name"),
    ],
)
def test_a_name_that_cannot_be_imported_is_refused(tmp_path: Path, name: str, told: str):
    done = run("init", f"{tmp_path}/{name}")
    assert done.returncode == 2 or name == "-x"
    assert told in done.stderr


def test_nothing_is_overwritten(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("kept")
    done = run("init", tmp_path / "mine")
    assert (done.returncode, "exists already" in done.stderr) == (2, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_an_empty_folder_is_taken(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    assert run("init", tmp_path / "mine").returncode == 0
