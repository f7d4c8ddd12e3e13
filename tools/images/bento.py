"""The backend image: `bentoml build`, `bentoml containerize`, then the result on a clean base.

The Dockerfile that BentoML generates has one stage, so its image holds uv, certificates and index settings. It is made
on the build stage, and `bento_service/Dockerfile` copies environment and Bento out of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from tools.images.build_stage import BUILD_PREFIX, environment_instruction
from tools.images.cache import BuildError
from tools.images.docker_engine import Engine, run_logged

# Set by bento_service/Dockerfile itself, or of no use after the installation.
NOT_TAKEN_OVER = frozenset({"PATH", "VIRTUAL_ENV", "BENTOML_HOME"})


def containerize(engine: Engine, context: Path, build_image: str, version: str, log: Path) -> str:
    """Make the Bento of the sources in `context` and BentoML's image of it on `build_image`; return its name."""
    image = f"{BUILD_PREFIX}/bento:latest"
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **engine.environment,
            "BENTOML_HOME": home,
            "BENTOML_DO_NOT_TRACK": "True",
            "BASE_IMAGE": build_image,
            "PYTHONPATH": str(context / "bento_service"),
            "PYTHONDONTWRITEBYTECODE": "1",
            # BentoML itself would ask for BuildKit, which a client without the buildx plugin lacks.
            "DOCKER_BUILDKIT": engine.environment.get("DOCKER_BUILDKIT", "0"),
            "PATH": f"{Path(engine.client).parent}:{os.environ.get('PATH', '')}",
        }
        bentoml = [sys.executable, "-W", "ignore", "-m", "bentoml"]
        output = run_logged([*bentoml, "build", "--version", version, "--output", "tag"], environment, log, context)
        tag = next((line.split(":", 1)[1] for line in output.splitlines() if line.startswith("__tag__:")), None)
        if tag is None:
            raise BuildError(f"bentoml build named no Bento, log {log}:\n{output[-2000:]}")
        # From the folder above its temporary copy, where BentoML allows itself to read files.
        options = ["--opt", "network=host", "--image-tag", image]
        run_logged([*bentoml, "containerize", tag, *options], environment, log, Path(tempfile.gettempdir()))
    return image


def final_dockerfile(engine: Engine, template: Path, bento_image: str, build_image: str) -> None:
    """Append to the Dockerfile the environment which the Bento's image has beyond that of the build stage."""
    inherited = image_environment(engine, build_image)
    own = {
        name: value
        for name, value in image_environment(engine, bento_image).items()
        if name not in inherited and name not in NOT_TAKEN_OVER and not name.startswith("UV_")
    }
    template.write_text(template.read_text() + environment_instruction(own))


def image_environment(engine: Engine, image: str) -> dict[str, str]:
    """Return the environment variables recorded in an image."""
    listing = engine.run("image", "inspect", "--format", "{{json .Config.Env}}", image)
    return dict(entry.split("=", 1) for entry in json.loads(listing) or [])
