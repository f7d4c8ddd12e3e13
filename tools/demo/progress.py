"""What the demo shows while it works: steps with their times, also where the output is no terminal."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Show:
    """Running steps live at the bottom, finished ones as lines above."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show running steps for the length of the block."""
        with self._progress:
            yield

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One step; several may run at the same time."""
        began = time.monotonic()
        running = self._progress.add_task(what, total=None)
        try:
            yield
        except BaseException:
            self._line("[red]✗[/]", what, time.monotonic() - began)
            raise
        else:
            self._line("[green]✓[/]", what, time.monotonic() - began)
        finally:
            self._progress.remove_task(running)

    def fact(self, what: str) -> None:
        """Something that was seen."""
        self._line("[blue]•[/]", what, None)

    def _line(self, mark: str, what: str, seconds: float | None) -> None:
        took = "" if seconds is None else f"  [dim]{seconds:.1f} s[/]"
        with self._lock:
            self.console.print(f"[dim]{self.seconds:6.1f} s[/]  {mark} {what}{took}", highlight=False, soft_wrap=True)
