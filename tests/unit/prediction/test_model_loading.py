import json
from pathlib import Path

import pytest
from tests.support.serving_models import LABEL_CONFIG, TRAINED_VERSION, FixedModel, task, train

from labelloop.datasets.split import position
from labelloop.label_config.schema import parse_label_config
from labelloop.prediction.model_loading import load_serving
from labelloop.prediction.model_settings import BlindHoldout
from labelloop.prediction.predictor import Predictor
from labelloop.prediction.self_check import self_check
from labelloop.serving.serving_settings import ServingSettings


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    train(directory)
    return directory


def test_a_trained_model_is_loaded_and_ready(trained: Path):
    serving = load_serving(ServingSettings(model_directory=trained, expected_version=TRAINED_VERSION))
    assert serving.problem is None
    assert (serving.version, serving.model_class) == (TRAINED_VERSION, "TextClassifier")
    (entry,) = serving.predictor.predict([task("my password does not work")], parse_label_config(LABEL_CONFIG))
    assert entry["result"][0]["value"]["choices"] == ["login"]


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_or_missing_folder_means_not_trained_yet(tmp_path: Path, exists: bool):
    folder = tmp_path if exists else tmp_path / "missing"
    serving = load_serving(ServingSettings(model_directory=folder))
    assert serving.problem is None
    assert serving.model_class == "ColdStart"
    assert serving.version.startswith("cold-")


def test_the_log_names_a_folder_only_when_the_model_comes_from_it(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "labelloop")
    load_serving(ServingSettings(model_directory=trained))
    assert caplog.messages[-1] == f"Serving {TRAINED_VERSION} (TextClassifier, folder {trained})"
    load_serving(ServingSettings(model_directory=tmp_path / "missing"), is_fallback=True)
    told = caplog.messages[-1]
    assert told.startswith("Projects without a trained model get cold-")
    assert told.endswith(" (ColdStart, not trained)")


def test_a_cold_version_from_the_operator_is_adopted(tmp_path: Path):
    serving = load_serving(ServingSettings(model_directory=tmp_path, expected_version="cold-aaaaaaaaaaaa"))
    assert (serving.version, serving.problem) == ("cold-aaaaaaaaaaaa", None)


def test_another_version_than_expected_is_served_but_not_ready(trained: Path):
    serving = load_serving(ServingSettings(model_directory=trained, expected_version="model-ffffffffffff"))
    assert serving.version == TRAINED_VERSION
    assert "model-ffffffffffff" in serving.problem
    assert TRAINED_VERSION in serving.problem


def test_no_model_where_one_is_expected_is_not_ready(tmp_path: Path):
    serving = load_serving(ServingSettings(model_directory=tmp_path, expected_version="model-ffffffffffff"))
    assert "no model is loaded" in serving.problem


@pytest.mark.parametrize("damage", ["truncate", "not json", "unknown kind", "arrays missing", "stray file"])
def test_a_damaged_model_is_a_problem_with_a_remedy_and_no_crash(trained: Path, tmp_path: Path, damage: str):
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    document = tmp_path / "model.json"
    if damage == "truncate":
        (tmp_path / "arrays.npz").write_bytes((tmp_path / "arrays.npz").read_bytes()[:100])
    elif damage == "not json":
        document.write_text("{")
    elif damage == "unknown kind":
        document.write_text(json.dumps({**json.loads(document.read_text()), "kind": "pickle"}))
    elif damage == "arrays missing":
        (tmp_path / "arrays.npz").unlink()
    else:
        document.unlink()
    serving = load_serving(ServingSettings(model_directory=tmp_path))
    assert serving.predictor is None
    assert serving.version is None
    assert str(tmp_path) in serving.problem
    assert "\n" not in serving.problem


def test_a_file_where_the_folder_should_be_is_a_problem(tmp_path: Path):
    path = tmp_path / "model"
    path.write_text("")
    serving = load_serving(ServingSettings(model_directory=path))
    assert "LABELLOOP_MODEL_DIR" in serving.problem


def test_the_self_check_refuses_models_that_answer_nonsense():
    assert self_check(Predictor("v", FixedModel({"label": {"a": 0.5, "b": 0.5}}))) is None
    assert "no valid answers" in self_check(Predictor("v", FixedModel({"label": {"a": float("nan"), "b": 0.5}})))


def test_the_self_check_refuses_models_that_fail():
    class Failing(FixedModel):
        def probabilities(self, control, texts):
            raise MemoryError

    assert "MemoryError" in self_check(Predictor("v", Failing({"label": {"a": 0.5, "b": 0.5}})))


def test_a_blind_holdout_says_nothing_about_texts_that_will_measure_the_next_model(trained: Path):
    texts = [f"where is parcel number {number}" for number in range(200)]
    blind = ServingSettings(model_directory=trained, blind=BlindHoldout(project=7, fraction=0.2))
    serving = load_serving(blind)
    assert serving.problem is None
    assert serving.predictor is not None
    entries = serving.predictor.predict([{"data": {"text": text}} for text in texts], parse_label_config(LABEL_CONFIG))

    silent = {text for text, entry in zip(texts, entries, strict=True) if "result" not in entry}
    assert silent == {text for text in texts if position(text, "7") < 0.2}
    assert 20 < len(silent) < 60
