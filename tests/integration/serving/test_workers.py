"""WORKERS above 1: several processes behind one port."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import requests
from tests.integration.serving.conftest import PATIENCE, ROOT, Server, environment, serve
from tests.support.serving_models import LABEL_CONFIG, task
from tests.support.waiting import eventually


def workers(server: Server) -> set[int]:
    pid = server.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_a_worker_that_dies_is_replaced_and_metrics_are_those_of_all(tmp_path: Path):
    with serve(tmp_path, {"WORKERS": "2"}) as server:
        before = workers(server)
        assert len(before) == 2
        for _ in range(20):
            body = {"tasks": [task("billing")], "label_config": LABEL_CONFIG}
            assert server.call("POST", "/predict", json=body).status_code == 200
        assert 'labelloop_predictions_total{result="yes"} 20.0' in server.call("GET", "/metrics").text
        dead = min(before)
        os.kill(dead, signal.SIGKILL)
        eventually(lambda: len(workers(server) - {dead}) == 2, PATIENCE, server.told)
        eventually(lambda: server.call("GET", "/readyz").status_code == 200, PATIENCE, server.told)


def test_workers_end_with_their_supervisor_however_it_ends(tmp_path: Path):
    with serve(tmp_path, {"WORKERS": "2"}) as server:
        pids = workers(server)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(PATIENCE)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), PATIENCE, server.told)


def test_wrong_settings_are_told_once(tmp_path: Path):
    command = [sys.executable, "-m", "labelloop", "serve"]
    variables = environment(tmp_path, {"WORKERS": "many"})
    ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert "WORKERS is 'many'" in ended.stderr


def test_sigterm_ends_all_of_them(tmp_path: Path):
    with serve(tmp_path, {"WORKERS": "2"}) as server:
        pids = workers(server)
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        try:
            requests.get(f"{server.url}/livez", timeout=5)
        except requests.ConnectionError:
            return
        raise AssertionError("something still listens")
