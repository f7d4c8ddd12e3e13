"""What docs/user/local.md, the migration guide and the compose file promise about settings and commands."""

import re
from pathlib import Path

import pytest
import yaml
from tests.support.command_line import run

from labelloop.local.local_settings import LocalSettings
from labelloop.serving.serving_settings import ServingSettings

ROOT = Path(__file__).parents[3]
LOCAL, MIGRATION = (ROOT / "docs" / "user" / name for name in ("local.md", "migrate-from-label-studio-ml.md"))
SKLEARN_EXAMPLE = [
    "LABEL_STUDIO_HOST",
    "LABEL_STUDIO_API_KEY",
    "START_TRAINING_EACH_N_UPDATES",
    "LOGISTIC_REGRESSION_C",
    "MODEL_DIR",
    "BASIC_AUTH_USER",
    "BASIC_AUTH_PASS",
    "LOG_LEVEL",
    "WORKERS",
    "THREADS",
]


def commands_in(path: Path) -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.parametrize("line", commands_in(LOCAL))
def test_the_commands_of_the_page_run(line: str):
    name, *arguments = line.split()
    assert name == "labelloop"
    assert run(*arguments).returncode == 0


@pytest.mark.parametrize("page", [LOCAL, MIGRATION])
def test_every_setting_of_the_sklearn_example_is_told(page: Path):
    assert [name for name in SKLEARN_EXAMPLE if f"`{name}`" not in page.read_text()] == []


def test_every_variable_that_local_mode_reads_is_told():
    library = ROOT / "bento_service/labelloop"
    sources = [*(library / "local").glob("*.py"), library / "batch_prediction/settings.py"]
    read = {
        name for path in sources for name in re.findall(r'"((?:LABELLOOP|LABEL_STUDIO)_[A-Z_]+)"', path.read_text())
    }
    internal = {"LABELLOOP_" + name for name in ("ATTEMPT", "REQUEST", "PROJECT", "WORK_DIR", "TERMINATION_LOG")}
    internal |= {"LABELLOOP_ACTIVE_VERSION", "LABELLOOP_WEBHOOK_SECRET", "LABELLOOP_MODEL_VERSION"}
    assert [name for name in sorted(read - internal) if f"`{name}`" not in LOCAL.read_text()] == []


def test_the_compose_file_gives_settings_that_work(tmp_path: Path):
    compose = yaml.safe_load((ROOT / "examples/local/compose.yaml").read_text())
    given = compose["services"]["backend"]["environment"]
    variables = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for name, value in given.items()}
    assert set(SKLEARN_EXAMPLE) <= set(variables)
    settings = ServingSettings.from_environment({**variables, "MODEL_DIR": str(tmp_path)})
    assert isinstance(settings.local, LocalSettings)
    assert settings.local.warnings() == []
    label_studio = compose["services"]["label-studio"]["environment"]
    assert label_studio["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] == "false"
