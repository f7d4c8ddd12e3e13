"""The routes with a custom model behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.support.custom_models import IMAGE_CONFIG, MODULE, ROOT, VERSION, stored
from tests.support.serving_models import LABEL_CONFIG, train
from tests.support.waiting import PATIENCE

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.serving.backend import Backend
from labelloop.serving.routes import application
from labelloop.serving.serving_metrics import ServingMetrics
from labelloop.serving.serving_settings import ServingSettings


@asynccontextmanager
async def serving(folder: Path, name: str = "Obedient") -> AsyncIterator[tuple[httpx.AsyncClient, Backend]]:
    wanted = CustomModelSettings(f"{MODULE}:{name}", load_seconds=PATIENCE)
    app = application()
    settings = ServingSettings(model_directory=folder, own=wanted)
    backend = app.state.backend = Backend(settings, ServingMetrics(CollectorRegistry()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backend") as client:
        yield client, backend


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def body(*orders: str) -> dict[str, object]:
    tasks = [{"id": n, "data": {"image": f"http://pictures/{n}.png", "do": do}} for n, do in enumerate(orders, 1)]
    return {"tasks": tasks, "label_config": IMAGE_CONFIG, "project": "1.1", "params": {"context": None}}


async def test_label_studio_gets_predictions_and_health_tells_faults(tmp_path: Path) -> None:
    async with serving(stored(tmp_path)) as (http, backend):
        assert backend.serving.problem is None
        answer = await http.post("/setup", json={"schema": IMAGE_CONFIG, "project": "1.1"})
        assert answer.json() == {"model_version": VERSION}
        healthy = (await http.get("/health")).json()
        assert healthy == {"status": "UP", "model_class": "Obedient", "model_version": VERSION}

        results = (await http.post("/predict", json=body("", "raise"))).json()["results"]
        assert results[0]["result"][0]["value"] == {"choices": ["plane"]}
        assert "result" not in results[1]
        assert "fails with ValueError" in results[1]["error"]
        told = (await http.get("/health")).json()
        assert told["status"] == "UP"
        assert "fails with ValueError" in told["last_fault"]["message"]

        refused = await http.post("/setup", json={"schema": LABEL_CONFIG, "project": "1.1"})
        assert refused.status_code == 422
        assert "<Image>" in refused.text
        page = await http.get("/", headers={"accept": "text/html"})
        assert VERSION in page.text


async def test_before_a_training_the_version_is_the_models_own(tmp_path: Path) -> None:
    async with serving(tmp_path / "none", "Untrained") as (http, _):
        (entry,) = (await http.post("/predict", json=body(""))).json()["results"]
        assert entry["model_version"] == "fixed-1"
        assert entry["result"][0]["value"] == {"choices": ["plane"]}


async def test_a_model_that_cannot_be_loaded_is_not_ready_and_says_why(tmp_path: Path) -> None:
    train(tmp_path)  # a text classifier's files
    async with serving(tmp_path) as (http, backend):
        assert "LABELLOOP_MODEL_CLASS" in (backend.serving.problem or "")
        assert (await http.get("/health")).json()["problem"] == backend.serving.problem
