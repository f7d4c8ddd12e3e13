import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelloop.serving.bentoml_patches.deferred_imports import DeferredName, defer

LAZY = """
import {name}_log
{name}_log.executed.append("lazy")
NUMBERS = [1, 2]
class Thing:
    made = 0
    def __init__(self, number=0): self.number = number
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """A package whose module `lazy` is deferred; the module `{name}_log` tells what was executed."""
    name = f"deferred_{abs(hash(request.node.name))}"
    package = tmp_path / name
    package.mkdir()
    (tmp_path / f"{name}_log.py").write_text("executed = []\n")
    (package / "__init__.py").write_text("")
    (package / "lazy.py").write_text(LAZY.format(name=name))
    (package / "broken.py").write_text("raise ValueError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    defer([f"{name}.lazy", f"{name}.broken", f"{name}.missing"])
    yield name
    sys.meta_path[:] = finders
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def executed(name: str) -> list[str]:
    return importlib.import_module(f"{name}_log").executed


def imported(name: str, attribute: str) -> object:
    return getattr(importlib.import_module(f"{name}.lazy"), attribute)


def test_an_import_executes_nothing_and_the_first_use_does_once(name: str):
    thing = imported(name, "Thing")
    assert isinstance(thing, DeferredName)
    assert executed(name) == []
    assert thing(7).number == 7
    assert thing.made == 0
    assert executed(name) == ["lazy"]
    assert isinstance(imported(name, "Thing"), type)


def test_questions_about_types_execute_nothing(name: str):
    thing = imported(name, "Thing")
    assert not isinstance("text", thing)
    assert not issubclass(str, thing)
    assert list[thing].__args__ == (thing,)
    assert executed(name) == []
    made = imported(name, "Thing")()
    assert isinstance(made, thing)
    assert issubclass(type(made), thing)


def test_a_deferred_class_can_be_a_base(name: str):
    thing = imported(name, "Thing")
    derived = _derived(thing)
    assert derived(3).number == 3
    assert issubclass(derived, thing)


def _derived(base: type) -> type:
    class Derived(base):
        pass

    return Derived


def test_values_are_compared_and_asked_as_the_real_ones(name: str):
    numbers = imported(name, "NUMBERS")
    assert numbers == [1, 2]
    assert numbers[0] == 1
    assert numbers
    assert {imported(name, "Thing")} == {imported(name, "Thing")}


def test_a_name_that_is_not_there_is_told_at_its_use(name: str):
    nothing = imported(name, "Nothing")
    with pytest.raises(AttributeError, match="Nothing"):
        nothing()


def test_a_module_that_fails_tells_so_at_every_use(name: str):
    broken = importlib.import_module(f"{name}.broken").anything
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            broken()


def test_a_module_that_does_not_exist_cannot_be_imported(name: str):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{name}.missing")
