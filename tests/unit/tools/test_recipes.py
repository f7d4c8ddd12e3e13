"""What images are made of, and when they are made again."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from tools import build_images as command
from tools.build_images import build_images
from tools.images.cache import BuildError
from tools.images.recipes import RECIPES, Recipe

RECIPE = Recipe("thing", ("sources", "requirements.txt"), lambda _build, _tag: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sources" / "__pycache__").mkdir(parents=True)
    (tmp_path / "sources" / "a.py").write_text("a")
    (tmp_path / "sources" / "__pycache__" / "a.pyc").write_text("compiled")
    (tmp_path / "requirements.txt").write_text("r")
    (tmp_path / "other").write_text("not an input")
    return tmp_path


@pytest.mark.parametrize("change", ["sources/a.py", "sources/b.py", "requirements.txt"])
def test_a_changed_input_gives_another_key(root: Path, change: str):
    before = RECIPE.key(root)
    (root / change).write_text("changed")
    assert RECIPE.key(root) != before


@pytest.mark.parametrize("change", ["other", "sources/__pycache__/a.pyc"])
def test_anything_else_does_not(root: Path, change: str):
    before = RECIPE.key(root)
    (root / change).write_text("changed")
    assert RECIPE.key(root) == before


def test_another_base_gives_another_key(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    before = RECIPE.key(root)
    monkeypatch.setenv("BASE_IMAGE", "python:3.11-slim")
    assert RECIPE.key(root) != before


def test_a_build_sees_its_inputs_and_nothing_else(root: Path, tmp_path_factory: pytest.TempPathFactory):
    target = tmp_path_factory.mktemp("context")
    RECIPE.copy_inputs(target, root)

    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == {
        "sources/a.py",
        "requirements.txt",
    }
    assert RECIPE.key(target) == RECIPE.key(root)


@pytest.mark.parametrize("name", list(RECIPES))
def test_inputs_exist(name: str):
    assert list(RECIPES[name].files())


@pytest.fixture
def cache(root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one; images are placed in `root`, and whoever asks for an engine fails."""

    def no_engine(_cache: Path) -> AbstractContextManager[None]:
        raise AssertionError("an engine was asked for")

    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LABELLOOP_CACHE", str(folder))
    monkeypatch.setattr(command, "ROOT", root)
    monkeypatch.setattr(command, "docker_engine", no_engine)
    return folder


def test_a_cached_archive_is_used_without_any_engine(root: Path, cache: Path):
    for name in ("backend", "operator"):
        archive = cache / "images" / f"{name}-{RECIPES[name].key()}.tar"
        archive.parent.mkdir(exist_ok=True)
        archive.write_text(name)

    build_images(["backend", "operator"])

    assert (root / "build" / "images" / "backend.tar").read_text() == "backend"
    assert (root / "build" / "images" / "operator.tar").read_text() == "operator"


def test_an_image_of_other_sources_is_known_by_them(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    recipe = replace(RECIPE, sources=lambda: nullcontext(root))
    monkeypatch.setitem(RECIPES, "thing", recipe)
    archive = cache / "images" / f"thing-{recipe.key(root)}.tar"
    archive.parent.mkdir()
    archive.write_text("made of the other sources")

    build_images(["thing"])

    assert (root / "build" / "images" / "thing.tar").read_text() == "made of the other sources"


def test_the_previous_operator_takes_no_place_of_the_present_one():
    tags = [recipe.tag for recipe in RECIPES.values()]
    assert len(set(tags)) == len(tags)
    assert RECIPES["previous-operator"].tag.split(":")[0] == RECIPES["operator"].tag.split(":")[0]
    # Archives of one image are counted by its name and a dash.
    assert not [name for name in RECIPES for other in RECIPES if name.startswith(f"{other}-")]


def test_an_unknown_image_is_told():
    with pytest.raises(BuildError, match=r"unknown image 'x'|unknown image x"):
        build_images(["x"])
