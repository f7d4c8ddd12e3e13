"""The shape of the tree that users asked for, and the traps in it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOP_LEVEL = {"operator", "bento_service", "charts", "crds", "tests", "docs", "examples", ".ci", "tools"}


def test_top_level_has_what_users_asked_for():
    present = {path.name for path in ROOT.iterdir()}
    files = {"bentofile.yaml", "pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md"}
    assert present >= TOP_LEVEL | files


@pytest.mark.parametrize("root", ["operator", "bento_service"])
def test_source_roots_are_not_packages(root: str):
    assert not (ROOT / root / "__init__.py").exists()


def test_standard_operator_module_imports_from_the_repository_root():
    script = "import collections, operator; assert operator.add(1, 2) == 3; print(operator.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert not run.stdout.startswith(str(ROOT))


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    built = next(iter(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))
    with zipfile.ZipFile(built) as wheel:
        return wheel.namelist()


def test_wheel_holds_both_packages(wheel_names: list[str]):
    assert "labelloop/cli/__init__.py" in wheel_names
    assert "labelloop_operator/main.py" in wheel_names


def test_wheel_knows_its_commit(wheel_names: list[str]):
    assert ("labelloop/commit.txt" in wheel_names) is (ROOT / ".git").exists()


def test_wheel_has_no_top_level_operator(wheel_names: list[str]):
    tops = {name.split("/")[0] for name in wheel_names}
    assert "operator" not in tops
    assert {top for top in tops if not top.endswith(".dist-info")} == {"labelloop", "labelloop_operator"}


def test_requirements_are_pinned_with_hashes_and_name_no_index():
    for path in (ROOT / "requirements").glob("*.txt"):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("--index")], path
        assert sum("==" in line for line in lines) <= sum("--hash=sha256:" in line for line in lines), path
