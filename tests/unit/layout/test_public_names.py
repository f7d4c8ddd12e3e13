"""What custom models import from `labelloop`: loaded on first use, the same for programs and type checkers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import labelloop

STUB = Path(labelloop.__file__).with_suffix(".pyi")


@pytest.mark.parametrize("name", labelloop.__all__)
def test_each_name_is_there_and_is_the_one_of_the_stub(name: str) -> None:
    value = getattr(labelloop, name)
    declared = re.search(rf"^from (\S+) import {name} as {name}$", STUB.read_text(), re.MULTILINE)
    if name != "__version__":
        assert declared is not None
        assert value is getattr(sys.modules[declared.group(1)], name)


def test_the_stub_declares_nothing_else() -> None:
    declared = re.findall(r"^from \S+ import (\w+) as \w+$", STUB.read_text(), re.MULTILINE)
    assert sorted([*declared, "__version__"]) == sorted(labelloop.__all__)


def test_another_name_is_an_ordinary_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from labelloop import Nothing  # type: ignore[attr-defined]  # noqa: F401


def test_the_package_itself_loads_nothing() -> None:
    code = "import sys, labelloop; print([name for name in sys.modules if name.startswith(('labelloop.', 'numpy'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
