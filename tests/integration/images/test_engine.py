"""The private Docker engine: all state in one folder, and nothing left, however it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import PATIENCE, eventually
from tools.images.docker_engine import CGROUP, private_engine

HOLD = """
import sys, time
from pathlib import Path
from tools.images.docker_engine import private_engine
with private_engine(Path(sys.argv[1])) as engine:
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "docker"


def traces(state: Path) -> list[str]:
    """Processes that see the state mounted, and what is mounted for us."""
    found = []
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            found += [f"{mounts}: {line}" for line in mounts.read_text().splitlines() if str(state) in line]
        except OSError:
            continue  # the process has ended
    return found


def test_it_answers_and_leaves_nothing(state: Path):
    with private_engine(state) as engine:
        assert engine.run("info", "--format", "{{.DockerRootDir}}").strip() == "/mnt/data"
        assert traces(state)

    assert traces(state) == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"))


def test_it_dies_with_a_killed_build_and_starts_over_what_that_left(state: Path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(state)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"

    holder.send_signal(signal.SIGKILL)
    holder.wait()

    eventually(lambda: not traces(state), PATIENCE, lambda: f"still there: {traces(state)}", interval=0.05)
    with private_engine(state) as engine:
        assert engine.run("version", "--format", "{{.Server.Version}}").strip()
    assert traces(state) == []


def test_a_state_that_it_cannot_read_is_replaced(state: Path):
    (state / "data").mkdir(parents=True)
    (state / "data" / "image").write_text("not a folder")

    with private_engine(state) as engine:
        assert engine.run("images", "--quiet") == ""
