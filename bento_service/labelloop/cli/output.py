"""What commands say: lines for people, one JSON object for programs, progress for who waits at a terminal."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import typer

FAILED, NOT_ENOUGH_DATA = 1, 3

JSON_OPTION = typer.Option(False, "--json", help="End with one JSON object on the last line of standard output.")


class CommandError(Exception):
    """A command cannot be done: one line that names what is wrong and the remedy."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def tell(as_json: bool, document: Mapping[str, object], lines: Iterable[str]) -> None:
    """The lines, or the document as the last line."""
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))
    else:
        for line in lines:
            typer.echo(line)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on standard error while something takes its time; nothing where nobody looks."""
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """A table for people, on standard output."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns, title=title, title_justify="left")
    for row in rows:
        drawn.add_row(*row)
    Console().print(drawn)
