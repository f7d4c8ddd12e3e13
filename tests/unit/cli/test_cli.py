import os
import platform
import subprocess
import sys
from unittest.mock import patch

import pytest

import labelloop
from labelloop.cli.version import COMMIT_FILE, commit


def run(*arguments, **variables):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    return subprocess.run(
        [sys.executable, "-m", "labelloop", *arguments], capture_output=True, text=True, env=environment
    )


def test_version_names_the_python():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"labelloop {labelloop.__version__}, ")
    assert done.stdout.endswith(f"Python {platform.python_version()}\n")


def test_the_version_has_the_commit_of_the_checkout_and_does_without_git(tmp_path):
    package = tmp_path / "bento_service" / "labelloop"
    package.mkdir(parents=True)
    assert commit(package) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit(package) == head
    with patch.dict(os.environ, {"PATH": str(tmp_path)}):
        assert commit(package) is None
    (package / COMMIT_FILE).write_text("0123abcd\n")
    assert commit(package) == "0123abcd"


@pytest.mark.parametrize("arguments", [("-h",), ("help",), ("train", "-h"), ("help", "train"), ("models",)])
def test_help_has_the_usual_forms(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: labelloop" in done.stdout


def test_a_shell_can_complete():
    asked = {"_LABELLOOP_COMPLETE": "complete_bash", "COMP_WORDS": "labelloop eva", "COMP_CWORD": "1"}
    assert run(**asked).stdout.split() == ["evaluate"]
    assert "--install-completion" in run("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "--holdout", "2"), "'--holdout': Input should be less than or equal to 0.9. See labelloop train -"),
        (("train", "--dta", "x"), "No such option: --dta (Possible options: --data, --out). See labelloop train --h"),
        (("models", "prune", "--keep", "0"), "'--keep': Input should be greater than or equal to 1. See labelloop mod"),
        (("publish",), "publish needs --to HOST/PATH, --base IMAGE and either"),
        (("train",), "train needs --out and either --data FILE or --project N; see labelloop train --help."),
    ],
)
def test_a_mistake_names_the_option_and_the_help(arguments, told):
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_help_names_every_role(arguments):
    done = run(*arguments)
    assert done.returncode == 0
    assert all(role in done.stdout for role in ("serve", "restore", "train", "publish"))


@pytest.mark.parametrize("arguments", [("frobnicate",), ("train", "--odd"), ("serve", "now")])
def test_a_mistake_is_one_line(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("labelloop: ")
    assert done.stderr.count("\n") == 1


def test_training_without_settings_is_a_result_not_a_trace(tmp_path):
    done = run("train", LABELLOOP_WORK_DIR=str(tmp_path), LABELLOOP_TERMINATION_LOG=str(tmp_path / "log"))
    assert done.returncode == 1
    assert "LABELLOOP_PROJECT is not set" in done.stderr
    assert "Traceback" not in done.stderr
    assert b"ProjectNotFound" in (tmp_path / "log").read_bytes()


def test_the_command_line_itself_loads_no_heavy_library():
    script = "import sys, labelloop.cli; print([n for n in ('numpy', 'sklearn', 'bentoml', 'dxf') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "[]"
