"""How fast `/predict` answers, next to the peer in the same run.

Two backends that run already, on loopback:
    python -m bench.predict --ours URL --peer URL --data FILE.csv
Both started here, ours with a model trained by the library, the peer (label-studio-ml's sklearn_text_classifier)
from a clone of its repository as its README says, and again with its model folder in memory:
    python -m bench.predict --start --peer-checkout DIR --data FILE.csv
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from bench import http_load, peer, report, request_steps, server
from bench.http_load import Load
from bench.label_studio_requests import label_config, lengthened, predict_body, setup_body
from bench.measuring import alternating
from bench.predict_report import (
    BATCH,
    HEALTH,
    LONG_CHARACTERS,
    MANY,
    ONE,
    OURS,
    PEER,
    PEER_IN_MEMORY,
    Case,
    Measured,
    write,
)
from bench.report import Rows

ASKED = 200
"""Texts whose answers are looked at."""
BODIES = 200
"""Different requests in turns: no cache of answers would help."""


@dataclass(frozen=True)
class Side:
    """A backend to measure."""

    url: str
    pid: int | None = None
    """Its process, when its memory shall be reported."""
    model: Path | None = None
    """Our model folder, to tell where the time of a request goes."""


def measure(sides: Mapping[str, Side], rows: Rows, chosen: argparse.Namespace) -> Measured:
    """All cases with the texts of one data set."""
    config = label_config(server.labels_of(rows))
    agreed = {name: agreement(side, rows, config) for name, side in sides.items()}
    bodies = {case: _bodies(rows, config, case.tasks) for case in (ONE, BATCH, MANY)}
    memory: dict[str, tuple[float, float]] = {}
    loads = {case: _rounds(sides, case, bodies[case], chosen.rounds, chosen.round_seconds) for case in (ONE, BATCH)}
    loads[MANY] = _rounds(sides, MANY, bodies[MANY], 1, chosen.seconds, memory)
    # What a request costs before any prediction: the same server, connection and client.
    loads[HEALTH] = _rounds(sides, HEALTH, [b""], chosen.rounds, chosen.round_seconds)
    model = sides[OURS].model
    steps = {} if model is None else {case: request_steps.milliseconds(model, bodies[case]) for case in (ONE, BATCH)}
    return Measured(rows, agreed, loads, memory, steps)


def agreement(side: Side, rows: Rows, config: str) -> float:
    """Share of some of the texts that get their own label: shows that a model of these data answers.

    Sets up first, as Label Studio does. Leaves the program when no predictions come back.
    """
    asked = rows[:: max(1, len(rows) // ASKED)]
    try:
        http_load.fetch(side.url, http_load.request(side.url, "/setup", setup_body(config)))
        body = predict_body([text for text, _label in asked], config)
        results = json.loads(http_load.fetch(side.url, http_load.request(side.url, "/predict", body)))["results"]
        answers = [entry["result"][0]["value"]["choices"] for entry in results]
    except (OSError, ValueError, LookupError) as error:
        raise SystemExit(f"{side.url} does not predict as an ML backend of Label Studio does: {error!r}") from None
    own: list[bool] = [answer == [label] for answer, (_text, label) in zip(answers, asked, strict=True)]
    return sum(own) / len(asked)


def _bodies(rows: Rows, config: str, tasks: int) -> list[bytes]:
    texts = [text for text, _label in rows]
    # Spread over the whole file: data are often sorted by label.
    spread = cycle([texts[start] for offset in range(97) for start in range(offset, len(texts), 97)])
    wanted = spread if tasks == 1 else lengthened(spread, LONG_CHARACTERS)
    return [predict_body(list(islice(wanted, tasks)), config) for _ in range(BODIES)]


def _rounds(
    sides: Mapping[str, Side],
    case: Case,
    bodies: Sequence[bytes],
    rounds: int,
    seconds: float,
    memory: dict[str, tuple[float, float]] | None = None,
) -> dict[str, list[Load]]:
    path = "/predict" if case.tasks else "/health"
    requests = {name: [http_load.request(side.url, path, body) for body in bodies] for name, side in sides.items()}

    def load(name: str) -> Load:
        side = sides[name]
        # The first requests fill caches and grow the heap to its size; they are not counted.
        http_load.run(side.url, requests[name], min(seconds / 10, 5), case.connections)
        before = None if side.pid is None else server.resident_megabytes(side.pid)
        done = http_load.run(side.url, requests[name], seconds, case.connections)
        if memory is not None and side.pid is not None and before is not None:
            memory[name] = (before, server.resident_megabytes(side.pid))
        print(f"{case.name}: {name}: {done.per_second:.0f}/s, p99 {done.quantile(0.99):.2f} ms", flush=True)
        return done

    return alternating(rounds, {name: (lambda name=name: load(name)) for name in sides})  # type: ignore[misc]


@contextmanager
def started(rows: Rows, checkout: Path | None) -> Iterator[dict[str, Side]]:
    """Ours and, with a checkout, the peer as its README says and with its model folder in memory."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=_build_folder())))
        sides = {OURS: stack.enter_context(server.ours(rows, folder))}
        if checkout is not None:
            python = peer.install(checkout)
            peer.train(checkout, python, rows, folder / "peer")
            sides[PEER] = stack.enter_context(peer.serve(checkout, python, folder / "peer", folder / "peer.log"))
            if peer.IN_MEMORY.is_dir():
                memory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=peer.IN_MEMORY)))
                peer.copy_model(folder / "peer", memory)
                best = peer.serve(checkout, python, memory, folder / "best.log", log_level="WARNING")
                sides[PEER_IN_MEMORY] = stack.enter_context(best)
        models = {OURS: folder / "model"}
        yield {name: Side(running.url, running.pid, models.get(name)) for name, running in sides.items()}


def _build_folder() -> Path:
    # On disk, as a user's model folder would be; /tmp is memory on many machines.
    folder = report.ROOT / "build/bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(argv: list[str] | None = None) -> int:
    """Measure and write the report."""
    parser = report.arguments(__doc__, rounds=5)
    parser.add_argument("--ours", metavar="URL", help="a running backend of ours")
    parser.add_argument("--ours-pid", type=int, help="its process, to tell its memory")
    parser.add_argument("--peer", metavar="URL", help="the running backend to compare with")
    parser.add_argument("--start", action="store_true", help="start both here, on loopback")
    parser.add_argument("--peer-checkout", type=Path, metavar="DIR", help="clone of label-studio-ml-backend")
    parser.add_argument("--seconds", type=float, default=60, help="of the case with 64 connections (default: 60)")
    parser.add_argument("--round-seconds", type=float, default=3, help="of a round of the others (default: 3)")
    chosen = parser.parse_args(argv)
    if chosen.start == bool(chosen.ours):
        parser.error("give either --start or --ours URL (with --peer URL)")
    chosen.load = os.getloadavg()[0]
    measured: dict[str, Measured] = {}
    for name, rows in report.data_sets(chosen).items():
        if chosen.start:
            with started(rows, chosen.peer_checkout) as sides:
                measured[name] = measure(sides, rows, chosen)
        else:
            given = {OURS: Side(chosen.ours, chosen.ours_pid)}
            if chosen.peer:
                given[PEER] = Side(chosen.peer)
            measured[name] = measure(given, rows, chosen)
    print(write(measured, chosen).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
