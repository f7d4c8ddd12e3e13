import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.support.operator_relay import RelayRecord, operator_relay
from tests.support.serving_models import LABEL_CONFIG, TRAINED_VERSION, task, train

from labelloop.local.local_settings import LocalSettings
from labelloop.local.project_state import Promoted
from labelloop.local.version_store import Store
from labelloop.serving.address_watch import ADDRESSES
from labelloop.serving.backend import Backend
from labelloop.serving.routes import application
from labelloop.serving.serving_metrics import ServingMetrics
from labelloop.serving.serving_settings import RelayTarget, ServingSettings

SAMPLES = Path(__file__).parents[2] / "samples" / "label-studio"
WEBHOOKS = sorted(path.name for path in SAMPLES.glob("webhook_*.json"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    train(directory)
    return directory


@pytest.fixture
def operator() -> Iterator[RelayRecord]:
    with operator_relay() as record:
        yield record


@asynccontextmanager
async def serving(
    settings: ServingSettings, registry: CollectorRegistry | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    app = application()
    backend = app.state.backend = Backend(settings, ServingMetrics(registry or CollectorRegistry()))
    await backend.start()
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backend") as client:
            yield client
    finally:
        await backend.stop()


@pytest.fixture
async def http(trained: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(ServingSettings(model_directory=trained)) as client:
        yield client


async def predict(http: httpx.AsyncClient, tasks: list[object], label_config: str = LABEL_CONFIG) -> list[dict]:
    answer = await http.post("/predict", json={"tasks": tasks, "label_config": label_config, "project": "1.1"})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_health_at_both_addresses(http: httpx.AsyncClient):
    for path in ("/", "/health"):
        answer = await http.get(path)
        assert answer.json() == {"status": "UP", "model_class": "TextClassifier", "model_version": TRAINED_VERSION}


HTML = {"Accept": "text/html"}


@asynccontextmanager
async def two_projects(folder: Path, trained: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Local mode without a connection: a trained model of project 7, none of project 8."""
    store = Store(folder).project(7)
    copy = folder / "copy"
    shutil.copytree(trained, copy)
    store.add(copy, TRAINED_VERSION)
    store.change(lambda state: state.promoted(Promoted(TRAINED_VERSION, "2026-12-01T10:00:00Z")))
    Store(folder).project(8).hint()
    local = LocalSettings.from_environment({"MODEL_DIR": str(folder)})
    async with serving(ServingSettings(model_directory=folder / "none", local=local)) as client:
        yield client


async def test_health_names_the_version_of_each_of_several_projects(tmp_path: Path, trained: Path):
    async with two_projects(tmp_path, trained) as http:
        cold = (await http.get("/health?project=8")).json()
        assert cold["model_class"] == "ColdStart"
        assert (await http.get("/health?project=7")).json()["model_version"] == TRAINED_VERSION
        answer = (await http.get("/health")).json()
        assert answer == {
            "status": "UP",
            "model_class": "ColdStart, TextClassifier",
            "model_version": None,
            "projects": {
                "7": {"model_class": "TextClassifier", "model_version": TRAINED_VERSION},
                "8": {"model_class": "ColdStart", "model_version": cold["model_version"]},
            },
        }


async def test_the_metrics_name_the_models_that_answer_and_no_others(tmp_path: Path, trained: Path):
    registry = CollectorRegistry()

    def named() -> set[tuple[str, float]]:
        (family,) = [family for family in registry.collect() if family.name == "labelloop_model_info"]
        return {(sample.labels["model_version"], sample.value) for sample in family.samples}

    store = Store(tmp_path).project(7)
    shutil.copytree(trained, tmp_path / "copy")
    store.add(tmp_path / "copy", TRAINED_VERSION)
    store.change(lambda state: state.promoted(Promoted(TRAINED_VERSION, "2026-12-01T10:00:00Z")))
    local = LocalSettings.from_environment({"MODEL_DIR": str(tmp_path)})
    async with serving(ServingSettings(model_directory=tmp_path / "none", local=local), registry):
        assert named() == {(TRAINED_VERSION, 1.0)}


async def test_the_page_of_several_projects_and_of_one(tmp_path: Path, trained: Path):
    async with two_projects(tmp_path, trained) as http:
        overview = (await http.get("/", headers=HTML)).text
        assert "<h1>2 projects</h1>" in overview
        assert TRAINED_VERSION in overview
        assert "not trained yet" in overview
        one = (await http.get("/?project=7", headers=HTML)).text
        assert f"<h1>{TRAINED_VERSION}</h1>" in one
        assert "Nothing is counted or trained: LABEL_STUDIO_API_KEY is not set" in one
        document = (await http.get("/?project=7&format=json")).json()
        assert (document["model_version"], document["project"]) == (TRAINED_VERSION, 7)


@pytest.mark.parametrize("number", ["99", "abc"])
async def test_a_project_that_is_not_there_is_a_404(
    tmp_path: Path, trained: Path, http: httpx.AsyncClient, number: str
):
    async with two_projects(tmp_path, trained) as local:
        for client, remedy in ((local, "Projects of this backend: 7, 8."), (http, "leave ?project= out")):
            for path in ("/", "/health"):
                answer = await client.get(f"{path}?project={number}")
                assert answer.status_code == 404
                assert answer.json()["error"] == f"no project {number}"
                assert remedy in answer.json()["remedy"]
            page = await client.get(f"/?project={number}", headers=HTML)
            assert page.status_code == 404
            assert f"No project {number}" in page.text
            assert remedy in page.text


async def test_a_pod_says_where_trainings_are_to_be_seen(trained: Path, operator: RelayRecord):
    target = RelayTarget(operator.url, "secret")
    async with serving(ServingSettings(model_directory=trained, relay=target)) as http:
        assert "kubectl get lsb" in (await http.get("/", headers=HTML)).text


async def test_addresses_in_the_place_of_texts_are_one_line_in_the_log_and_a_note(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
):
    await predict(http, [task("a text")])
    assert "texts look like addresses" not in (await http.get("/", headers=HTML)).text
    for text in ("/data/local-files?d=test", "https://example.org/1.txt"):
        await predict(http, [task("a text"), task(text)])
    assert [line for line in caplog.messages if "addresses" in line] == [f"Project 1: {ADDRESSES}"]
    assert "texts look like addresses" in (await http.get("/", headers=HTML)).text


async def test_versions_setup_and_predict_agree(http: httpx.AsyncClient):
    assert (await http.get("/versions")).json() == {"versions": [TRAINED_VERSION]}
    setup = await http.post(
        "/setup", json={"schema": LABEL_CONFIG, "project": "1.1", "hostname": "", "access_token": "x"}
    )
    assert setup.json() == {"model_version": TRAINED_VERSION}
    assert [entry["model_version"] for entry in await predict(http, [task("a"), None])] == [TRAINED_VERSION] * 2


@pytest.mark.parametrize("name", ["predict_batch_calls", "predict_on_task_open_calls", "predict_on_label_stream_calls"])
async def test_recorded_calls_are_answered(http: httpx.AsyncClient, name: str):
    for call in json.loads((SAMPLES / f"{name}.json").read_text()):
        answer = await http.request(call["method"], call["path"], json=call["body"])
        assert answer.status_code == 200
        if call["path"] == "/predict":
            assert len(answer.json()["results"]) == len(call["body"]["tasks"])


@pytest.mark.parametrize("count", [0, 1, 33, 600, 5000])
async def test_any_number_of_tasks_is_answered_in_order(http: httpx.AsyncClient, count: int):
    texts = ["invoice charge refund", "parcel late courier", "password reset account"]
    entries = await predict(http, [task(texts[number % 3], number) for number in range(count)])
    labels = [entry["result"][0]["value"]["choices"][0] for entry in entries]
    assert labels == [("billing", "delivery", "login")[number % 3] for number in range(count)]
    assert len({entry["result"][0]["id"] for entry in entries}) == count


@pytest.mark.parametrize("text", ["x" * 1_000_000, "<b>HTML</b> &amp;", "👍🏽🇩🇪", 12345, 1.5, "qqqq", "\x00"])
async def test_unusual_texts_get_an_answer(http: httpx.AsyncClient, text: object):
    (entry,) = await predict(http, [task(text)])
    assert entry["result"][0]["value"]["choices"][0] in {"billing", "delivery", "login"}


@pytest.mark.parametrize("text", [None, "", "  ", [], {}, True])
async def test_no_text_gets_an_entry_without_result(http: httpx.AsyncClient, text: object):
    assert await predict(http, [task(text)]) == [{"model_version": TRAINED_VERSION}]


async def test_an_unsupported_configuration_gets_entries_without_result(http: httpx.AsyncClient):
    assert await predict(http, [task("a")], "<View></View>") == [{"model_version": TRAINED_VERSION}]


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        (b"", "body", "empty"),
        (b'{"tasks": [', "body", "not JSON"),
        (b"\xff\xfe", "body", "not JSON"),
        (b"[]", "body", "a list instead of an object"),
        (b"{}", "tasks", "missing"),
        (b'{"tasks": {}, "label_config": ""}', "tasks", "an object instead of a list"),
        (b'{"tasks": []}', "label_config", "missing"),
        (b'{"tasks": [], "label_config": null}', "label_config", "null instead of a text"),
    ],
)
async def test_an_unusable_predict_request_names_field_and_remedy(
    http: httpx.AsyncClient, body: bytes, field: str, told: str
):
    answer = await http.post("/predict", content=body)
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert told in answer.json()["error"]
    assert answer.json()["remedy"]


@pytest.mark.parametrize("schema", ["", "<View", '<View><Image name="i" value="$i"/></View>', "<!DOCTYPE x><x/>"])
async def test_setup_refuses_a_configuration_it_cannot_answer(http: httpx.AsyncClient, schema: str):
    answer = await http.post("/setup", json={"schema": schema, "project": "1.1"})
    assert answer.status_code == 422
    assert answer.json()["field"] == "schema"
    assert "configuration" in answer.json()["error"]


async def test_a_project_that_is_not_configured_yet_can_be_connected(http: httpx.AsyncClient):
    for schema in ("<View></View>", "<View/>"):
        answer = await http.post("/setup", json={"schema": schema, "project": "1.1"})
        assert (answer.status_code, answer.json()) == (200, {"model_version": TRAINED_VERSION})


@pytest.mark.parametrize("label_config", ["<View><Text", "<!DOCTYPE x><x/>", "no XML"])
async def test_predict_refuses_a_configuration_that_is_no_xml(http: httpx.AsyncClient, label_config: str):
    answer = await http.post("/predict", json={"tasks": [task("a")], "label_config": label_config})
    assert answer.status_code == 422
    assert answer.json()["field"] == "label_config"
    assert "The labelling configuration" in answer.json()["error"]


async def test_an_unknown_path_is_reported_as_json(http: httpx.AsyncClient):
    answer = await http.get("/nothing-here")
    assert (answer.status_code, answer.json()["field"], answer.json()["value"]) == (404, "path", "/nothing-here")


async def test_setup_names_a_missing_schema(http: httpx.AsyncClient):
    answer = await http.post("/setup", json={})
    assert (answer.status_code, answer.json()["field"]) == (400, "schema")


async def test_a_wrong_method_is_a_405_that_names_the_right_one(http: httpx.AsyncClient):
    answer = await http.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert "POST" in answer.json()["remedy"]


async def test_a_damaged_model_keeps_health_up_and_tells_why_elsewhere(tmp_path: Path):
    (tmp_path / "model.json").write_text("{}")
    async with serving(ServingSettings(model_directory=tmp_path)) as http:
        health = await http.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "UP")
        assert "cannot be loaded" in health.json()["problem"]
        for path, body in (
            ("/setup", {"schema": LABEL_CONFIG}),
            ("/predict", {"tasks": [], "label_config": LABEL_CONFIG}),
        ):
            answer = await http.post(path, json=body)
            assert answer.status_code == 503
            assert "cannot be loaded" in answer.json()["error"]
        assert (await http.get("/versions")).json() == {"versions": []}


@pytest.mark.parametrize("name", WEBHOOKS)
async def test_every_recorded_webhook_is_accepted_and_relayed_without_texts(
    trained: Path, operator: RelayRecord, name: str
):
    settings = ServingSettings(model_directory=trained, relay=RelayTarget(operator.url, "s"), webhook_secret="hook")
    calls = json.loads((SAMPLES / name).read_text())
    async with serving(settings) as http:
        for call in calls:
            answer = await http.post("/webhook", json=call["body"], headers={"Authorization": "Bearer hook"})
            assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    told = operator.bodies("hints")
    assert {body["action"] for body in told} == {call["body"]["action"] for call in calls}
    assert all(set(body) == {"action", "authenticated", "annotations"} and body["authenticated"] for body in told)
    assert all(set(item) == {"id", "updated_at"} for body in told for item in body["annotations"])


async def test_hints_without_the_bearer_are_relayed_as_such(trained: Path, operator: RelayRecord):
    settings = ServingSettings(model_directory=trained, relay=RelayTarget(operator.url, "s"), webhook_secret="hook")
    async with serving(settings) as http:
        await http.post("/webhook", json={"action": "ANNOTATION_CREATED"}, headers={"Authorization": "Bearer wrong"})
    assert [body["authenticated"] for body in operator.bodies("hints")] == [False]


async def test_an_event_is_answered_while_the_operator_hangs(trained: Path, operator: RelayRecord):
    operator.gate.clear()
    async with serving(ServingSettings(model_directory=trained, relay=RelayTarget(operator.url, "s"))) as http:
        for _ in range(3):
            assert (await http.post("/webhook", json={"action": "ANNOTATION_CREATED"})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"1", b'"x"', b"{}", b'{"action": null}', b'{"action": "ANNOTATION_CREATED", "annotation": [[]]}'],
)
async def test_rubbish_at_the_webhook_is_a_2xx(http: httpx.AsyncClient, body: bytes):
    answer = await http.post("/webhook", content=body)
    assert answer.status_code == 200
    assert answer.json()["status"] in {"ignored", "accepted"}


async def test_malformed_json_at_the_webhook_is_a_400(http: httpx.AsyncClient):
    answer = await http.post("/webhook", content=b'{"action": ')
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]


async def test_start_training_is_answered_after_the_operators_word(trained: Path, operator: RelayRecord):
    (call,) = json.loads((SAMPLES / "start_training_call.json").read_text())
    async with serving(ServingSettings(model_directory=trained, relay=RelayTarget(operator.url, "s"))) as http:
        answer = await http.post("/webhook", json=call["body"])
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
        assert "job" not in answer.json()
        operator.status, operator.answer = 409, {"reason": "Suspended", "message": "spec.suspend is true"}
        refused = await http.post("/webhook", json=call["body"])
    assert refused.status_code == 503
    assert "spec.suspend is true" in refused.json()["error"]
    assert len(operator.bodies("train")) == 2


async def test_start_training_without_operator_says_so(http: httpx.AsyncClient):
    answer = await http.post("/webhook", json={"action": "START_TRAINING"})
    assert (answer.status_code, answer.json()["field"]) == (503, "LABEL_STUDIO_API_KEY")


async def test_metrics_count_predictions_events_and_the_model(trained: Path):
    registry = CollectorRegistry()
    async with serving(ServingSettings(model_directory=trained), registry) as http:
        await predict(http, [task("a"), task(None)])
        await http.post("/webhook", json={"action": "ANNOTATION_CREATED"})
        await http.post("/webhook", json={"action": "an address that changes each time"})
    assert registry.get_sample_value("labelloop_predictions_total", {"result": "yes"}) == 1
    assert registry.get_sample_value("labelloop_predictions_total", {"result": "no"}) == 1
    assert registry.get_sample_value("labelloop_predict_tasks_sum") == 2
    assert registry.get_sample_value("labelloop_webhook_events_total", {"action": "ANNOTATION_CREATED"}) == 1
    assert registry.get_sample_value("labelloop_webhook_events_total", {"action": "ignored"}) == 1
    model = {"model_version": TRAINED_VERSION, "model_class": "TextClassifier"}
    assert registry.get_sample_value("labelloop_model_info", model) == 1
    assert registry.get_sample_value("labelloop_ready") == 1
