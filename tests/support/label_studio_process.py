"""A release of Label Studio as a process on loopback, from an environment that is kept between runs."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from tests.support.ports import free_port
from tests.support.user import LabelStudioUser
from tests.support.waiting import PATIENCE, eventually
from tools.images.cache import cache_directory, locked

ROOT = Path(__file__).parents[2]
OLDEST, NEWEST = ROOT / "requirements/label-studio-oldest.txt", ROOT / "requirements/label-studio.txt"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
DATABASE = "label_studio.sqlite3"


def installed(requirements: Path) -> Path:
    """Folder with `venv` and a migrated database; made when missing, for other requirements another one."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    folder = cache_directory() / "label-studio" / digest
    with locked(folder.with_suffix(".lock")):
        if not (folder / DATABASE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, requirements)
    return folder


def _install(folder: Path, requirements: Path) -> None:
    uv, python = Path(sys.executable).with_name("uv"), folder / "venv/bin/python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", requirements]
    subprocess.run(install, check=True)
    data = folder / "data"
    data.mkdir()
    variables = {**os.environ, **_settings(data), "PYTHONPATH": ""}
    subprocess.run([python, ROOT / "tests/label_studio/migrate.py"], check=True, env=variables, cwd=data)
    (data / DATABASE).replace(folder / DATABASE)
    shutil.rmtree(data)


def _settings(data: Path) -> dict[str, str]:
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_USERNAME": "admin@example.com",
        "LABEL_STUDIO_PASSWORD": "Labelloop-123",
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false",
        "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


@contextmanager
def label_studio(requirements: Path, folder: Path) -> Iterator[LabelStudioUser]:
    """That release with an empty database until the block ends; gives its administrator."""
    made, port, data = installed(requirements), free_port(), folder / "label-studio"
    data.mkdir()
    shutil.copy(made / DATABASE, data / DATABASE)
    command = ["venv/bin/label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1", "-p", str(port)]
    variables = {**os.environ, **_settings(data), "PYTHONPATH": ""}
    with (folder / "label-studio.log").open("wb") as log:
        process = subprocess.Popen(
            [str(made / command[0]), *command[1:]], env=variables, cwd=data, stdout=log, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _is_up(url, process), PATIENCE, (folder / "label-studio.log").read_text)
        yield LabelStudioUser(url, TOKEN)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _is_up(url: str, process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        pytest.fail(f"Label Studio ended with {process.returncode}")
    try:
        return requests.get(f"{url}/health", timeout=10).ok
    except requests.RequestException:
        return False
