"""What `bentoml build` makes of bentofile.yaml."""

import subprocess
import sys
from pathlib import Path

import yaml
from tests.integration.serving.conftest import ROOT


def test_the_bento_holds_the_library_and_nothing_else(bento: Path):
    files = {str(path.relative_to(bento / "src")) for path in (bento / "src").rglob("*") if path.is_file()}
    assert {"bento_service/service.py", "bento_service/labelloop/cli/__init__.py"} <= files
    assert all(name.startswith("bento_service/") or name == "bentofile.yaml" for name in files)
    library = {str(path.relative_to(ROOT)) for path in (ROOT / "bento_service" / "labelloop").rglob("*.py")}
    assert library <= files


def test_the_image_comes_from_the_named_base_without_distribution_packages(bento: Path):
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "FROM labelloop/base:test" in dockerfile
    assert "apt-get" not in dockerfile


def test_requirements_stay_pinned_with_hashes_and_name_no_index(bento: Path):
    lines = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if "==" in line]
    # BentoML appends its own version once more, without a hash: the same package, checked by the first line.
    assert [line for line in pinned if not line.endswith("\\")] == ["bentoml==1.4.39"]
    assert sum("--hash=sha256:" in line for line in lines) >= len(pinned) - 1
    assert not [line for line in lines if "index" in line or "://" in line]


def test_the_image_runs_the_roles_and_tracks_no_usage(bento: Path):
    envs = {item["name"]: item["value"] for item in yaml.safe_load((bento / "bento.yaml").read_text())["envs"]}
    assert envs["PYTHONPATH"] == "/home/bentoml/bento/src/bento_service"
    assert envs["LABELLOOP_MODEL_DIR"] == "/opt/labelloop/model"
    assert envs["BENTOML_DO_NOT_TRACK"] == "True"
    command = [sys.executable, "-m", "labelloop", "--version"]
    variables = {"PYTHONPATH": str(bento / "src" / "bento_service")}
    assert subprocess.run(command, env=variables, capture_output=True, cwd="/", timeout=300).returncode == 0
