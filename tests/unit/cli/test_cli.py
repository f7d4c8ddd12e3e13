import os
import subprocess
import sys

import pytest

import labelloop


def run(*arguments, **variables):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    return subprocess.run(
        [sys.executable, "-m", "labelloop", *arguments], capture_output=True, text=True, env=environment
    )


def test_version():
    done = run("--version")
    assert (done.returncode, done.stdout.strip()) == (0, labelloop.__version__)


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
