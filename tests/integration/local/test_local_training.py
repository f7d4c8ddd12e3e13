"""Local mode as a process next to the fake Label Studio: counts, trains, serves several projects."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import CONFIG, TOKEN, FakeLabelStudio
from tests.integration.serving.conftest import Server, serve
from tests.support.waiting import eventually

from labelloop.local.version_store import ProjectStore, Store

PATIENCE = 300.0
CREATED_AT = "2026-11-22T05:00:00.000000Z"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        yield fake


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def server(fake: FakeLabelStudio, folder: Path) -> Iterator[Server]:
    """With the variables of the sklearn example."""
    variables = {
        "LABEL_STUDIO_HOST": fake.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "START_TRAINING_EACH_N_UPDATES": "2",
        "LOGISTIC_REGRESSION_C": "5",
        "MODEL_DIR": str(folder / "models"),
        "LABELLOOP_BACKOFF_SECONDS": "0.5",
    }
    with serve(folder, variables) as server:
        yield server


def key(project: int) -> str:
    return f"{project}.1795323600"


def setup(server: Server, project: int, label_config: str = CONFIG) -> str:
    answer = server.call("POST", "/setup", json={"schema": label_config, "project": key(project)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model_version"])


def predict(server: Server, project: int, text: str) -> dict:
    body = {"tasks": [{"id": 1, "data": {"text": text}}], "label_config": CONFIG, "project": key(project)}
    return server.call("POST", "/predict", json=body).json()["results"][0]


def event(server: Server, project: int, action: str = "ANNOTATION_CREATED") -> requests.Response:
    return server.call(
        "POST", "/webhook", json={"action": action, "project": {"id": project, "created_at": CREATED_AT}}
    )


def trained(server: Server, folder: Path, project: int, before: str) -> str:
    """The version after `before`, served."""
    eventually(lambda: store(folder, project).read().current not in (None, before), PATIENCE, server.told)
    eventually(lambda: setup(server, project) != before, PATIENCE, server.told)
    return setup(server, project)


def store(folder: Path, project: int) -> ProjectStore:
    return Store(folder / "models").project(project)


def test_after_the_nth_update_predictions_change(server: Server, fake: FakeLabelStudio, folder: Path):
    fake.add_project(1, 0)
    cold = setup(server, 1)
    assert cold.startswith("cold-")
    fake.add_labelled(1, "qwertz", "login")
    assert event(server, 1).status_code == 200
    fake.add_labelled(1, "uiopue", "billing")
    assert event(server, 1).status_code == 200
    version = trained(server, folder, 1, cold)
    entry = predict(server, 1, "qwertz")
    assert entry["model_version"] == version
    assert entry["result"][0]["value"]["choices"] == ["login"]
    assert predict(server, 1, "uiopue")["result"][0]["value"]["choices"] == ["billing"]
    assert store(folder, 1).read().cut.size == 2
    assert version in server.call("GET", "/versions").json()["versions"]


def test_start_training_trains_below_n_updates(server: Server, fake: FakeLabelStudio, folder: Path):
    fake.add_project(2, 0)
    before = setup(server, 2)
    fake.add_labelled(2, "parcel", "login")
    fake.add_labelled(2, "invoice", "billing")
    event(server, 2)
    before = trained(server, folder, 2, before)
    fake.add_labelled(2, "another", "billing")
    answer = event(server, 2, "START_TRAINING")
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    trained(server, folder, 2, before)
    assert store(folder, 2).read().cut.size == 3


def test_two_projects_have_models_of_their_own(server: Server, fake: FakeLabelStudio, folder: Path):
    for project, one, two in ((3, "login", "billing"), (4, "billing", "login")):
        fake.add_project(project, 0)
        cold = setup(server, project)
        fake.add_labelled(project, "red red red", one)
        fake.add_labelled(project, "blue blue blue", two)
        event(server, project)
    for project in (3, 4):
        trained(server, folder, project, cold)
    assert predict(server, 3, "red red red")["result"][0]["value"]["choices"] == ["login"]
    assert predict(server, 4, "red red red")["result"][0]["value"]["choices"] == ["billing"]


def test_a_training_that_cannot_read_is_told_tried_again_and_disturbs_nobody(
    server: Server, fake: FakeLabelStudio, folder: Path
):
    fake.add_project(5, 0)
    cold = setup(server, 5)
    fake.add_labelled(5, "red", "login")
    fake.add_labelled(5, "blue", "billing")
    fake.broken = 503
    try:
        event(server, 5, "START_TRAINING")
        eventually(lambda: store(folder, 5).read().failures, PATIENCE, server.told)
        last = store(folder, 5).read().last
        assert last is not None
        assert (last.outcome, last.reason) == ("Failed", "LabelStudioUnreachable")
        assert setup(server, 5) == cold
        assert predict(server, 5, "billing")["model_version"] == cold
        assert event(server, 5).status_code == 200
    finally:
        fake.broken = None
    trained(server, folder, 5, cold)
    assert store(folder, 5).read().failures == 0


def test_too_few_labels_is_a_result_and_the_next_count_starts_there(
    server: Server, fake: FakeLabelStudio, folder: Path
):
    fake.add_project(6, 0)
    setup(server, 6)
    fake.add_labelled(6, "red", "login")
    fake.add_labelled(6, "red", "login")
    event(server, 6)
    eventually(lambda: store(folder, 6).read().cut.size == 2, PATIENCE, server.told)
    last = store(folder, 6).read().last
    assert last is not None
    assert (last.outcome, last.reason) == ("NotEnoughData", "TooFewLabels")
    assert setup(server, 6).startswith("cold-")


def test_nothing_secret_and_no_text_is_logged(server: Server):
    told = server.told()
    assert TOKEN not in told
    assert "qwertz" not in told
    assert "Traceback" not in told
