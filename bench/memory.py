"""How long a backend takes to start and how much memory it needs, next to the peer in the same run.

Any two commands that serve on loopback, `{port}` stands for the port they are to use:
    python -m bench.memory --ours "env PORT={port} labelloop serve" --peer "COMMAND {port}" --ready-path /health
Both with a model of the same texts, ours trained by the library, the peer (label-studio-ml's sklearn_text_classifier)
by its own `fit`, from a clone of its repository:
    python -m bench.memory --start --peer-checkout DIR --data FILE.csv
"""

import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import free_port

from bench import http_load, peer, report, server
from bench.label_studio_requests import label_config, predict_body
from bench.measuring import alternating, median, ratio
from bench.report import Rows
from bench.server import Launch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, PEER = "ours", "peer"
REQUESTS = 300
"""Predictions before the memory is taken a second time: caches are filled and the heap has its size."""
POLL_SECONDS = 0.005
SETTLE_SECONDS = 300.0


@dataclass(frozen=True)
class Side:
    """A server to start again and again."""

    launch: Callable[[int], Launch]
    """How it is started on a port."""
    ready_path: str


@dataclass(frozen=True)
class Start:
    """One start."""

    seconds: float
    """From the process's start to the first 200 at the ready path."""
    processor_seconds: float
    """Of all its processes until then."""
    megabytes: float
    """Resident, of all its processes, when it was ready."""
    megabytes_used: float | None
    """The same after REQUESTS predictions; None when none were asked."""


def start_once(side: Side, folder: Path, bodies: Sequence[bytes]) -> Start:
    """Start the server, wait until it is ready, ask it, end it.

    Raises RuntimeError with the end of its output when it does not become ready.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    began = time.perf_counter()
    process = side.launch(port).start(log)
    try:
        while not _is_ready(url, side.ready_path):
            if process.poll() is not None or time.perf_counter() - began > SETTLE_SECONDS:
                raise RuntimeError(f"it does not answer at {url}{side.ready_path}:\n{log.read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - began
        processor, megabytes = _processor_seconds(process.pid), server.resident_megabytes(process.pid)
        used = None
        if bodies:
            for number in range(REQUESTS):
                http_load.fetch(url, http_load.request(url, "/predict", bodies[number % len(bodies)]))
            used = server.resident_megabytes(process.pid)
        return Start(seconds, processor, megabytes, used)
    finally:
        server.end(process)


def _is_ready(url: str, path: str) -> bool:
    try:
        http_load.fetch(url, http_load.request(url, path))
    except OSError:
        return False
    return True


def _processor_seconds(pid: int) -> float:
    """User and system time of a process and its children that live."""
    told = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = (int(told[11]) + int(told[12])) / 100  # USER_HZ is 100 on every Linux that user space sees
    return own + sum(_processor_seconds(int(child)) for child in children)


def measure(sides: Mapping[str, Side], bodies: Sequence[bytes], rounds: int) -> dict[str, list[Start]]:
    """Starts of each side, in turns; one of each before, uncounted, brings the files into the page cache."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:

        def start(name: str) -> Start:
            done = start_once(sides[name], Path(folder), bodies)
            print(f"{name}: ready after {done.seconds:.2f} s, {done.megabytes:.0f} MB", flush=True)
            return done

        calls = {name: partial(start, name) for name in sides}
        for call in calls.values():
            call()
        return alternating(rounds, calls)


@contextmanager
def trained(rows: Rows, checkout: Path | None) -> Iterator[dict[str, Side]]:
    """Ours and, with a checkout, the peer, each with a model of `rows`."""
    parent = report.ROOT / "build/bench"  # on disk, as a user's model folder would be
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        folder = Path(name)
        server.train_ours(rows, folder / "model")
        sides = {OURS: Side(lambda port: server.launch_ours(folder / "model", port), "/readyz")}
        if checkout is not None:
            python = peer.install(checkout)
            peer.train(checkout, python, rows, folder / "peer")
            sides[PEER] = Side(lambda port: peer.launch(checkout, python, folder / "peer", port), "/health")
        yield sides


def given(command: str, ready_path: str) -> Side:
    """A side from a command line with `{port}` in it. Leaves the program when it is not there."""
    if "{port}" not in command:
        raise SystemExit(f"{command!r} has no {{port}}: write it where the port is to stand")
    return Side(lambda port: Launch(shlex.split(command.replace("{port}", str(port))), {}), ready_path)


