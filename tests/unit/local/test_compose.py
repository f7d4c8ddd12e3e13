"""examples/local/compose.yaml says what the parts understand; no engine runs it here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from labelloop.diagnosis import webhook_is_possible
from labelloop.local.settings import LocalSettings
from labelloop.serving.settings import ServingSettings

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
    told = (ROOT / "docs/local.md").read_text()
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
