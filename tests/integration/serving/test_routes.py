"""The same routes on both servers, with a trained model and before any training."""

import json
import time
from pathlib import Path

import pytest
from tests.integration.serving.conftest import COLD_VERSION, WEBHOOK_SECRET, Server
from tests.support.operator_relay import RelayRecord
from tests.support.serving_models import LABEL_CONFIG, TRAINED_VERSION, task
from tests.support.waiting import PATIENCE, eventually

SAMPLES = Path(__file__).parents[2] / "samples" / "label-studio"
BEARER = {"Authorization": f"Bearer {WEBHOOK_SECRET}"}


def predict(server: Server, tasks: list[object], label_config: str = LABEL_CONFIG) -> list[dict]:
    answer = server.call("POST", "/predict", json={"tasks": tasks, "label_config": label_config})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_a_trained_model_answers_with_its_version_everywhere(trained: Server):
    assert trained.call("GET", "/health").json()["status"] == "UP"
    assert trained.call("GET", "/").json()["model_class"] == "TextClassifier"
    assert trained.call("GET", "/versions").json() == {"versions": [TRAINED_VERSION]}
    assert trained.call("POST", "/setup", json={"schema": LABEL_CONFIG}).json() == {"model_version": TRAINED_VERSION}
    (entry,) = predict(trained, [task("my password needs a reset")])
    assert entry["model_version"] == TRAINED_VERSION
    assert entry["result"][0]["value"] == {"choices": ["login"]}


def test_before_any_training_label_names_are_the_answer(cold: Server):
    assert cold.call("GET", "/health").json()["model_class"] == "ColdStart"
    assert cold.call("POST", "/setup", json={"schema": LABEL_CONFIG}).json() == {"model_version": COLD_VERSION}
    entries = predict(cold, [task("a question about billing"), task("Delivery?"), task(None)])
    assert [entry.get("result", [{}])[0].get("value") for entry in entries] == [
        {"choices": ["billing"]},
        {"choices": ["delivery"]},
        None,
    ]
    assert all(entry["model_version"] == COLD_VERSION for entry in entries)
    assert all(entry.get("score", 0) <= 0.5 for entry in entries)


@pytest.mark.parametrize("name", ["connect_calls_to_backend", "predict_batch_calls", "predict_on_task_open_calls"])
def test_recorded_calls_of_label_studio_are_answered(trained: Server, name: str):
    for call in json.loads((SAMPLES / f"{name}.json").read_text()):
        assert trained.call(call["method"], call["path"], json=call["body"]).status_code == 200


def test_label_studio_reads_why_a_configuration_is_refused(trained: Server):
    answer = trained.call("POST", "/setup", json={"schema": '<View><Image name="i" value="$i"/></View>'})
    assert answer.status_code == 422
    assert "<Choices>" in answer.reason
    assert answer.json()["error"].startswith(answer.reason[:50])


def test_five_thousand_tasks_in_one_request(trained: Server):
    entries = predict(trained, [task(f"invoice number {number}", number) for number in range(5000)])
    assert len(entries) == 5000
    assert all(entry["result"][0]["value"]["choices"] for entry in entries)


def test_fifty_megabytes_in_one_request(trained: Server):
    text = "late parcel " * 90_000
    assert len(predict(trained, [task(text, number) for number in range(48)])) == 48


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"tasks": 1}', b'{"tasks": []}', b"\xff" * 1000])
@pytest.mark.parametrize("path", ["/predict", "/setup"])
def test_unusable_bodies_are_told(trained: Server, path: str, body: bytes):
    answer = trained.call("POST", path, data=body)
    assert answer.status_code == 400
    assert answer.json()["remedy"]


def test_unknown_addresses_and_methods(trained: Server):
    unknown = trained.call("GET", "/nothing-here")
    assert (unknown.status_code, unknown.json()["value"]) == (404, "/nothing-here")
    assert trained.call("GET", "/setup").status_code == 405


def test_without_password_only_probes_metrics_and_health_answer(trained: Server):
    for path in ("/livez", "/readyz", "/metrics", "/health"):
        assert trained.call("GET", path, auth=None).status_code == 200
    for path in ("/setup", "/predict", "/webhook"):
        answer = trained.call("POST", path, auth=None, json={})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_an_event_reaches_the_operator(trained: Server, operator: RelayRecord):
    number = time.monotonic_ns()  # this test's own annotation
    event = {"action": "ANNOTATION_UPDATED", "annotation": {"id": number, "updated_at": "2026-11-22T06:00:00Z"}}
    assert trained.call("POST", "/webhook", auth=None, headers=BEARER, json=event).status_code == 200
    told = {"id": number, "updated_at": "2026-11-22T06:00:00Z"}

    def is_told() -> bool:
        return any(told in body["annotations"] and body["authenticated"] for body in operator.bodies("hints"))

    eventually(is_told, PATIENCE, "the hint arrives")


def test_start_training_waits_for_the_operators_word(trained: Server, operator: RelayRecord):
    (call,) = json.loads((SAMPLES / "start_training_call.json").read_text())
    assert trained.call("POST", "/webhook", json=call["body"]).status_code == 200
    operator.status, operator.answer = 503, {"message": "not leading"}
    try:
        refused = trained.call("POST", "/webhook", json=call["body"])
    finally:
        operator.status, operator.answer = 202, {}
    assert refused.status_code == 503
    assert "not leading" in refused.reason


def test_start_training_in_local_mode_says_what_is_missing(cold: Server):
    answer = cold.call("POST", "/webhook", json={"action": "START_TRAINING"})
    assert answer.status_code == 503
    assert answer.json()["field"] == "LABEL_STUDIO_API_KEY"


def test_metrics_tell_requests_predictions_and_model_with_bounded_paths(cold: Server):
    predict(cold, [task("a")])
    for number in range(20):
        cold.call("GET", f"/scanned/{number}")
    text = cold.call("GET", "/metrics").text
    assert 'bentoml_service_request_total{endpoint="/predict"' in text
    assert 'endpoint="/other",http_response_code="404"' in text
    assert "/scanned" not in text
    assert 'labelloop_predictions_total{result="yes"}' in text
    assert f'model_version="{COLD_VERSION}"' in text
    assert "labelloop_ready 1.0" in text


def test_no_task_text_and_no_secret_is_logged(trained: Server):
    predict(trained, [task("TEXT-OF-A-CUSTOMER")])
    trained.call("POST", "/predict", data=b'{"tasks": ["TEXT-OF-A-CUSTOMER"')
    assert "TEXT-OF-A-CUSTOMER" not in trained.told()
    assert WEBHOOK_SECRET not in trained.told()
