"""The demo shows each step when it starts, that it still runs, and how it ended; on a terminal and elsewhere."""

import io
import threading

import pytest
from rich.console import Console
from tests.support.waiting import PATIENCE
from tools.demo.progress import HEARTBEAT, Show


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched(io.StringIO):
    """An output that reports when some words were written."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._words in self.getvalue():
            self.seen.set()
        return written


def plain(file: io.StringIO) -> Console:
    return Console(file=file, width=200, color_system=None)


def test_a_step_is_shown_with_its_usual_time_before_its_work_begins() -> None:
    out = io.StringIO()
    show = Show(plain(out))
    with show.step("images", "4 min the first time, 5 s later"):
        assert out.getvalue().rstrip().endswith("… images (usually 4 min the first time, 5 s later)")


def test_a_step_that_ended_tells_how_long_it_took() -> None:
    out, clock = io.StringIO(), Clock()
    show = Show(plain(out), clock=clock)
    clock.now += 2
    with show.step("images"):
        clock.now += 7.5
    assert out.getvalue().splitlines()[-1].split() == ["9.5", "s", "✓", "images", "7.5", "s"]


def test_running_steps_are_reported_with_their_latest_output() -> None:
    out, clock = io.StringIO(), Clock()
    show = Show(plain(out), clock=clock)
    with show.step("images") as step, show.step("Label Studio"):
        show.output(step, "backend: building [cached]")
        clock.now += 31
        show.report_silent()
    reported = [line for line in out.getvalue().splitlines() if "still running" in line]
    assert [line.partition("… ")[2] for line in reported] == [
        "images: still running after 31 s; last output: backend: building [cached]",
        "Label Studio: still running after 31 s",
    ]


def test_steps_that_have_just_shown_something_are_not_reported() -> None:
    out, clock = io.StringIO(), Clock()
    show = Show(plain(out), clock=clock)
    with show.step("images") as step:
        clock.now += HEARTBEAT - 1
        show.output(step, "backend: building")
        clock.now += HEARTBEAT - 1
        show.report_silent()
        assert "still running" not in out.getvalue()
        clock.now += 1
        show.report_silent()
        show.report_silent()
    assert out.getvalue().count("images: still running after 39 s") == 1


def test_without_a_terminal_running_steps_are_reported_again_and_again() -> None:
    out = Watched("images: still running")
    show = Show(plain(out), heartbeat=0.001)
    with show.live(), show.step("images"):
        assert out.seen.wait(PATIENCE)


def test_the_longest_silence_is_under_half_a_minute() -> None:
    assert HEARTBEAT * 1.25 < 30  # silence is looked for four times a heartbeat


def test_the_step_that_failed_first_is_kept() -> None:
    show = Show(plain(io.StringIO()))
    with pytest.raises(RuntimeError), show.step("cluster"), show.step("operator"):
        raise RuntimeError
    assert show.failed == "operator"


def test_a_terminal_shows_running_steps_live_and_keeps_the_finished_ones() -> None:
    out = io.StringIO()
    show = Show(Console(file=out, width=200, force_terminal=True, color_system=None), heartbeat=0.001)
    with show.live(), show.step("images", "5 s"):
        pass
    assert "images (usually 5 s)" in out.getvalue()
    assert "still running" not in out.getvalue()
    assert out.getvalue().count("✓ images") == 1
