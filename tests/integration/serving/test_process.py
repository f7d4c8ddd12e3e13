"""Start, readiness and end of the one-process server, as a pod sees them."""

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from tests.integration.serving.conftest import BENTOML, ONE_PROCESS, ROOT, environment, serve
from tests.support.operator_relay import operator_relay
from tests.support.ports import free_port
from tests.support.serving_models import LABEL_CONFIG, TRAINED_VERSION
from tests.support.waiting import PATIENCE, eventually


def start(folder: Path, variables: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labelloop", "serve", *options]
    variables = environment(folder, variables)
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)


def test_wrong_settings_end_it_with_a_line_each(tmp_path: Path):
    ended = start(tmp_path, {"PORT": "http", "LABELLOOP_RELAY_URL": "http://operator:8080/v1"})
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert len(lines) == 2
    assert "PORT is 'http'" in lines[0]
    assert "LABELLOOP_RELAY_SECRET is not set" in lines[1]


def test_bentoml_serve_tells_wrong_settings_without_a_trace(tmp_path: Path):
    command = [sys.executable, "-m", "bentoml", "serve", "."]
    variables = environment(tmp_path, {"BASIC_AUTH_USER": "only"})
    ended = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 2
    assert "BASIC_AUTH_PASS is not set" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_told(tmp_path: Path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        ended = start(tmp_path, {"PORT": str(port)})
    assert ended.returncode == 2
    assert f"PORT is {port}" in ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_model_class_that_cannot_be_imported_ends_the_start(tmp_path: Path, workers: str):
    ended = start(tmp_path, {"WORKERS": workers}, "--model-class", "nosuch:Class", "--port", str(free_port()))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "LABELLOOP_MODEL_CLASS is 'nosuch:Class', which cannot be imported" in line


def test_a_host_that_is_not_of_this_machine_is_told(tmp_path: Path):
    ended = start(tmp_path, {}, "--host", "192.0.2.1", "--port", str(free_port()))
    assert ended.returncode == 2
    assert ended.stderr == (
        "labelloop serve: LABELLOOP_HOST is 192.0.2.1, which is no address of this machine: use one of its own, "
        "or 127.0.0.1\n"
    )


@pytest.mark.parametrize("kind", [ONE_PROCESS, BENTOML])
@pytest.mark.parametrize(("host", "seen"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_other_machines_reach_it_only_when_it_is_asked_to_listen_there(
    tmp_path: Path, kind: str, host: str, seen: bool
):
    with serve(tmp_path, {"LABELLOOP_HOST": host}, kind) as server, socket.socket() as other:
        # Another address of the loopback device stands for one of the network.
        port = int(server.url.rpartition(":")[2])
        assert (other.connect_ex(("127.0.0.2", port)) == 0) is seen
        warned = "without a password" in server.told()
        assert warned is (seen and kind == ONE_PROCESS)


def test_the_log_may_be_json(tmp_path: Path):
    with serve(tmp_path, {"LABELLOOP_LOG_FORMAT": "json"}) as server:
        lines = [json.loads(line) for line in server.told().splitlines()]
    started = [line["message"] for line in lines if line["level"] == "INFO"]
    assert any(message.startswith("Projects without a trained model get cold-") for message in started), started


def test_another_version_than_expected_is_not_ready_and_says_so(tmp_path: Path, model: Path):
    variables = {"LABELLOOP_MODEL_DIR": str(model), "LABELLOOP_MODEL_VERSION": "model-ffffffffffff"}
    with serve(tmp_path, variables, ready=503) as server:
        answer = server.call("GET", "/readyz")
        assert "model-ffffffffffff" in answer.text
        assert TRAINED_VERSION in answer.text
        assert server.call("GET", "/livez").status_code == 200


def test_a_damaged_model_leaves_a_live_server_that_is_not_ready(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text('{"format": 1, "kind": "text-classifier"')
    with serve(tmp_path, {"LABELLOOP_MODEL_DIR": str(folder)}, ready=503) as server:
        assert server.call("GET", "/livez").status_code == 200
        assert server.call("GET", "/health").json()["status"] == "UP"
        refused = server.call("POST", "/setup", json={"schema": LABEL_CONFIG})
        assert (refused.status_code, "cannot be loaded" in refused.reason) == (503, True)
        assert "labelloop_ready 0.0" in server.call("GET", "/metrics").text
        assert "Traceback" not in server.told()
        assert "cannot be loaded" in server.told()


def test_without_settings_it_serves_a_cold_start_of_its_own_version(tmp_path: Path):
    with serve(tmp_path, {}) as server:
        (version,) = server.call("GET", "/versions").json()["versions"]
    assert version.startswith("cold-")


def test_sigterm_ends_it_after_the_requests_under_way(tmp_path: Path):
    answers: list[requests.Response] = []
    with operator_relay() as operator:
        operator.gate.clear()
        variables = {"LABELLOOP_RELAY_URL": operator.url, "LABELLOOP_RELAY_SECRET": "s"}
        with serve(tmp_path, variables) as server:
            body = {"action": "START_TRAINING"}
            waiting = threading.Thread(target=lambda: answers.append(server.call("POST", "/webhook", json=body)))
            waiting.start()
            eventually(lambda: operator.bodies("train"), PATIENCE, "the operator is asked")
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: refuses(server.url), PATIENCE, "new connections are refused")
            operator.gate.set()
            waiting.join(PATIENCE)
            assert server.process.wait(PATIENCE) == 0
    assert [answer.status_code for answer in answers] == [200]


def refuses(url: str) -> bool:
    try:
        requests.get(f"{url}/livez", timeout=5)
    except requests.ConnectionError:
        return True
    return False


def test_what_only_training_needs_is_not_loaded(tmp_path: Path):
    script = (
        "import sys; from labelloop.serving import server; from labelloop.serving.service import build_service; "
        "from labelloop.serving.serving_settings import ServingSettings; build_service(ServingSettings()).to_asgi(); "
        "import labelloop.serving.backend; print({'sklearn', 'scipy', 'dxf'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env=environment(tmp_path, {}), capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.stdout, ended.returncode) == ("set()\n", 0)
