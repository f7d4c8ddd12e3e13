"""examples/local/compose.yaml says what the parts understand; no engine runs it here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelloop.cli.diagnosis import webhook_is_possible
from labelloop.local.local_settings import LocalSettings
from labelloop.serving.serving_settings import ServingSettings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/local"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load((EXAMPLE / "compose.yaml").read_text())["services"]


def environment(service: dict[str, Any]) -> dict[str, str]:
    """As compose fills it in when nothing is set on the machine."""
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for name, value in service["environment"].items()}


def test_the_backend_takes_its_settings(services: dict[str, Any], tmp_path: Path):
    variables = environment(services["backend"]) | {"MODEL_DIR": str(tmp_path)}
    settings = LocalSettings.from_environment(variables)
    assert settings.unconfigured is None
    assert settings.credentials is not None
    assert settings.credentials.url == "http://label-studio:8080"
    assert settings.credentials.token == environment(services["label-studio"])["LABEL_STUDIO_USER_TOKEN"]
    assert ServingSettings.from_environment(variables).port == 9090
    assert services["backend"]["command"] == ["python", "-m", "labelloop", "serve"]
    assert services["backend"]["ports"] == ["9090:9090"]


def test_every_setting_of_the_example_is_documented(services: dict[str, Any]):
    told = (ROOT / "docs/user/local.md").read_text()
    own = {"HOME", "BENTOML_HOME"}  # of the image
    assert {name for name in services["backend"]["environment"] if f"`{name}`" not in told} <= own


def test_models_outlive_the_container_and_are_the_users(services: dict[str, Any]):
    backend = services["backend"]
    assert f"./models:{backend['environment']['MODEL_DIR']}" in backend["volumes"]
    assert "BACKEND_USER" in backend["user"]
    assert "BACKEND_USER=" in (EXAMPLE / "README.md").read_text()


def test_label_studio_reaches_the_backend_and_makes_a_webhook_for_it(services: dict[str, Any]):
    (alias,) = services["backend"]["networks"]["default"]["aliases"]
    assert webhook_is_possible(f"http://{alias}:9090")
    opened = environment(services["label-studio"])
    assert opened["LABEL_STUDIO_ML_BLOCK_LOCAL_IP"] == opened["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] == "false"


SKLEARN_EXAMPLE = {
    "LOGISTIC_REGRESSION_C": "10",
    "LABEL_STUDIO_HOST": "http://localhost:8080",
    "LABEL_STUDIO_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "START_TRAINING_EACH_N_UPDATES": "10",
    "BASIC_AUTH_USER": "",
    "BASIC_AUTH_PASS": "",
    "LOG_LEVEL": "DEBUG",
    "ANY": "PARAMETER",
    "WORKERS": "1",
    "THREADS": "8",
    "PORT": "9090",
}
"""The environment of label-studio-ml-backend's example, as its compose file and Dockerfile have it; MODEL_DIR apart."""


def test_the_environment_of_the_sklearn_example_is_taken_as_it_is(tmp_path: Path):
    settings = ServingSettings.from_environment(SKLEARN_EXAMPLE | {"MODEL_DIR": str(tmp_path)})
    assert (settings.port, settings.workers, settings.threads, settings.log_level) == (9090, 1, 8, "DEBUG")
    assert settings.basic_auth is None
    assert settings.local is not None
    assert (settings.local.updates_per_training, settings.local.directory) == (10, tmp_path)


def test_the_page_for_those_who_come_from_there_names_every_setting():
    told = (ROOT / "docs/user/migrate-from-label-studio-ml.md").read_text()
    others = ["MODEL_DIR", "LABEL_STUDIO_URL", "ML_SERVER_BASIC_AUTH_USER", "ML_SERVER_BASIC_AUTH_PASS", "TEST_ENV"]
    assert [name for name in (*SKLEARN_EXAMPLE, *others) if f"`{name}" not in told] == []
