"""`make test`: every stage in order, the time of each, and the ten slowest parts at the end.

A stage is a command; a part is a stage that is not pytest, or one test of a pytest stage (read from its JUnit report).
Stages follow one another in lanes; the lanes of one group run next to each other, since what waits for a cluster leaves
a core to what computes, and what their stages print comes when they end. A lane ends with a stage that the rest of it
needs and that failed; every other failure is reported in the end.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from defusedxml import ElementTree

REPORTS = Path("build/reports")
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Stage:
    """One command of the run; `tests` are pytest's arguments when it is a pytest stage.

    `needed`: without it the rest of its lane means nothing.
    """

    name: str
    command: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    needed: bool = False


class Part(NamedTuple):
    """Something that took time: a stage, or a test with its fixtures."""

    seconds: float
    name: str


IMAGES = ("backend", "operator", "label-studio", "previous-operator")
OUTAGES = "tests/e2e/outages"
"""End to end on a cluster of their own: they take away what all other stories need, and the lane has the time."""
DEMO = "tests/e2e/demo"
"""The demo makes its own cluster. It comes last in its lane: next to the end of the stories, as the outages do."""
SCALE = "tests/e2e/test_bench_scale.py"
"""It makes its own cluster too; in the lane of the stories that lane would end last."""
Lane = tuple[Stage, ...]
GROUPS: tuple[tuple[Lane, ...], ...] = (
    (
        (
            Stage("ruff", (str(BIN / "ruff"), "check", ".")),
            Stage("ruff format", (str(BIN / "ruff"), "format", "--check", ".")),
            Stage("vocabulary", (sys.executable, "-m", "tools.vocabulary")),
            Stage("import rules", (str(BIN / "lint-imports"), "--no-cache")),
            Stage("types", (str(BIN / "mypy"),)),
            Stage("unit", tests=("tests/unit",)),
            Stage("chaos", tests=("tests/chaos",)),
            Stage("integration", tests=("tests/integration",)),
            Stage("scale", tests=(SCALE,)),
            Stage("outages", tests=(OUTAGES,)),
            Stage("demo", tests=(DEMO,)),
        ),
        (
            Stage("images", (sys.executable, "-m", "tools.build_images", *IMAGES), needed=True),
            Stage("end to end", tests=("tests/e2e", *(f"--ignore={path}" for path in (OUTAGES, DEMO, SCALE)))),
        ),
    ),
    ((Stage("reliability", (sys.executable, "-m", "tools.reliability")),),),
)


def run(stage: Stage, alone: bool) -> tuple[bool, list[Part]]:
    """Runs one stage; returns whether it passed, and its parts. Not `alone`: it prints when it has ended."""
    report = REPORTS / f"{stage.name.replace(' ', '-')}.xml"
    pytest = (sys.executable, "-m", "pytest", "-q", *stage.tests, f"--junitxml={report}")
    print(f"\n=== {stage.name}", flush=True)
    began = time.monotonic()
    output = None if alone else subprocess.PIPE
    command = pytest if stage.tests else stage.command
    done = subprocess.run(command, check=False, text=True, stdout=output, stderr=None if alone else subprocess.STDOUT)
    passed = done.returncode == 0
    seconds = time.monotonic() - began
    told = f"{done.stdout or ''}=== {stage.name}: {'passed' if passed else 'FAILED'} in {seconds:.0f} s"
    print(told, flush=True)
    if stage.tests and report.exists():
        return passed, parts_of(report)
    return passed, [Part(seconds, stage.name)]


def parts_of(report: Path) -> list[Part]:
    """The tests of a JUnit report with the seconds each took, fixtures included."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return [Part(float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}") for case in cases]


def run_lane(lane: Lane, alone: bool) -> tuple[list[str], list[Part]]:
    """Runs its stages one after another; the names of those that failed, and all parts."""
    failed: list[str] = []
    parts: list[Part] = []
    for stage in lane:
        passed, of_stage = run(stage, alone)
        parts += of_stage
        if not passed:
            failed.append(stage.name)
            if stage.needed:
                break
    return failed, parts


def main() -> int:
    """Returns 0 only if every stage passed."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    failed: list[str] = []
    parts: list[Part] = []
    for group in GROUPS:
        alone = len(group) == 1
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda lane, alone=alone: run_lane(lane, alone), group))
        for failed_here, parts_here in results:
            failed += failed_here
            parts += parts_here
    print("\nThe ten slowest parts:")
    for part in sorted(parts, reverse=True)[:10]:
        print(f"{part.seconds:8.1f} s  {part.name}")
    print(f"{time.monotonic() - began:8.1f} s  in all")
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
