"""When a process of a test cluster counts as gone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.waiting import PATIENCE, eventually

from labcluster import processes

ENDS = "import sys; sys.stdin.read()"
# The first thread ends alone (60 is exit(2) of x86-64, 93 that of others), the second one holds what the process has.
LEAVES_A_THREAD = """
import ctypes, platform, sys, threading
threading.Thread(target=sys.stdin.read).start()
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)
"""


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", request.param], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("started", [ENDS], indirect=True)
def test_a_process_that_ended_is_gone_before_anybody_waits_for_it(started: subprocess.Popen[bytes]) -> None:
    known = processes.identity(started.pid)
    assert processes.alive(known)
    assert started.stdin is not None
    started.stdin.close()
    eventually(lambda: not processes.alive(known), PATIENCE, "end of the process")
    assert state(started.pid) == "Z"


@pytest.mark.parametrize("started", [LEAVES_A_THREAD], indirect=True)
def test_a_process_lives_as_long_as_one_of_its_threads(started: subprocess.Popen[bytes]) -> None:
    known = processes.identity(started.pid)
    eventually(lambda: state(started.pid) == "Z", PATIENCE, "end of the first thread")
    assert processes.alive(known)
    assert started.stdin is not None
    started.stdin.close()
    eventually(lambda: not processes.alive(known), PATIENCE, "end of the last thread")
