"""`make bench`: every measurement that has its inputs, then one table of all ratios.

Environment: PEER_CHECKOUT (clone of label-studio-ml-backend), DATA (CSV files, separated by spaces), TEXT_COLUMN,
LABEL_COLUMN, ROUNDS. Each measurement runs in a process of its own and writes its report into `--out`. The loop on a
cluster is `make bench-loop`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench import report

PEER_CHECKOUT = "PEER_CHECKOUT"


@dataclass(frozen=True)
class Bench:
    """One module of this package."""

    name: str
    takes_data: bool = False
    starts_peer: bool = False
    """Has --start and --peer-checkout."""
    takes_rounds: bool = True

    def is_there(self) -> bool:
        """Whether this checkout has it."""
        return find_spec(f"bench.{self.name}") is not None

    def lacks(self, variables: Mapping[str, str]) -> str | None:
        """What must be given before it can run."""
        if self.starts_peer and not variables.get(PEER_CHECKOUT):
            return f"{PEER_CHECKOUT} is not set: make bench {PEER_CHECKOUT}=DIR, a clone of label-studio-ml-backend"
        return None

    def arguments(self, variables: Mapping[str, str], out: Path) -> list[str]:
        """Its command line, from the variables that are set."""
        given = ["--out", str(out)]
        if self.starts_peer:
            given += ["--start", "--peer-checkout", variables[PEER_CHECKOUT]]
        if self.takes_rounds and variables.get("ROUNDS"):
            given += ["--rounds", variables["ROUNDS"]]
        if self.takes_data and variables.get("DATA"):
            given += ["--data", *variables["DATA"].split()]
            for option in ("text-column", "label-column"):
                if value := variables.get(option.replace("-", "_").upper()):
                    given += [f"--{option}", value]
        return given


BENCHES = (
    Bench("train", takes_data=True),
    Bench("curves", takes_data=True),
    Bench("gate", takes_data=True),
    Bench("retrain"),
    Bench("publish", takes_data=True),
    Bench("memory", takes_data=True, starts_peer=True),
    Bench("predict", takes_data=True, starts_peer=True),
)


def summary(ratios: Mapping[str, Mapping[str, float]]) -> list[str]:
    """All ratios by bench, one row each."""
    rows = [(name, what, f"{times:.2f} x") for name, found in ratios.items() for what, times in found.items()]
    return report.table(["bench", "what", "better than the peer"], rows) if rows else ["No ratios."]


def main(argv: list[str] | None = None, variables: Mapping[str, str] = os.environ) -> int:
    """Run what can run; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=report.TARGET, help="folder of the reports")
    parser.add_argument("--only", nargs="+", choices=[bench.name for bench in BENCHES], help="not all of them")
    chosen = parser.parse_args(argv)
    ratios: dict[str, Mapping[str, float]] = {}
    failed: list[str] = []
    for bench in BENCHES:
        if not bench.is_there() or (chosen.only and bench.name not in chosen.only):
            continue
        lack = bench.lacks(variables)
        if lack is not None:
            print(f"bench.{bench.name}: skipped. {lack}", flush=True)
            continue
        print(f"bench.{bench.name}", flush=True)
        if run(bench.name, bench.arguments(variables, chosen.out)) == 0:
            ratios[bench.name] = ratios_of(chosen.out / f"{bench.name}.json")
        else:
            failed.append(bench.name)
    print("\n".join(summary(ratios)))
    for name in failed:
        print(f"bench.{name}: failed, see above")
    return 1 if failed else 0


def run(name: str, arguments: Sequence[str]) -> int:
    """Exit code of one bench."""
    return subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments], check=False).returncode


def ratios_of(path: Path) -> Mapping[str, float]:
    """The ratios in a bench's raw numbers; none, when it compares with no peer."""
    found: dict[str, float] = json.loads(path.read_text()).get("ratios", {})
    return found


if __name__ == "__main__":
    sys.exit(main())
