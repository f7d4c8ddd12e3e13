"""Writes the reliability page: every case of the chaos suite, the tests that show it, and their last results.

`python -m tools.reliability` (the last stage of `make test`) writes build/reliability.md and fails when a case lacks a
passing test; `--docs` writes docs/internals/reliability.md as well. A unit test checks that page's list of cases and
tests. Its results are those of the last full run that was kept.
"""

import argparse
import ast
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.cases import CASES
from tests.support.reliability import RESULTS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "internals" / "reliability.md"
BUILT = ROOT / "build" / "reliability.md"
CLUSTER = "tests/e2e/"
MARK = "chaos_case"

HEAD = """# Reliability

<!-- Made by `python -m tools.reliability --docs` from the results of `make test`; do not edit. -->

What happens to an operator, what must hold then, and the tests that show it. *On fakes*: the operator's own engine,
watches and clients over HTTP against an API server and a Label Studio made for tests, in virtual time (`tests/chaos`).
*On the cluster*: real API server, kubelet, pods and Label Studio (`tests/e2e`). Plans, faults and sequences are
generated where a case says "every", "each" or "any".

"""
FOOT = """
Many roll-outs under load: `make soak`, [benchmarks/soak.md](benchmarks/soak.md). What is done by hand when something
does go wrong: [failure-modes.md](failure-modes.md).
"""


@dataclass(frozen=True)
class Shown:
    """A test and the cases it stands for."""

    name: str
    cases: tuple[str, ...]

    @property
    def on_cluster(self) -> bool:
        """Whether it runs on the real cluster."""
        return self.name.startswith(CLUSTER)


def marked(root: Path = ROOT) -> list[Shown]:
    """All tests that carry a case's number, as the sources say it."""
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text()
        if MARK in text:
            found += [
                Shown(f"{path.relative_to(root).as_posix()}::{function.name}", cases)
                for function in ast.walk(ast.parse(text))
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
                and (cases := tuple(_cases(function.decorator_list)))
            ]
    return found


def _cases(decorators: Iterable[ast.expr]) -> Iterator[str]:
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"pytest.mark.{MARK}":
            yield from (ast.literal_eval(argument) for argument in decorator.args)


def page(shown: list[Shown], results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as Markdown."""
    lines = ["| | what happens | what must hold | on fakes | on the cluster |", "|---|---|---|---|---|"]
    for number, case in CASES.items():
        mine = [item for item in shown if number in item.cases]
        fakes = _cell([item for item in mine if not item.on_cluster], results)
        cluster = _cell([item for item in mine if item.on_cluster], results)
        lines.append(f"| {number} | {case.happens} | {case.holds} | {fakes} | {cluster} |")
    return HEAD + "\n".join(lines) + "\n" + FOOT


def _cell(shown: list[Shown], results: Mapping[str, Mapping[str, Any]]) -> str:
    return "<br>".join(f"`{item.name.removeprefix('tests/')}` {_result(results.get(item.name))}" for item in shown)


def _result(result: Mapping[str, Any] | None) -> str:
    if result is None:
        return "(not run)"
    word = "FAILED" if result["failed"] else "passed"
    several = f"{result['tests']} times, " if result["tests"] > 1 else ""
    return f"{word} ({several}{result['seconds']:.1f} s, {result['date']})"


def listed(text: str) -> dict[str, set[str]]:
    """Cases and their tests as a page lists them, without results."""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and cells[0] in CASES:
            found[cells[0]] = {f"tests/{part}" for part in line.split("`")[1::2] if "::" in part}
    return found


def missing(shown: list[Shown], results: Mapping[str, Mapping[str, Any]] | None = None) -> list[str]:
    """Cases without a test where one belongs; with results: without a passing one."""
    good = [item for item in shown if results is None or not results.get(item.name, {"failed": 1})["failed"]]
    told = []
    for number, case in CASES.items():
        mine = [item for item in good if number in item.cases]
        if not any(not item.on_cluster for item in mine):
            told.append(f"case {number}: no {'test' if results is None else 'passing test'} on fakes")
        if case.on_cluster and not any(item.on_cluster for item in mine):
            told.append(f"case {number}: no {'test' if results is None else 'passing test'} on the cluster")
    return told


def main() -> int:
    """Returns 1 when a case lacks a passing test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help="write docs/internals/reliability.md as well")
    chosen = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    shown = marked()
    text = page(shown, results)
    BUILT.parent.mkdir(exist_ok=True)
    BUILT.write_text(text)
    if chosen.docs:
        PAGE.write_text(text)
    lacking = missing(shown, results)
    print("\n".join(lacking) or f"{len(CASES)} cases, each with a passing test: {BUILT}")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
