"""The role `batch-predict` against a fake Label Studio: what is stored afterwards, and how failures are reported."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import CONFIG, TOKEN, FakeLabelStudio, Prediction, Project
from tests.support.custom_models import IMAGE_CONFIG, MODULE
from tests.support.custom_models import stored as stored_custom_model
from tests.support.serving_models import TRAINED_VERSION, train

from labelloop.batch_prediction import writing
from labelloop.batch_prediction.job import main, run
from labelloop.label_studio import Credentials
from labelloop.label_studio.client import LabelStudioClient
from labelloop.label_studio.task_api import unlabelled_tasks
from labelloop.prediction.model_loading import load_serving
from labelloop.serving.serving_settings import ServingSettings
from labelloop.training.result import Result

OLD, OLDER = "model-0000000000aa", "cold-0000000000bb"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train(folder, CONFIG)
    return folder


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    with label_studio() as fake:
        add_texts(fake, 30)
        yield fake


def add_texts(fake: FakeLabelStudio, number: int) -> Project:
    project = fake.add_project(7, number)
    words = ("invoice refund", "password account")
    for place, task in enumerate(project.tasks.values()):
        task.text = f"{words[place % 2]} {place}"
    return project


def variables(fake: FakeLabelStudio, model: Path, **more: str) -> dict[str, str]:
    return {
        "LABEL_STUDIO_URL": fake.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "LABELLOOP_PROJECT": "7",
        "LABELLOOP_MODEL_DIR": str(model),
        "LABELLOOP_MODEL_VERSION": TRAINED_VERSION,
    } | more


def predict(fake: FakeLabelStudio, model: Path, **more: str) -> Result:
    return run(variables(fake, model, **more), pause=lambda _seconds: None)


def figures(result: Result) -> tuple[int | None, ...]:
    assert result.outcome == "Predicted", result.message
    return result.written, result.removed, result.tasks


def store(fake: FakeLabelStudio, version: str, tasks: int = 30) -> None:
    """Predictions of another version on the first tasks."""
    for task in [*fake.projects[7].tasks.values()][:tasks]:
        task.predictions.append(Prediction(next(fake._ids), version, fake._tick(), 0.5, []))


def versions(fake: FakeLabelStudio) -> dict[str, int]:
    return fake.projects[7].versions()


def test_every_unlabelled_task_gets_what_serving_answers(fake: FakeLabelStudio, model: Path):
    fake.annotate(7, 3)
    fake.annotate(7, 4, skipped=True)
    result = predict(fake, model)
    assert figures(result) == (26, 0, 26)
    assert (
        result.message
        == f"wrote 26 predictions of {TRAINED_VERSION} for 26 unlabelled tasks; removed 0 of older versions"
    )
    predictor = load_serving(ServingSettings(model_directory=model)).predictor
    with LabelStudioClient(Credentials(fake.url, TOKEN)) as client:
        tasks = client.run(unlabelled_tasks(7))
    from labelloop.label_config.schema import parse_label_config

    expected = predictor.predict([{"data": task.data} for task in tasks], parse_label_config(CONFIG))
    for task, entry in zip(tasks, expected, strict=True):
        (made,) = fake.projects[7].tasks[task.id].predictions
        assert (made.score, made.model_version) == (entry["score"], TRAINED_VERSION)
        assert made.result == entry["result"]


def test_a_second_run_writes_what_is_missing(fake: FakeLabelStudio, model: Path):
    predict(fake, model)
    for task in [*fake.projects[7].tasks.values()][5:8]:
        task.predictions.clear()
    result = predict(fake, model)
    assert figures(result) == (3, 0, 30)
    assert "27 were there already" in result.message
    assert versions(fake) == {TRAINED_VERSION: 30}


def test_the_lowest_ids_get_predictions_up_to_the_limit_however_often_it_runs(fake: FakeLabelStudio, model: Path):
    for written in (12, 0):
        result = predict(fake, model, LABELLOOP_PREDICTIONS_LIMIT="12")
        assert figures(result) == (written, 0, 30)
        assert "(limit 12)" in result.message
    tasks = [*fake.projects[7].tasks.values()]
    assert [bool(task.predictions) for task in tasks] == [True] * 12 + [False] * 18


def test_all_tasks_when_wanted_and_blank_ones_never(fake: FakeLabelStudio, model: Path):
    fake.annotate(7, 3)
    [*fake.projects[7].tasks.values()][9].text = "  "
    assert figures(predict(fake, model, LABELLOOP_PREDICTIONS_SCOPE="All")) == (29, 0, 30)


def test_nothing_is_asked_with_scope_none(fake: FakeLabelStudio, model: Path):
    assert figures(predict(fake, model, LABELLOOP_PREDICTIONS_SCOPE="None")) == (0, None, None)
    assert not fake.calls


def test_versions_that_are_too_old_are_removed_and_prelabelling_stays_on(fake: FakeLabelStudio, model: Path):
    fake.backends[1] = {"id": 1, "project": 7, "title": TRAINED_VERSION, "url": "http://backend"}
    fake.projects[7].model_version = TRAINED_VERSION
    for version in ("imported", OLDER, OLD):
        store(fake, version)
    result = predict(fake, model)
    assert figures(result) == (30, 30, 30)
    assert "removed 30 of older versions" in result.message
    assert versions(fake) == {"imported": 30, OLD: 30, TRAINED_VERSION: 30}
    assert fake.projects[7].model_version == TRAINED_VERSION
    assert figures(predict(fake, model, LABELLOOP_PREDICTIONS_KEEP_VERSIONS="1")) == (0, 30, 30)
    assert versions(fake) == {"imported": 30, TRAINED_VERSION: 30}


def test_a_release_that_cannot_remove_versions_leaves_them(fake: FakeLabelStudio, model: Path):
    async def without(request: web.Request, carry_out: Callable[[], Awaitable[web.StreamResponse]]):
        if "model-versions" in request.path:
            return web.Response(status=404, text="<html>", content_type="text/html")
        return await carry_out()

    store(fake, OLDER)
    store(fake, OLD)
    fake.interceptor = without
    result = predict(fake, model)
    assert figures(result) == (30, 0, 30)
    assert "predictions of older versions are still there: " in result.message


def test_tasks_deleted_meanwhile_do_not_stop_the_others(fake: FakeLabelStudio, model: Path):
    async def delete_first(request: web.Request, carry_out: Callable[[], Awaitable[web.StreamResponse]]):
        if request.path.endswith("/import/predictions") and len(fake.projects[7].tasks) == 30:
            for task in [*fake.projects[7].tasks][3:6]:
                del fake.projects[7].tasks[task]
        return await carry_out()

    fake.interceptor = delete_first
    result = predict(fake, model)
    assert figures(result) == (27, 0, 30)
    assert versions(fake) == {TRAINED_VERSION: 27}


def test_predictions_that_label_studio_drops_are_counted(fake: FakeLabelStudio, model: Path):
    async def changed(request: web.Request, carry_out: Callable[[], Awaitable[web.StreamResponse]]):
        if request.path.endswith("/import/predictions"):
            fake.projects[7].label_config = CONFIG.replace("login", "access")
        return await carry_out()

    fake.interceptor = changed
    result = predict(fake, model)
    dropped = 30 - (result.written or 0)
    assert dropped > 0
    assert f"Label Studio dropped {dropped}, which do not fit" in result.message


def test_large_projects_are_read_and_written_in_parts(
    fake: FakeLabelStudio, model: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writing, "PAGE_SIZE", 7)
    monkeypatch.setattr(writing, "CHUNK", 10)
    assert figures(predict(fake, model)) == (30, 0, 30)
    assert versions(fake) == {TRAINED_VERSION: 30}
    assert max(Counter(len(task.predictions) for task in fake.projects[7].tasks.values())) == 1


def test_annotators_get_as_much_of_label_studio_as_the_run(fake: FakeLabelStudio, model: Path):
    pauses: list[float] = []
    run(variables(fake, model), pause=pauses.append)
    assert pauses
    assert all(0 < pause <= writing.LONGEST_PAUSE for pause in pauses)


def test_another_version_in_the_image_is_a_failure(fake: FakeLabelStudio, model: Path):
    result = predict(fake, model, LABELLOOP_MODEL_VERSION=OLD)
    assert (result.outcome, result.reason, result.exit_code) == ("Failed", "ModelFailed", 1)
    assert OLD in result.message
    assert not fake.calls


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"LABEL_STUDIO_API_KEY": "x" * 40}, "LabelStudioUnauthorized"),
        ({"LABELLOOP_PROJECT": "99"}, "ProjectNotFound"),
        ({"LABEL_STUDIO_URL": "http://127.0.0.1:9"}, "LabelStudioUnreachable"),
        ({"LABELLOOP_PREDICTIONS_SCOPE": "Some"}, "Unknown"),
        ({"LABELLOOP_MODEL_VERSION": ""}, "ModelFailed"),
        ({"LABELLOOP_PROJECT": ""}, "ProjectNotFound"),
    ],
)
def test_failures_have_the_reasons_of_a_training(fake: FakeLabelStudio, model: Path, more: dict[str, str], reason: str):
    result = predict(fake, model, **more)
    assert (result.outcome, result.reason) == ("Failed", reason)
    assert TOKEN not in result.message


def test_an_unsupported_labelling_configuration_is_reported(fake: FakeLabelStudio, model: Path):
    fake.projects[7].label_config = "<View/>"
    assert predict(fake, model).reason == "LabelConfigUnsupported"


def test_label_studio_failing_midway_leaves_what_is_written(
    fake: FakeLabelStudio, model: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writing, "CHUNK", 10)

    async def fail_second(request: web.Request, carry_out: Callable[[], Awaitable[web.StreamResponse]]):
        if request.path.endswith("/import/predictions") and versions(fake):
            return web.json_response({"detail": "starting"}, status=503)
        return await carry_out()

    fake.interceptor = fail_second
    result = predict(fake, model)
    assert (result.reason, result.written) == ("LabelStudioUnreachable", 10)
    fake.interceptor = None
    assert figures(predict(fake, model)) == (20, 0, 30)


def test_the_termination_message_is_the_result(fake: FakeLabelStudio, model: Path, tmp_path: Path):
    log = tmp_path / "termination-log"
    assert main(variables(fake, model, LABELLOOP_TERMINATION_LOG=str(log))) == 0
    left = Result.from_json(log.read_bytes())
    assert (left.outcome, left.reason, left.version) == ("Predicted", "Predicted", TRAINED_VERSION)
    assert figures(left) == (30, 0, 30)


@pytest.fixture
def custom(fake: FakeLabelStudio, tmp_path: Path) -> dict[str, str]:
    """Variables for a custom model that obeys its tasks."""
    fake.projects[7].label_config = IMAGE_CONFIG
    fake.data_of = lambda task: {"image": "http://images.example/1.png", "do": task.text}
    for task in fake.projects[7].tasks.values():
        task.text = ""
    given = {"LABELLOOP_MODEL_CLASS": f"{MODULE}:Obedient", "LABELLOOP_PREDICT_SECONDS": "20"}
    return variables(fake, stored_custom_model(tmp_path), **given)


def test_a_custom_model_is_asked_as_in_serving(fake: FakeLabelStudio, custom: dict[str, str]):
    result = run(custom, pause=lambda _seconds: None)
    assert figures(result) == (30, 0, 30)
    stored = fake.projects[7].stored()[TRAINED_VERSION]
    assert {(item.score, item.result[0]["value"]["choices"][0]) for item in stored} == {(0.9, "plane")}


def test_a_custom_model_that_fails_on_every_task_is_a_failure(fake: FakeLabelStudio, custom: dict[str, str]):
    for task in fake.projects[7].tasks.values():
        task.text = "raise"
    result = run(custom, pause=lambda _seconds: None)
    assert (result.outcome, result.reason) == ("Failed", "ModelFailed")
    assert versions(fake) == {}
