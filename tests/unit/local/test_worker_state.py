import os
import signal
import subprocess
import sys
from pathlib import Path

from labelloop.local.version_handover import Handover
from labelloop.local.worker_state import WorkerState

FIRST = Handover("cold-000000000000")
A, B = frozenset({"model-a"}), frozenset({"model-b"})


def announced(board: WorkerState, project: int = 7) -> str:
    return board.exchange(project, FIRST, lambda before: (before, before.announced))


def test_what_one_worker_writes_the_others_read(tmp_path: Path):
    with WorkerState(tmp_path) as one, WorkerState(tmp_path) as two:
        assert announced(one) == FIRST.announced
        later = Handover("model-a", 12.5, 13.0)
        one.exchange(7, FIRST, lambda before: (later, None))
        assert two.exchange(7, FIRST, lambda before: (before, before)) == later
        assert announced(two, 8) == FIRST.announced


def test_a_shorter_record_leaves_nothing_of_the_longer_one(tmp_path: Path):
    with WorkerState(tmp_path) as board:
        board.exchange(7, FIRST, lambda before: (Handover("model-" + "a" * 100, 1.0, 2.0), None))
        board.exchange(7, FIRST, lambda before: (Handover("m"), None))
        assert board.exchange(7, FIRST, lambda before: (before, before)) == Handover("m")


def test_all_have_a_version_when_every_living_worker_has(tmp_path: Path):
    with WorkerState(tmp_path) as one:
        assert not one.all_have(7, "model-a")
        one.report_loaded({7: A | B})
        assert one.all_have(7, "model-a")
        with WorkerState(tmp_path) as two:
            assert not one.all_have(7, "model-a")
            two.report_loaded({7: A, 8: B})
            assert one.all_have(7, "model-a")
            assert not one.all_have(7, "model-b")
        assert one.all_have(7, "model-b")


def test_a_killed_worker_holds_nobody_up(tmp_path: Path):
    script = (
        "import sys, time; from pathlib import Path; from labelloop.local.worker_state import WorkerState; "
        "board = WorkerState(Path(sys.argv[1])); print('there', flush=True); time.sleep(1000)"
    )
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "bento_service")}
    with WorkerState(tmp_path) as board:
        board.report_loaded({7: A})
        command = [sys.executable, "-c", script, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=variables) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"there\n"
            assert not board.all_have(7, "model-a")
            other.send_signal(signal.SIGKILL)
            other.wait(300)
        assert board.all_have(7, "model-a")


def test_the_first_worker_of_a_server_starts_with_an_empty_board(tmp_path: Path):
    with WorkerState(tmp_path) as board:
        board.exchange(7, FIRST, lambda before: (Handover("model-a"), None))
    with WorkerState(tmp_path) as board:
        assert announced(board) == FIRST.announced
