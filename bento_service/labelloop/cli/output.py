"""What commands print: lines and tables for people, one JSON object for programs, and steps on standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

FAILED, NOT_ENOUGH_DATA = 1, 3
ANY_WIDTH = 100_000
"""Of a table in a pipe: nothing is cut or folded."""

JSON_OPTION = typer.Option(False, "--json", help="End with one JSON object on the last line of standard output.")


class CommandError(Exception):
    """A command cannot be done: one line that names what is wrong and the remedy."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def print_result(as_json: bool, document: Mapping[str, object], lines: Iterable[str]) -> None:
    """The lines, or the document as the last line."""
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))
    else:
        for line in lines:
            typer.echo(line)


def warn(message: str) -> None:
    """One line on standard error."""
    typer.echo(f"labelloop: {message}", err=True)


@contextmanager
def working(step: str) -> Iterator[Callable[[float], None]]:
    """A step that takes its time, on standard error. Gives what is called with the share that is done, 0 to 1.

    A terminal shows a spinner, the share and the time; a pipe or a log gets one line with the time when it is done.
    """
    if not sys.stderr.isatty():
        began = time.monotonic()
        yield lambda _share: None
        sys.stderr.write(f"labelloop: {step}: {time.monotonic() - began:.1f} s\n")
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    # The share is empty as long as it is not known.
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(step, total=None)
        yield lambda share: progress.update(task, total=1.0, completed=share)


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table in aligned columns, as `kubectl get` prints it; never narrower than its cells."""
    from rich.table import Table

    drawn = Table(*columns, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for row in rows:
        drawn.add_row(*row)
    return _drawn(drawn)


def _drawn(item: "RenderableType") -> list[str]:
    from rich.console import Console

    console = Console(width=ANY_WIDTH, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(item, markup=False)
    return [line.rstrip() for line in captured.get().splitlines()]


def ago(moment: str | None, now: datetime | None = None) -> str:
    """An RFC 3339 time as people say it, such as `2 min ago`; empty when not known."""
    try:
        then = datetime.fromisoformat(moment or "")
    except ValueError:
        return moment or ""
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "now" if seconds < 1 else f"{int(seconds)} s ago"