def write(measured: Mapping[str, Mapping[str, list[Start]]], rounds: int, out: Path) -> Path:
    """Page, JSON and plot."""
    lines = [*METHOD.format(rounds=rounds, requests=REQUESTS).strip().splitlines(), ""]
    ratios: dict[str, float] = {}
    data: dict[str, object] = {"rounds": rounds}
    for name, starts in measured.items():
        lines += [f"## {name}", "", *_table(starts), ""]
        data[name] = {side: [vars(start) for start in done] for side, done in starts.items()}
        if PEER in starts:
            ratios[f"{name}: start"] = _ratio(starts, "seconds")
            ratios[f"{name}: memory when ready"] = _ratio(starts, "megabytes")
    data["ratios"] = ratios
    return report.write(
        "memory", "Start-up and memory", lines, data, lambda figure: _plot(figure, measured), target=out
    )


METHOD = """
{rounds} interleaved starts of each, after one that is not counted. `start` is the time from the process's start to
the first 200 (of ours at `/readyz`, which asks for a loaded model that has answered golden texts; of the peer at
`/health`), `processor` what all its processes used until then. Memory is resident memory of all its processes, when
ready and after {requests} predictions of one text. Medians; ratios are the median of the rounds' own.
"""


def _table(starts: Mapping[str, list[Start]]) -> list[str]:
    rows: list[list[object]] = []
    for name, done in starts.items():
        used = [start.megabytes_used for start in done if start.megabytes_used is not None]
        rows.append(
            [
                name,
                f"{median([start.seconds for start in done]):.2f}",
                f"{median([start.processor_seconds for start in done]):.2f}",
                f"{median([start.megabytes for start in done]):.0f}",
                f"{median(used):.0f}" if used else "-",
            ]
        )
    if PEER in starts:
        told = [f"{_ratio(starts, field):.1f} x" for field in ("seconds", "processor_seconds", "megabytes")]
        both = all(start.megabytes_used is not None for done in starts.values() for start in done)
        rows.append(["better by", *told, f"{_ratio(starts, 'megabytes_used'):.1f} x" if both else "-"])
    return report.table(["", "start s", "processor s", "MB when ready", "MB after predictions"], rows)


def _ratio(starts: Mapping[str, list[Start]], field: str) -> float:
    return ratio([getattr(start, field) for start in starts[PEER]], [getattr(start, field) for start in starts[OURS]])


def _plot(figure: "Figure", measured: Mapping[str, Mapping[str, list[Start]]]) -> None:
    axes = figure.subplots(1, 2)
    for axis, (field, told) in zip(
        axes, {"seconds": "seconds until ready", "megabytes": "resident MB when ready"}.items(), strict=True
    ):
        bars = [(name, side, done) for name, starts in measured.items() for side, done in starts.items()]
        colours = [report.OURS if side == OURS else report.PEER for _name, side, _done in bars]
        heights = [median([getattr(start, field) for start in done]) for *_names, done in bars]
        axis.bar([f"{side}\n{name}" for name, side, _done in bars], heights, color=colours)
        axis.set_title(told)
        axis.set_ylim(bottom=0)


def main(argv: list[str] | None = None) -> int:
    """Measure and write the report."""
    parser = report.arguments(__doc__, rounds=10)
    parser.add_argument("--ours", metavar="COMMAND", help="with {port} in it")
    parser.add_argument("--peer", metavar="COMMAND", help="with {port} in it")
    parser.add_argument("--ready-path", default="/health", help="answers 200 when a COMMAND is ready")
    parser.add_argument("--start", action="store_true", help="train and start both here")
    parser.add_argument("--peer-checkout", type=Path, metavar="DIR", help="clone of label-studio-ml-backend")
    chosen = parser.parse_args(argv)
    if chosen.start == bool(chosen.ours):
        parser.error("give either --start or --ours COMMAND (with --peer COMMAND)")
    measured: dict[str, Mapping[str, list[Start]]] = {}
    if chosen.start:
        for name, rows in report.data_sets(chosen).items():
            with trained(rows, chosen.peer_checkout) as sides:
                measured[name] = measure(sides, _bodies(rows), chosen.rounds)
    else:
        sides = {OURS: given(chosen.ours, chosen.ready_path)}
        if chosen.peer:
            sides[PEER] = given(chosen.peer, chosen.ready_path)
        measured["commands"] = measure(sides, (), chosen.rounds)
    print(write(measured, chosen.rounds, chosen.out).read_text())
    return 0


def _bodies(rows: Rows) -> list[bytes]:
    config = label_config(server.labels_of(rows))
    return [predict_body([text], config) for text, _label in rows[:: max(1, len(rows) // 100)]]


if __name__ == "__main__":
    sys.exit(main())
