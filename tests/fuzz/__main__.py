"""`python -m tests.fuzz [--requests N] [--seed S] [--case NUMBER] [TARGET...]`: see docs/internals/fuzzing.md."""

import argparse
import sys
from collections.abc import Sequence

from tests.fuzz.cases import Report, Target, attempt, random_of
from tests.fuzz.targets import TARGETS


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 1 when a promise was found broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz what reads other people's data.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--requests", type=int, help="cases for each target (default: each target's full number)")
    parser.add_argument("--short", action="store_true", help="the few cases that `make test` runs")
    parser.add_argument("--seed", type=int, default=0, help="other cases (default 0)")
    parser.add_argument("--case", type=int, help="run only this case, and let its error through")
    chosen = parser.parse_args(argv)
    unknown = sorted({*chosen.targets} - {*TARGETS})
    if unknown:
        parser.error(f"no target is called {unknown[0]!r}: use {', '.join(TARGETS)}")
    reports = []
    for name in chosen.targets or TARGETS:
        target = TARGETS[name]()
        if chosen.case is not None:
            _again(target, chosen.seed, chosen.case)
            continue
        cases = chosen.requests or (target.short if chosen.short else target.full)
        report = target.run(cases, chosen.seed)
        print(report.told(), flush=True)
        reports.append(report)
    return _conclude(reports)


def _conclude(reports: Sequence[Report]) -> int:
    found = sum(len(report.findings) for report in reports)
    if reports:
        print(f"{sum(report.cases for report in reports):,} cases, {found} findings")
    return 1 if found else 0


def _again(target: Target, seed: int, number: int) -> None:
    """One case of a target whose cases stand alone, for a debugger."""
    make, check = getattr(target, "make", None), getattr(target, "check", None)
    if make is None or check is None:
        sys.exit(f"cases of {target.name} need their server: run the target with the same --seed")
    case = make(random_of(seed, target.name, number))
    print(case)
    print(attempt(check, case))
    check(case)


if __name__ == "__main__":
    sys.exit(main())
