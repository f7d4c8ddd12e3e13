"""The report of bench.predict: tables, goals, plot and raw numbers."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.http_load import Load
from bench.measuring import median, ratio
from bench.report import Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, PEER, PEER_IN_MEMORY = "ours", "peer", "peer, best case"
COLOURS = {OURS: report.OURS, PEER: report.PEER, PEER_IN_MEMORY: "#d4a72c"}


@dataclass(frozen=True)
class Case:
    """What is asked, over how many connections."""

    name: str
    tasks: int
    """Tasks in a request; 0: GET /health, which predicts nothing."""
    connections: int


LONG_CHARACTERS = 350
ONE = Case("1 task, 1 connection", 1, 1)
BATCH = Case(f"32 tasks of {LONG_CHARACTERS} characters, 1 connection", 32, 1)
MANY = Case("1 task, 64 connections", 1, 64)
HEALTH = Case("GET /health, 1 connection", 0, 1)


@dataclass(frozen=True)
class Measured:
    """One data set."""

    rows: Rows
    agreement: Mapping[str, float]
    """Share of texts answered with their own label, by backend."""
    loads: Mapping[Case, Mapping[str, list[Load]]]
    """By case and backend, one for each round."""
    memory: Mapping[str, tuple[float, float]]
    """Resident MB before and after the case with many connections, by backend."""
    milliseconds: Mapping[Case, Mapping[str, float]]
    """Where our time goes within the process, by step."""


def write(measured: Mapping[str, Measured], chosen: argparse.Namespace) -> Path:
    """Write page, JSON and plot; the page's path."""
    lines = _method(chosen)
    data: dict[str, object] = {
        "options": {"rounds": chosen.rounds, "seconds": chosen.seconds},
        "load_before": chosen.load,
    }
    ratios: dict[str, float] = {}
    for name, found in measured.items():
        labels = len({label for _text, label in found.rows})
        agreed = ", ".join(f"{side} {share:.0%}" for side, share in found.agreement.items())
        lines += [f"## {name} ({len(found.rows):,} texts, {labels} labels)", ""]
        lines += [f"Of the texts trained on, answered with their label: {agreed}.", "", *_loads(found), *_goals(found)]
        lines += [*_memory(found), *_steps(found)]
        data[name] = _raw(found)
        ratios |= {f"{name}: {told}": value for told, value in _ratios(found).items()}
    data["ratios"] = ratios
    return report.write(
        "predict", "/predict next to label-studio-ml's sklearn example", lines, data,
        lambda figure: _plot(figure, measured), target=chosen.out,
    )  # fmt: skip


METHOD = """
{rounds} interleaved rounds of {round_seconds:g} s (64 connections: one of {seconds:g} s) against each backend: a closed loop over
kept-alive connections on loopback, 200 different requests in turns, in the form Label Studio sends. Figures are medians of
the rounds, ratios the median of the rounds' own. Client and server share the machine, whose load average before the start
was {load:.1f}: what is above 0 is other work, and slows both.

`peer` is label-studio-ml's sklearn_text_classifier, trained by its own `fit` on the same texts (handed the tasks that it
would have downloaded from Label Studio) and started by the command and settings of its Dockerfile and docker-compose.yml:
1 worker, 8 threads, LOG_LEVEL=DEBUG, model folder on disk. `peer, best case` has that folder, where it writes an SQLite
file at every request, in memory, and LOG_LEVEL=WARNING. In both the model is loaded before the clock runs.
"""  # noqa: E501  (a page's text)


def _method(chosen: argparse.Namespace) -> list[str]:
    return [*METHOD.strip().format_map(vars(chosen)).splitlines(), ""]


def _loads(found: Measured) -> list[str]:
    rows = []
    for case, sides in found.loads.items():
        for side, loads in sides.items():
            faster = "" if side == OURS else f"{_faster(sides, side):.1f} x"
            figures = (median([load.per_second for load in loads]), _quantile(loads, 0.5), _quantile(loads, 0.99))
            errors = sum(len(load.errors) for load in loads)
            rows.append(
                (case.name, side, f"{figures[0]:,.0f}", f"{figures[1]:.2f}", f"{figures[2]:.2f}", errors, faster)
            )
    return report.table(["case", "backend", "requests/s", "p50 ms", "p99 ms", "errors", "ours faster"], rows)


