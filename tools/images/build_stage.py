"""The image that build stages start from: the base with uv and the machine's settings, all below one folder.

It is never shipped: final stages start from the base itself and copy what was built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.images.base_image import base_key, default_base_archive
from tools.images.cache import BuildError, digest_of
from tools.images.docker_engine import Engine
from tools.images.machine_settings import MachineSettings

FOLDER = "/opt/labelloop-build"
BUILD_PREFIX = "labelloop-build"  # of images that only builds use
UV_REQUIREMENT = Path(__file__).resolve().parents[2] / "requirements" / "uv.txt"


@dataclass(frozen=True)
class Stages:
    """Names of the two images that Dockerfiles get as `BASE_IMAGE` and `BUILD_IMAGE`."""

    base: str
    build: str


def prepare_stages(engine: Engine, cache: Path, settings: MachineSettings) -> Stages:
    """Make both images, unless the engine has them."""
    base = base_image(engine, cache)
    return Stages(base=base, build=build_image(engine, cache, base, settings))


def tidy(engine: Engine, stages: Stages) -> None:
    """Delete what no build will use again: bases and build stages of other recipes and settings, unnamed layers.

    Layers below an image with a name stay, so the next build finds its virtual environments.
    """
    listing = engine.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    outdated = [
        name
        for name in listing.split()
        if name.startswith((f"{BUILD_PREFIX}/base:", f"{BUILD_PREFIX}/stage:"))
        and name not in (stages.base, stages.build)
    ]
    if outdated:
        engine.run("image", "rm", "--force", *outdated)
    engine.run("image", "prune", "--force")


def base_image(engine: Engine, cache: Path) -> str:
    """Return the name of the base image in the engine."""
    if chosen := os.environ.get("BASE_IMAGE"):
        if not engine.has_image(chosen):
            engine.run("pull", chosen)
        return chosen
    name = f"{BUILD_PREFIX}/base:{base_key()}"
    if not engine.has_image(name):
        path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        engine.run("import", "--change", path, "--change", 'CMD ["python3"]', str(default_base_archive(cache)), name)
    return name


def build_image(engine: Engine, cache: Path, base: str, settings: MachineSettings) -> str:
    """Return the name of the image with uv and the settings."""
    uv = uv_program(cache)
    certificates = settings.certificates.read_bytes() if settings.certificates else b""
    text = dockerfile(base, settings)
    name = f"{BUILD_PREFIX}/stage:{digest_of([text, certificates, UV_REQUIREMENT.read_text()])}"
    if engine.has_image(name):
        return name
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        context = Path(folder)
        shutil.copy2(uv, context / "uv")
        (context / "certificates.crt").write_bytes(certificates)
        (context / "Dockerfile").write_text(text)
        engine.run("build", "--network=host", "--tag", name, str(context))
    return name


def dockerfile(base: str, settings: MachineSettings) -> str:
    """Return the Dockerfile of the build stage; proxies too, for the builds of tools that pass no arguments."""
    environment = {
        "PATH": f"{FOLDER}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "UV_COMPILE_BYTECODE": "1",
        # Files get other times on their way into an image's layer; a hash that nobody checks survives that.
        "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
        "UV_LINK_MODE": "copy",
        "UV_NO_CACHE": "1",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "UV_NO_CONFIG": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        **settings.uv,
        **settings.proxies,
    }
    if settings.certificates:
        environment["SSL_CERT_FILE"] = f"{FOLDER}/certificates.crt"
    return f"FROM {base}\nCOPY uv certificates.crt {FOLDER}/\n{environment_instruction(environment)}"


def environment_instruction(environment: Mapping[str, str]) -> str:
    """Return one ENV instruction; values are quoted so that the builder takes them literally."""
    quoted = (
        f"{name}={json.dumps(value, ensure_ascii=False)}".replace("$", "\\$") for name, value in environment.items()
    )
    return f"ENV {' '.join(quoted)}\n" if environment else ""


def uv_program(cache: Path) -> Path:
    """Return the pinned uv, taken out of its wheel, which pip downloads with the machine's own settings."""
    program = cache / "uv" / digest_of([UV_REQUIREMENT.read_text()]) / "uv"
    if program.exists():
        return program
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
        ]
        done = subprocess.run(
            [*command, "--dest", folder, "-r", str(UV_REQUIREMENT)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"pip could not download uv:\n{done.stderr[-2000:]}")
        (wheel,) = Path(folder).glob("uv-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/scripts/uv"))
            partial = Path(archive.extract(member, folder))
        partial.chmod(0o755)
        program.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(program)
    return program
