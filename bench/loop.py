"""How long from the Nth annotation until the new version answers through the Service, and where the time goes.

`python -m bench.loop [--rounds 10] [--labels 1000 10000]` on the real parts: cluster, Label Studio, registry, operator,
backend. One project per number of labels; its first training is not measured. Writes the page `loop`, with the floor
of each step next to it (`bench.loop_floor`).
"""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from examples.tickets.generator import LABELS, tickets
from tests.support.backend import Backend
from tests.support.lab import Lab
from tests.support.load import load
from tests.support.rounds import round_steps
from tests.support.timeline import Timeline
from tests.support.user import choices_config
from tests.support.waiting import PATIENCE, eventually

from bench import report
from bench.loop_floor import floor
from bench.measuring import median
from labcluster import Cluster

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLUSTER = "bench"
EVERY = 20
INTERVAL = 0.02
BATCH = 1000
"""Tasks per import request."""
FLOORS = 5
"""Rounds of programs that do nothing."""
Steps = dict[str, float]
"""Seconds by step, in their order."""


def measure(lab: Lab, labels: int, rounds: int) -> list[Steps]:
    """The steps of each round of a project with so many labels, in seconds."""
    namespace = f"bench-{labels}"
    label_config = choices_config(LABELS)
    made = tickets(labels + rounds * EVERY)
    project = lab.user.create_project(f"Bench {labels}", label_config)
    lab.kube.create_namespace(namespace)
    lab.connect(namespace)
    backend = lab.backend(namespace)
    known = [(ticket.text, ticket.label) for ticket in made[:labels]]
    for start in range(0, labels, BATCH):
        lab.user.import_annotated(project, known[start : start + BATCH])
    tasks = lab.user.import_tasks(project, [{"text": ticket.text} for ticket in made[labels:]])
    connection = {"connectionSecretRef": {"name": "label-studio"}, "project": project}
    backend.apply({"labelStudio": connection, "training": {"updatesPerTraining": EVERY}})
    settled(backend, backend.wait_version_other_than(None))
    todo = [(task, ticket.label) for task, ticket in zip(tasks, made[labels:], strict=True)]
    seen = []
    for number in range(rounds):
        seen.append(one_round(lab, backend, project, label_config, todo[number * EVERY : (number + 1) * EVERY]))
        print(f"{labels} labels, round {number + 1}: {seen[-1]}", flush=True)
    backend.delete()
    eventually(lambda: backend.read() is None, PATIENCE, "the resource's end")
    return seen


def one_round(lab: Lab, backend: Backend, project: int, label_config: str, todo: list[tuple[int, str]]) -> Steps:
    """Annotate all but one, wait until that is counted, then one more: the clock runs from its answer."""
    before = backend.version
    lab.user.annotate_all(todo[:-1])
    backend.wait_pending(len(todo) - 1)
    with (
        Timeline(lab.kube, backend.namespace) as timeline,
        load(lab.cluster, backend.address, f"{project}.1", label_config, INTERVAL) as requests,
    ):
        lab.user.annotate(*todo[-1])
        began = time.time()
        version = backend.wait_version_other_than(before)
        settled(backend, version)
    assert not requests.failures, requests.failures[:3]
    return round_steps(timeline, began, version, requests.first_seen[version])


def settled(backend: Backend, version: str) -> None:
    """Wait until the old version is gone and the title tells the new one, so that rounds do not overlap."""
    eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
    eventually(lambda: backend.status["labelStudio"].get("title") == version, PATIENCE, backend.told)


def by_step(rounds: Sequence[Steps]) -> dict[str, list[float]]:
    """The seconds of each step over all rounds that had it."""
    names = dict.fromkeys(name for steps in rounds for name in steps)
    return {name: [steps[name] for steps in rounds if name in steps] for name in names}


def write(cases: Mapping[int, list[Steps]], floors: list[Steps], target: Path) -> Path:
    """Raw numbers as JSON; median, worst and floor of each step as a table; the medians as a plot."""
    lowest = {name: median(seconds) for name, seconds in by_step(floors).items()}
    lines = [
        f"Real parts on the test cluster, made by `make bench-loop`. Each round adds {EVERY} annotations; one pair of",
        f"requests every {INTERVAL * 1000:.0f} ms tells when the Service first predicts with the new version.",
        "Floor: the same pods with programs that do nothing (`python -c pass`, the standard library's web server),",
        f"median of {len(floors)}; what the cluster and Python's start take whatever we do.",
        "",
    ]
    for labels, rounds in cases.items():
        rows = [
            (name, f"{median(seconds):.2f}", f"{max(seconds):.2f}", f"{lowest[name]:.2f}" if name in lowest else "")
            for name, seconds in by_step(rounds).items()
        ]
        lines += [f"## {labels:,} labels, {len(rounds)} rounds", ""]
        lines += report.table(["step", "median s", "worst s", "floor s"], rows)
    title = "From the Nth annotation to the new version answering"
    data = {"rounds": {str(labels): rounds for labels, rounds in cases.items()}, "floors": floors}

    def plot(figure: "Figure") -> None:
        _plot(figure, {**{f"{labels:,} labels": rounds for labels, rounds in cases.items()}, "floor": floors})

    return report.write("loop", title, lines, data, plot, target=target)


def _plot(figure: "Figure", bars: Mapping[str, Sequence[Steps]]) -> None:
    """One bar for each case, its steps one after another."""
    import matplotlib as mpl

    axis = figure.subplots()
    steps = {
        name: {step: median(seconds) for step, seconds in by_step(rounds).items()} for name, rounds in bars.items()
    }
    names = dict.fromkeys(
        step
        for medians in steps.values()
        for step in medians
        if step != "total" and not step.startswith(("in ", "title"))
    )
    colours = mpl.colormaps["tab10"]
    ends = dict.fromkeys(bars, 0.0)
    for number, step in enumerate(names):
        widths = [steps[bar].get(step, 0.0) for bar in bars]
        axis.barh(list(bars), widths, left=list(ends.values()), color=colours(number % 10), label=step)
        ends = {bar: ends[bar] + width for bar, width in zip(bars, widths, strict=True)}
    axis.set_xlabel("seconds after the Nth annotation")
    axis.invert_yaxis()
    figure.legend(loc="outside lower center", ncols=3, fontsize=7)


def main(argv: list[str] | None = None) -> int:
    """Measure on a cluster of its own."""
    parser = report.arguments(__doc__, rounds=10, data=False)
    parser.add_argument("--labels", type=int, nargs="+", default=[1000, 10_000], help="annotations before the rounds")
    chosen = parser.parse_args(argv)
    cluster = Cluster.create(CLUSTER)
    try:
        lab = Lab.start(cluster, {})
        floors = [floor(lab.kube, f"floor-{number}", lab.backend_image) for number in range(FLOORS)]
        cases = {labels: measure(lab, labels, chosen.rounds) for labels in chosen.labels}
    finally:
        cluster.delete()
    print(write(cases, floors, chosen.out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