def _goals(found: Measured) -> list[str]:
    if PEER not in found.loads[ONE]:
        return []
    one, batch, many = (found.loads[case] for case in (ONE, BATCH, MANY))
    crowd = many[OURS][0]
    p99, p50 = _quantile(one[OURS], 0.99), _quantile(one[PEER], 0.5)
    rows = [
        ("1 task: requests/s", "at least 12 x", f"{_faster(one, PEER):.1f} x", _yes(_faster(one, PEER) >= 12)),
        ("1 task: our p99 below the peer's p50", f"{p50:.2f} ms", f"{p99:.2f} ms", _yes(p99 < p50)),
        ("32 tasks: requests/s", "at least 4 x", f"{_faster(batch, PEER):.1f} x", _yes(_faster(batch, PEER) >= 4)),
        ("64 connections: errors", "0", len(crowd.errors), _yes(not crowd.errors)),
        ("64 connections: p99", "below 50 ms", f"{crowd.quantile(0.99):.1f} ms", _yes(crowd.quantile(0.99) < 50)),
    ]
    return report.table(["goal", "wanted", "measured", "reached"], rows)


def _memory(found: Measured) -> list[str]:
    rows = [(side, f"{before:.1f}", f"{after:.1f}") for side, (before, after) in found.memory.items()]
    return report.table(["resident MB", "before 64 connections", "after"], rows) if rows else []


def _steps(found: Measured) -> list[str]:
    if not found.milliseconds:
        return []
    lines = [
        "Where our time goes: medians in the process itself, and GET /health as what HTTP, BentoML, kernel and client",
        "take of any request. The rest is reading and checking the body, counting, and what else ran on the machine.",
        "",
    ]
    names = list(next(iter(found.milliseconds.values())))
    http = _quantile(found.loads[HEALTH][OURS], 0.5)
    rows = []
    for case, steps in found.milliseconds.items():
        total = _quantile(found.loads[case][OURS], 0.5)
        rest = total - http - sum(steps.values())
        figures = (*(steps[name] for name in names), http, rest, total)
        rows.append((case.name, *(f"{max(0.0, figure):.3f}" for figure in figures)))
    return lines + report.table(["ms", *names, "GET /health", "the rest", "p50 seen by the client"], rows)


def _raw(found: Measured) -> dict[str, object]:
    loads = {
        case.name: {
            side: [
                {"per_second": load.per_second, "requests": len(load.latencies), "errors": load.errors[:10]}
                | {f"p{share * 100:g}_ms": load.quantile(share) for share in (0.5, 0.9, 0.99, 0.999, 1)}
                for load in rounds
            ]
            for side, rounds in sides.items()
        }
        for case, sides in found.loads.items()
    }
    steps = {case.name: dict(found_steps) for case, found_steps in found.milliseconds.items()}
    return {
        "agreement": dict(found.agreement),
        "loads": loads,
        "resident_mb": dict(found.memory),
        "our_ms_by_step": steps,
    }


def _ratios(found: Measured) -> dict[str, float]:
    return {
        f"{case.name}, requests/s against {side}": round(_faster(sides, side), 2)
        for case, sides in found.loads.items()
        if case.tasks
        for side in sides
        if side != OURS
    }


def _faster(sides: Mapping[str, list[Load]], side: str) -> float:
    return ratio([load.per_second for load in sides[OURS]], [load.per_second for load in sides[side]])


def _quantile(loads: list[Load], share: float) -> float:
    return median([load.quantile(share) for load in loads])


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


def _plot(figure: "Figure", measured: Mapping[str, Measured]) -> None:
    """Requests a second and latency of the first data set, on logarithmic axes."""
    name, found = next(iter(measured.items()))
    cases = [case for case in found.loads if case.tasks]
    speed, latency = figure.subplots(1, 2)
    sides = list(found.loads[ONE])
    width = 0.8 / len(sides)
    for number, side in enumerate(sides):
        places = [position + number * width for position in range(len(cases))]
        loads = [found.loads[case][side] for case in cases]
        bars = speed.bar(places, [median([load.per_second for load in rounds]) for rounds in loads], width, label=side)
        speed.bar_label(bars, fmt="%.0f", fontsize=7)
        middle = [_quantile(rounds, 0.5) for rounds in loads]
        above = [_quantile(rounds, 0.99) - half for rounds, half in zip(loads, middle, strict=True)]
        latency.bar(places, middle, width, yerr=[[0] * len(cases), above], capsize=3, color=COLOURS[side])
        for bar in bars:
            bar.set_color(COLOURS[side])
    for axes, title in ((speed, "requests a second"), (latency, "ms: p50, whisker to p99")):
        axes.set_yscale("log")
        axes.set_title(f"{title} ({name})", fontsize=9)
        axes.set_xticks([place + 0.4 - width / 2 for place in range(len(cases))])
        axes.set_xticklabels([case.name.replace(", ", ",\n").replace(" of ", "\nof ") for case in cases], fontsize=7)
    figure.legend(*speed.get_legend_handles_labels(), loc="outside lower center", ncols=len(sides), fontsize=7)
