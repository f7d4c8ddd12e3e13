"""Local mode with a custom model: trained, loaded, and kept when a later training fails."""

import json
from pathlib import Path

import pytest
from tests.support.custom_models import IMAGE_CONFIG, MODULE, ROOT
from tests.support.waiting import PATIENCE
from tests.unit.custom_model.test_training import images
from tests.unit.training.annotated import TOKEN, label_studio

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.local import training_process
from labelloop.local.predictors import load
from labelloop.local.version_store import Store
from labelloop.prediction.custom_predictor import CustomPredictor

CLASS = f"{MODULE}:Obedient"


def train(folder: Path, count: int, **parameters: str) -> int:
    with label_studio(images(count), IMAGE_CONFIG) as url:
        variables = {
            "MODEL_DIR": str(folder),
            "LABEL_STUDIO_URL": url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "LABELLOOP_PROJECT": "7",
            "LABELLOOP_ATTEMPT": str(count),
            "LABELLOOP_MODEL_CLASS": CLASS,
            "LABELLOOP_PARAMETERS": json.dumps(parameters),
        }
        return training_process.main(variables)


def test_a_failed_training_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(tmp_path, 60) == 0
    store = Store(tmp_path).project(7)
    version = store.read().current
    assert version is not None

    assert train(tmp_path, 70, do="raise") == 1
    state = store.read()
    assert state.current == version
    assert state.last is not None
    assert (state.last.outcome, state.last.reason) == ("Failed", "ModelFailed")
    assert "Obedient.fit failed with ValueError" in state.last.message

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    loaded = load(store, version, CustomModelSettings(CLASS, load_seconds=PATIENCE))
    assert isinstance(loaded, CustomPredictor)
    (entry,) = loaded.answer([{"id": 1, "data": {"image": "http://pictures/1.png"}}], IMAGE_CONFIG)
    loaded.close()
    assert (entry["model_version"], entry["result"][0]["value"]) == (version, {"choices": ["car"]})
    assert load(store, version) is None  # the text classifier cannot read it
