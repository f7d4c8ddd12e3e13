"""The operator with many resources on a real API server: time to Ready, rest, a change, a restart, memory.

`python -m bench.scale [--sizes 10 100 300 1000]`, as root (it makes a test cluster for each size). Real: etcd, API
server with its audit log, controller manager, scheduler, registry, the operator as a process of its own. Simulated:
Label Studio (tests/fakes), and the nodes that run the pods (kwok).
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import OURS, arguments, table, write
from bench.scale_run import Figures, measure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (10, 100, 300, 1000)
WANTED = {
    "seconds from nothing to all Ready": "150",
    "Kubernetes API reads per no-op reconcile": "0",
    "Kubernetes API writes per no-op reconcile": "0",
    "change to child applied, p50, ms": "-",
    "change to child applied, p99, ms": "300",
    "restart until all are verified, seconds": "5",
    "CPU at rest, % of a core": "2",
    "memory (RSS), MB": "120",
}
"""Rows of the table and what 1,000 resources are to keep to, in the order of `Figures`."""


def rows(found: Sequence[Figures]) -> list[list[str]]:
    """One row for each figure, one column for each size."""
    values = [list(asdict(figures).values())[1:] for figures in found]
    return [[what, *(_shown(column[number]) for column in values), WANTED[what]] for number, what in enumerate(WANTED)]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(found: Sequence[Figures]) -> "Callable[[Figure], None]":
    """Growth of each figure, both axes logarithmic."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots(2, 3).flat
        shown = [number for number, what in enumerate(WANTED) if "no-op" not in what]
        for number, axis in zip(shown, axes, strict=True):
            what = list(WANTED)[number]
            values = [list(asdict(figures).values())[number + 1] for figures in found]
            axis.plot([figures.resources for figures in found], values, marker="o", color=OURS)
            axis.set_xscale("log")
            axis.set_ylim(bottom=0)
            axis.set_title(what, fontsize=8)
            axis.set_xlabel("resources")

    return draw


def main(argv: list[str] | None = None) -> int:
    """Measure each size in a cluster of its own; 0."""
    parser = arguments(__doc__, rounds=1, data=False)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of resources")
    parser.add_argument("--rest", type=float, default=60.0, help="seconds of rest over which CPU is measured")
    chosen = parser.parse_args(argv)
    found = []
    for size in chosen.sizes:
        found.append(measure(size, chosen.rest))
        print(json.dumps(asdict(found[-1])), flush=True)
    columns = ["", *(f"{figures.resources:,}" for figures in found), "1,000 are to keep to"]
    lines = [
        "Real: etcd, API server with its audit log, controller manager, scheduler, registry, and the operator as a",
        "process of its own with default settings, but without probes of Services (probe.enabled: false).",
        "Simulated: Label Studio, which answers at once, and the nodes (kwok): pods count as running and ready, and no",
        "program runs in them. All share the machine with the load generator. Nothing is trained. A restart is timed",
        "from the start of the process. A change is made once nothing has moved for half a second.",
        "",
        *table(columns, rows(found)),
    ]
    data = {"figures": [asdict(figures) for figures in found]}
    write("scale", "Scale", lines, data, plot(found), target=Path(chosen.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
