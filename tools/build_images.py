"""Builds the images: `python -m tools.build_images backend operator label-studio previous-operator`.

Leaves docker archives in `build/images/`. An image is rebuilt only when something it is made of changed; archives are
kept in the cache, outside of the checkout, so that a fresh clone builds nothing that another one built.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from tools.images.build_stage import Stages, prepare_stages, tidy
from tools.images.cache import BuildError, cache_directory, keep_newest, locked, place, written_whole
from tools.images.docker_engine import Engine, docker_engine
from tools.images.machine_settings import machine_settings
from tools.images.recipes import RECIPES, ROOT, Build, Recipe

ARCHIVES_KEPT = 3  # per image: those of a few branches


def build_images(names: list[str], *, fresh: bool = False) -> None:
    """Leave `build/images/NAME.tar` for each name; `fresh` builds again what the cache holds."""
    unknown = sorted(set(names) - set(RECIPES))
    if unknown:
        raise BuildError(f"unknown image {', '.join(unknown)}: there are {', '.join(RECIPES)}.")
    cache = cache_directory()
    with ExitStack() as stack:
        stack.enter_context(locked(cache / "images.lock"))
        prepared: tuple[Engine, Stages] | None = None
        for name in names:
            recipe = RECIPES[name]
            # Not in the cache, which tends to lie in a hidden folder: BentoML reads no files from one.
            context = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labelloop-image-")))
            # The key is that of the copy: sources that are edited during the build cannot get under a wrong name.
            with recipe.sources() as sources:
                recipe.copy_inputs(context, sources)
            key = recipe.key(context)
            archive = cache / "images" / f"{name}-{key}.tar"
            if fresh or not archive.exists():
                if prepared is None:
                    engine = stack.enter_context(docker_engine(cache))
                    prepared = engine, prepare_stages(engine, cache, machine_settings())
                log = cache / "logs" / f"{name}.log"
                build_one(recipe, archive, Build(*prepared, context=context, version=key, log=log))
            archive.touch()
            keep_newest(f"{name}-*.tar", archive.parent, ARCHIVES_KEPT)
            place(archive, ROOT / "build" / "images" / f"{name}.tar")
            print(f"{name}: build/images/{name}.tar, {archive.stat().st_size / 1e6:.0f} MB", flush=True)
        if prepared is not None and prepared[0].private:
            tidy(*prepared)


def build_one(recipe: Recipe, archive: Path, build: Build) -> None:
    """Build one image and save it as a docker archive."""
    started = time.monotonic()
    build.log.unlink(missing_ok=True)
    print(f"{recipe.name}: building ... (log: {build.log})", flush=True)
    recipe.make(build, recipe.tag)
    built = time.monotonic()
    with written_whole(archive) as partial:
        build.engine.run("save", "--output", str(partial), recipe.tag)
    print(f"{recipe.name}: built in {built - started:.1f} s, saved in {time.monotonic() - built:.1f} s", flush=True)


def main(
    names: Annotated[list[str], typer.Argument(help=f"Images to build: {', '.join(RECIPES)}.")],
    fresh: Annotated[bool, typer.Option(help="Build again what the cache holds.")] = False,
) -> None:
    """Build images into build/images/, from BASE_IMAGE or a Debian made by debootstrap."""
    try:
        build_images(names, fresh=fresh)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    typer.run(main)
