"""Running many cases, each made from (seed, target, number) alone, so that any one can be run again."""

import json
import logging
import re
import time
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol, TypeVar

C = TypeVar("C")
CASE_SECONDS = 30.0
"""Longest time that one case may take: hundreds of times the usual, so a slow machine is no finding."""
FINDINGS_KEPT = 20
SHRINK_SECONDS = 300.0
SAMPLES_OF_MEMORY = 64
LEAST_FOR_MEMORY = 4_000


@dataclass(frozen=True)
class Finding:
    """A broken promise and the case that breaks it."""

    target: str
    number: int
    """With seed and target this makes the case again."""
    problem: str
    case: object
    """JSON, made as small as it got."""

    def told(self) -> str:
        """For people: what, how to run it again, the case."""
        shown = json.dumps(self.case, default=str)
        return f"{self.target} #{self.number}: {self.problem}\n    case: {shown[:4000]}"


@dataclass
class Report:
    """What a target's run found, and its figures."""

    target: str
    cases: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    """How often each kind of outcome came, to see that the cases reach more than the first check."""
    memory: "Memory | None" = None

    def is_new(self, problem: str) -> bool:
        """The same fault met a thousand times is one fault."""
        kinds = {_kind(known.problem) for known in self.findings}
        return _kind(problem) not in kinds and len(self.findings) < FINDINGS_KEPT

    def add(self, finding: Finding) -> None:
        """Keep one finding of each kind."""
        if self.is_new(finding.problem):
            self.findings.append(finding)

    def end_memory(self) -> None:
        """A finding, when memory grew."""
        if self.memory and self.memory.problem:
            self.add(Finding(self.target, self.cases, self.memory.problem, self.memory.samples))

    def count(self, outcome: str) -> None:
        """One more case with this outcome."""
        self.seen[outcome] = self.seen.get(outcome, 0) + 1

    def told(self) -> str:
        """Figures, then findings."""
        outcomes = ", ".join(f"{name} {number:,}" for name, number in sorted(self.seen.items()))
        memory = f"; {self.memory.told()}" if self.memory else ""
        lines = [f"{self.target}: {self.cases:,} cases in {self.seconds:.1f} s ({outcomes}){memory}"]
        lines += [f"  FOUND {finding.told()}" for finding in self.findings]
        return "\n".join(lines)


class Target(Protocol):
    """Something that is fuzzed."""

    name: str
    full: int
    """Cases of `make fuzz`."""
    short: int
    """Cases of the short form in `make test`."""

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases."""


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """What it logs of thousands of odd cases helps nobody; other tests in this process may look at it."""
    found = logging.getLogger(logger)
    level = found.level
    found.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        found.setLevel(level)


def random_of(seed: int, target: str, number: int) -> Random:
    """The source of one case."""
    return Random(f"{seed}/{target}/{number}")


def fuzz(
    report: Report,
    cases: int,
    seed: int,
    make: Callable[[Random], C],
    check: Callable[[C], str],
    show: Callable[[C], object] = lambda case: case,
) -> Report:
    """Check made cases, and the memory when the report has one.

    `check` names the outcome, or raises: Broken for a promise that does not hold, else a fault.
    """
    began = time.monotonic()
    for number in range(cases):
        case = make(random_of(seed, report.target, number))
        outcome = attempt(check, case)
        if isinstance(outcome, str):
            report.count(outcome)
        elif report.is_new(outcome.problem):
            small = shrunk(case, lambda other, kind=outcome.kind: _is_same(check, other, kind))
            report.add(Finding(report.target, number, outcome.problem, show(small)))
        if report.memory:
            report.memory.sample(number, cases)
    report.cases += cases
    report.seconds += time.monotonic() - began
    report.end_memory()
    return report


class Broken(Exception):  # noqa: N818 - a promise, not an error
    """A promise of the oracle does not hold."""


@dataclass(frozen=True)
class Failure:
    """How a case failed."""

    problem: str

    @property
    def kind(self) -> str:
        """The same for the same fault with other values."""
        return _kind(self.problem)


def attempt(check: Callable[[C], str], case: C) -> str | Failure:
    """The outcome's name, or the failure."""
    began = time.monotonic()
    try:
        outcome = check(case)
    except Broken as broken:
        return Failure(str(broken))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return Failure(f"{type(error).__name__} in {Path(place.filename).name}:{place.name}: {error}"[:500])
    seconds = time.monotonic() - began
    return outcome if seconds <= CASE_SECONDS else Failure(f"took longer than {CASE_SECONDS:.0f} s ({seconds:.0f} s)")


