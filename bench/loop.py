"""How long from the Nth annotation until the new version answers through the Service, and where the time goes.

`python -m bench.loop [--rounds 10]` on the real parts: cluster, Label Studio, registry, operator, backend. Writes
docs/benchmarks/loop.json and loop.md.
"""

import sys
import time
from pathlib import Path

from examples.tickets.generator import LABELS, tickets
from tests.support.backend import Backend
from tests.support.lab import Lab
from tests.support.load import load
from tests.support.rounds import round_steps
from tests.support.timeline import Timeline
from tests.support.user import choices_config
from tests.support.waiting import eventually

from bench import report
from bench.measuring import median
from labcluster import Cluster

CLUSTER = "bench"
NAMESPACE = "bench"
EVERY = 20
BEFORE = 300
"""Annotations of the first training, which is not measured: trainings are then of a real project's size."""
INTERVAL = 0.02


def measure(lab: Lab, rounds: int) -> list[dict[str, float]]:
    """The steps of each round, in seconds."""
    label_config = choices_config(LABELS)
    made = tickets(BEFORE + rounds * EVERY)
    project = lab.user.create_project("Bench", label_config)
    lab.kube.create_namespace(NAMESPACE)
    lab.connect(NAMESPACE)
    backend = lab.backend(NAMESPACE)
    lab.user.import_annotated(project, [(ticket.text, ticket.label) for ticket in made[:BEFORE]])
    tasks = lab.user.import_tasks(project, [{"text": ticket.text} for ticket in made[BEFORE:]])
    connection = {"connectionSecretRef": {"name": "label-studio"}, "project": project}
    backend.apply({"labelStudio": connection, "training": {"everyUpdates": EVERY}})
    settled(backend, backend.wait_version_other_than(None))
    todo = [(task, ticket.label) for task, ticket in zip(tasks, made[BEFORE:], strict=True)]
    seen = []
    for number in range(rounds):
        seen.append(one_round(lab, backend, project, label_config, todo[number * EVERY : (number + 1) * EVERY]))
        print(f"round {number + 1}: {seen[-1]}", flush=True)
    return seen


def one_round(
    lab: Lab, backend: Backend, project: int, label_config: str, todo: list[tuple[int, str]]
) -> dict[str, float]:
    """Annotate all but one, wait until that is counted, then one more: the clock runs from its answer."""
    before = backend.version
    lab.user.annotate_all(todo[:-1])
    backend.wait_pending(len(todo) - 1)
    with (
        Timeline(lab.kube, NAMESPACE) as timeline,
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
    eventually(lambda: len(backend.deployments) == 1, 120, backend.told)
    eventually(lambda: backend.status["labelStudio"].get("title") == version, 60, backend.told)


def write(rounds: list[dict[str, float]], target: Path) -> Path:
    """Raw numbers as JSON, median and worst of each step as a table."""
    names = list(dict.fromkeys(name for steps in rounds for name in steps))
    steps = {name: [round_[name] for round_ in rounds if name in round_] for name in names}
    rows = [(name, f"{median(values):.2f}", f"{max(values):.2f}") for name, values in steps.items()]
    lines = [
        f"{len(rounds)} rounds on the test cluster, made by `make bench-loop`. Each round adds {EVERY} annotations to",
        f"at least {BEFORE}; one pair of requests every {INTERVAL * 1000:.0f} ms tells when the Service first predicts",
        "with the new version.",
        "",
        *report.table(["step", "median s", "worst s"], rows),
    ]
    title = "From the Nth annotation to the new version answering"
    return report.write("loop", title, lines, {"rounds": rounds}, target=target)


def main(argv: list[str] | None = None) -> int:
    """Measure on a cluster of its own."""
    chosen = report.arguments(__doc__, rounds=10, data=False).parse_args(argv)
    cluster = Cluster.create(CLUSTER)
    try:
        rounds = measure(Lab.start(cluster, {}), chosen.rounds)
    finally:
        cluster.delete()
    print(write(rounds, chosen.out).read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
