"""What the demo shows while it works: each step when it starts, when it ends, and meanwhile that it still runs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

HEARTBEAT = 20.0
"""Seconds after which a step that has shown nothing is reported as running."""


@dataclass(eq=False)
class Step:
    """A step that runs."""

    what: str
    began: float
    reported: float
    """When something of it was shown last."""
    latest: str = ""


class Show:
    """On a terminal running steps are live at the bottom, finished ones lines above; elsewhere every line stays."""

    def __init__(
        self, console: Console, heartbeat: float = HEARTBEAT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console
        self.failed = ""
        """The step that failed first."""
        self._heartbeat = heartbeat
        self._clock = clock
        self._began = clock()
        self._running: list[Step] = []
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._lock = threading.RLock()

    @property
    def seconds(self) -> float:
        """Seconds since the demo began."""
        return self._clock() - self._began

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show running steps for the length of the block: as spinners, or by a line from time to time."""
        ended = threading.Event()
        beats = threading.Thread(target=self._beat_until, args=(ended,), daemon=True)
        with self._progress:
            if not self.console.is_terminal:
                beats.start()
            try:
                yield
            finally:
                ended.set()

    def _beat_until(self, ended: threading.Event) -> None:
        while not ended.wait(self._heartbeat / 4):
            self.report_silent()

    def report_silent(self) -> None:
        """One line for each running step that has shown nothing for the length of a heartbeat."""
        with self._lock:
            for step in self._running:
                if self._clock() - step.reported < self._heartbeat:
                    continue
                step.reported = self._clock()
                latest = f"; last output: {step.latest}" if step.latest else ""
                told = f"{step.what}: still running after {self._clock() - step.began:.0f} s{latest}"
                self._line("[dim]…[/]", escape(told), None)

    @contextmanager
    def step(self, what: str, usual: str = "") -> Iterator[Step]:
        """One step, with the time that it usually takes; several may run at the same time."""
        step = Step(what, self._clock(), self._clock())
        described = f"{what} [dim](usually {usual})[/]" if usual else what
        task = self._progress.add_task(described, total=None)
        with self._lock:
            self._running.append(step)
            if not self.console.is_terminal:
                self._line("[dim]…[/]", described, None)
        mark = "[red]✗[/]"
        try:
            yield step
            mark = "[green]✓[/]"
        except BaseException:
            self.failed = self.failed or what
            raise
        finally:
            with self._lock:
                self._running.remove(step)
                self._line(mark, what, self._clock() - step.began)
            self._progress.remove_task(task)

    def output(self, step: Step, line: str) -> None:
        """A line of output of the program that does a step's work."""
        with self._lock:
            step.latest, step.reported = line, self._clock()
            self._line("[dim]·[/]", escape(line), None)

    def fact(self, what: str) -> None:
        """Something that was seen."""
        self._line("[blue]•[/]", what, None)

    def _line(self, mark: str, what: str, seconds: float | None) -> None:
        took = "" if seconds is None else f"  [dim]{seconds:.1f} s[/]"
        with self._lock:
            self.console.print(f"[dim]{self.seconds:6.1f} s[/]  {mark} {what}{took}", highlight=False, soft_wrap=True)