def _is_same(check: Callable[[C], str], case: C, kind: str) -> bool:
    outcome = attempt(check, case)
    return isinstance(outcome, Failure) and outcome.kind == kind


def _kind(problem: str) -> str:
    """Without the values in it."""
    return re.sub(r"[0-9]+|'[^']*'|\"[^\"]*\"", "*", problem)[:80]


def shrunk(case: C, still_fails: Callable[[C], bool], attempts: int = 400) -> C:
    """The case made smaller as long as it fails in the same way: JSON loses members, texts and bytes their halves."""
    ends = time.monotonic() + SHRINK_SECONDS
    improved = True
    while improved:
        improved = False
        for candidate in smaller(case):
            attempts -= 1
            if attempts < 0 or time.monotonic() > ends:
                return case
            if still_fails(candidate):
                case, improved = candidate, True
                break
    return case


def smaller(value: Any) -> Iterator[Any]:
    """Simpler values of the same type, the simplest first."""
    if isinstance(value, str | bytes) and value:
        yield value[:0]
        yield from (value[:start] + value[start + size :] for start, size in _pieces(len(value)))
    elif isinstance(value, dict):
        yield from ({name: item for name, item in value.items() if name != key} for key in value)
        yield from ({**value, key: small} for key, item in value.items() for small in smaller(item))
    elif isinstance(value, list):
        yield from (value[:index] + value[index + 1 :] for index in range(len(value)))
        for index, item in enumerate(value):
            yield from ([*value[:index], small, *value[index + 1 :]] for small in smaller(item))
    elif hasattr(value, "smaller"):
        yield from value.smaller()


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """Start and size of what may be left out: halves, quarters, down to single characters."""
    piece = size
    while piece > 1:
        piece = max(1, piece // 2)
        yield from ((start, piece) for start in range(0, size, piece))


def readable(data: bytes) -> object:
    """Bytes as JSON can hold them."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


class Memory:
    """Resident memory of a process over a run: after a warm-up quarter it must stay where it is."""

    def __init__(self, pid: int | str, allowed: int) -> None:
        """`allowed`: bytes of growth that allocators may cause by themselves."""
        self._pid = pid
        self._allowed = allowed
        self.samples: list[tuple[int, int]] = []
        """Case number and bytes."""

    def sample(self, number: int, cases: int) -> None:
        """Look now and then."""
        if number % max(1, cases // SAMPLES_OF_MEMORY) == 0 or number == cases:
            self.samples.append((number, resident_bytes(self._pid)))

    @property
    def growth(self) -> int:
        """Bytes from the end of the first quarter to the end; medians of neighbouring samples."""
        quarter, last = self._after_warm_up()
        return last[1] - quarter[1]

    @property
    def per_thousand(self) -> float:
        """Bytes for each thousand cases."""
        quarter, last = self._after_warm_up()
        return 1000 * self.growth / max(1, last[0] - quarter[0])

    @property
    def problem(self) -> str | None:
        """Why it is too much; a short run is all warm-up and says nothing."""
        if self.samples[-1][0] < LEAST_FOR_MEMORY or self.growth <= self._allowed:
            return None
        return (
            f"memory grew by {self.growth / 2**20:.0f} MiB after the warm-up, {self.per_thousand / 1024:.0f} KiB/1,000"
        )

    def told(self) -> str:
        """First, after warm-up, last and slope."""
        quarter, last = self._after_warm_up()
        return (
            f"RSS {self.samples[0][1] / 2**20:.0f} MiB at first, {quarter[1] / 2**20:.0f} after a quarter, "
            f"{last[1] / 2**20:.0f} at the end: {self.per_thousand / 1024:+.1f} KiB per 1,000"
        )

    def _after_warm_up(self) -> tuple[tuple[int, int], tuple[int, int]]:
        size = len(self.samples)
        return _middle(self.samples[size // 4 : size // 4 + 3]), _middle(self.samples[-3:])


def _middle(samples: list[tuple[int, int]]) -> tuple[int, int]:
    return sorted(samples, key=lambda sample: sample[1])[len(samples) // 2]


def resident_bytes(pid: int | str) -> int:
    """Resident set size of a process (`self`: this one)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found, status
    return int(found.group(1)) * 1024
