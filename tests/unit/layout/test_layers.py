"""The drawings of the layers in the architecture page are the contracts that import-linter enforces."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
PAGE = (ROOT / "docs/internals/architecture.md").read_text()


def drawing(heading: str) -> list[set[str]]:
    """The packages of each line in the drawing below `heading`; what a line says about them comes after two spaces."""
    block = re.search(rf"^{heading}\n\n```text\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    assert block is not None
    return [set(line.split("  ")[0].split(" | ")) for line in block.group(1).splitlines()]


@pytest.mark.parametrize(
    ("heading", "container"), [("The library:", "labelloop"), ("The operator:", "labelloop_operator")]
)
def test_the_drawing_is_the_contract(heading: str, container: str) -> None:
    (contract,) = [c for c in CONTRACTS if c["type"] == "layers" and c["containers"] == [container]]
    assert contract["exhaustive"]
    assert drawing(heading) == [set(layer.split(" | ")) for layer in contract["layers"]]


def test_cycles_are_refused_in_both_packages() -> None:
    (contract,) = [c for c in CONTRACTS if c["type"] == "acyclic_siblings"]
    assert contract["ancestors"] == ["labelloop", "labelloop_operator"]
