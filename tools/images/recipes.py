"""What each image is made of, and the commands that make it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tools.images.base_image import base_identity
from tools.images.bento import containerize, final_dockerfile
from tools.images.build_stage import BUILD_PREFIX, UV_REQUIREMENT, Stages
from tools.images.cache import digest_of
from tools.images.docker_engine import Engine
from tools.images.previous import previous_sources

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Build:
    """One build: the engine, the images to start from, a folder with the inputs and nothing else, a log."""

    engine: Engine
    stages: Stages
    context: Path
    version: str
    log: Path

    def dockerfile(self, path: str, tag: str, *, kept_stage: str | None = None, **arguments: str) -> None:
        """Run `docker build` on a Dockerfile of the context; `kept_stage` gets a name and so survives tidying up."""
        build_arguments = {"BASE_IMAGE": self.stages.base, "BUILD_IMAGE": self.stages.build, **arguments}
        options = [part for name, value in build_arguments.items() for part in ("--build-arg", f"{name}={value}")]
        command = ["build", "--network=host", "--file", str(self.context / path), *options]
        if kept_stage:
            stage_tag = f"{BUILD_PREFIX}/{tag.replace('/', '-').replace(':', '-')}:{kept_stage}"
            self.engine.run(*command, "--target", kept_stage, "--tag", stage_tag, str(self.context), log=self.log)
        self.engine.run(*command, "--tag", tag, str(self.context), log=self.log)


def checkout() -> AbstractContextManager[Path]:
    """Give the files as they lie here, committed or not."""
    return nullcontext(ROOT)


@dataclass(frozen=True)
class Recipe:
    """An image: its name, its inputs (files and folders of `sources`) and how it is made."""

    name: str
    inputs: tuple[str, ...]
    make: Callable[[Build, str], None]
    sources: Callable[[], AbstractContextManager[Path]] = checkout
    tagged: str | None = None

    @property
    def tag(self) -> str:
        """Return the name which the image has in its archive."""
        return self.tagged or f"labelloop/{self.name}:dev"

    def files(self, root: Path = ROOT) -> Iterator[Path]:
        """Yield the input files in a stable order, relative to the root."""
        for item in self.inputs:
            path = root / item
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                    yield file.relative_to(root)

    def key(self, root: Path = ROOT) -> str:
        """Identify the image by everything it is made of."""
        parts: list[bytes | str] = [self.name, base_identity(), UV_REQUIREMENT.read_text(), Path(__file__).read_text()]
        parts.append(Path(__file__).with_name("bento.py").read_text() if self.name == "backend" else "")
        for file in self.files(root):
            parts += [str(file), (root / file).read_bytes()]
        return digest_of(parts)

    def copy_inputs(self, target: Path, root: Path = ROOT) -> None:
        """Copy the inputs, and nothing else, into an empty folder: what is not hashed cannot get into the image."""
        for file in self.files(root):
            copy = target / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy)
            copy.chmod(0o644)


def make_backend(build: Build, tag: str) -> None:
    """Build the backend with BentoML and lay the result on a clean base."""
    image = containerize(build.engine, build.context, build.stages.build, build.version, build.log)
    final_dockerfile(build.engine, build.context / "bento_service" / "Dockerfile", image, build.stages.build)
    build.dockerfile("bento_service/Dockerfile", tag, BENTO_IMAGE=image)


def make_label_studio(build: Build, tag: str) -> None:
    """Build Label Studio for tests and demo."""
    build.dockerfile("tests/label_studio/Dockerfile", tag, kept_stage="build")


def make_operator(build: Build, tag: str) -> None:
    """Build the operator."""
    build.dockerfile("operator/Dockerfile", tag, kept_stage="build")


_OPERATOR = ("operator", "bento_service/labelloop", "requirements/operator.txt")
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("backend", ("bento_service", "bentofile.yaml", "requirements/backend.txt"), make_backend),
        Recipe("operator", _OPERATOR, make_operator),
        Recipe("label-studio", ("tests/label_studio", "requirements/label-studio.txt"), make_label_studio),
        # Upgrades are tested from it. Its own Dockerfile and requirements, in the image's usual place.
        Recipe("previous-operator", _OPERATOR, make_operator, previous_sources, "labelloop/operator:previous"),
    )
}
