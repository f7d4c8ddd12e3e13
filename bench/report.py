"""What a measurement leaves behind: a page, raw numbers and a plot, with the machine they come from."""

import argparse
import csv
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/benchmarks"
Rows = Sequence[tuple[str, str]]
"""Texts with their labels."""
OURS, PEER = "#1f6feb", "#9a6700"
"""The same two colours in every plot."""


def machine() -> str:
    """Cores, processor, memory, kernel, Python and date, in one line."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    told = [
        f"{os.cpu_count()} cores" + (f" ({cpu[1].strip()})" if cpu else ""),
        f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    return ", ".join(part for part in told if part)


def write(
    name: str,
    title: str,
    lines: Sequence[str],
    data: Mapping[str, object],
    plot: "Callable[[Figure], None] | None" = None,
    *,
    target: Path = TARGET,
) -> Path:
    """Write `name`.md (title, machine, plot, lines), `name`.json and, when `plot` draws, `name`.svg; the page's path.

    `data["ratios"]`, when there, is {what was compared: how many times better we are}: `make bench` tells them all in
    one table. The machine is added to page and data.
    """
    target.mkdir(parents=True, exist_ok=True)
    told = machine()
    (target / f"{name}.json").write_text(json.dumps({"machine": told, **data}, indent=1, ensure_ascii=False) + "\n")
    head = [f"# {title}", "", f"Made by `python -m bench.{name}` on {told}.", ""]
    if plot is not None:
        _draw(plot, target / f"{name}.svg")
        head += [f"![{title}]({name}.svg)", ""]
    page = target / f"{name}.md"
    page.write_text("\n".join([*head, *lines]).rstrip() + "\n")
    return page


def read_csv(path: Path, text_column: str = "text", label_column: str = "label") -> list[tuple[str, str]]:
    """Texts and labels of a CSV file with a header.

    Leaves the program with one line on stderr when the file or a column is not there: no other column is guessed.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            for column, option in ((text_column, "--text-column"), (label_column, "--label-column")):
                if column not in (reader.fieldnames or ()):
                    there = ", ".join(reader.fieldnames or ()) or "none"
                    raise SystemExit(f"{path} has no column {column} (columns: {there}): name it with {option}")
            rows = [(row[text_column], row[label_column]) for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path} cannot be read ({error}): give --data a CSV file in UTF-8") from None
    return [(text, label) for text, label in rows if text and label]


def example_data(count: int = 4000) -> list[tuple[str, str]]:
    """Texts and labels of the project's own tickets, when no --data is given."""
    from examples.tickets import tickets

    return [(ticket.text, ticket.label) for ticket in tickets(count)]


def arguments(description: str | None, *, rounds: int, data: bool = True) -> argparse.ArgumentParser:
    """A parser with the options every measurement has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET, help="folder of the report (default: docs/benchmarks)")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"interleaved rounds (default: {rounds})")
    if data:
        parser.add_argument(
            "--data",
            type=Path,
            nargs="+",
            action="extend",
            default=[],
            metavar="FILE.csv",
            help="default: examples/tickets",
        )
        parser.add_argument("--text-column", default="text")
        parser.add_argument("--label-column", default="label")
    return parser


def data_sets(chosen: argparse.Namespace) -> dict[str, list[tuple[str, str]]]:
    """Name -> texts and labels of each --data file, or the tickets; a file's name comes with its folder's."""
    if not chosen.data:
        return {"tickets": example_data()}
    return {
        "/".join(path.with_suffix("").parts[-2:]): read_csv(path, chosen.text_column, chosen.label_column)
        for path in chosen.data
    }


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table; the first column is text, the others are numbers."""
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    return [*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows), ""]


def _draw(plot: "Callable[[Figure], None]", path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # No date and no random ids: the same numbers give the same file.
    with mpl.rc_context({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        FigureCanvasSVG(figure)
        plot(figure)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
