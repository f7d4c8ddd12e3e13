"""A hundred roll-outs and twenty roll-backs under constant load on the real cluster: no request may fail.

`python -m bench.soak [--rollouts 100] [--rollbacks 20] [--cluster NAME]` (`make soak`). Writes the page `soak`; exit
code 1 when a request failed.
"""

import sys
import time

from examples.tickets.generator import LABELS, tickets
from tests.support.backend import Backend, Json
from tests.support.lab import CONNECTION_SECRET, Lab
from tests.support.soak import INTERVAL, Soak, soak
from tests.support.user import choices_config
from tests.support.waiting import PATIENCE, eventually

from bench import report
from bench.measuring import median
from labcluster import Cluster

NAMESPACE = "soak"
ROUND = 24
VERSIONS = 3


def trained(lab: Lab, label_config: str) -> tuple[Backend, Json, list[str]]:
    """A resource with some versions in its history, its spec, and the versions."""
    project = lab.user.create_project("Soak", label_config)
    lab.kube.create_namespace(NAMESPACE)
    lab.connect(NAMESPACE)
    backend = lab.backend(NAMESPACE)
    connection = {"connectionSecretRef": {"name": CONNECTION_SECRET}, "project": project}
    spec: Json = {"labelStudio": connection, "evaluation": {"mode": "Audit"}, "serving": {"replicas": 2}}
    backend.apply(spec | {"training": {"updatesPerTraining": ROUND}})
    versions: list[str] = []
    made = tickets(ROUND * VERSIONS)
    for number in range(VERSIONS):
        part = made[number * ROUND : (number + 1) * ROUND]
        lab.user.import_annotated(project, [(ticket.text, ticket.label) for ticket in part])
        versions.append(backend.wait_version_other_than(None, *versions))
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
    return backend, spec | {"training": {"updatesPerTraining": 1_000_000}}, versions


def lines(done: Soak) -> list[str]:
    """The page."""
    seen = done.report
    rows = [
        ("roll-outs", f"{len(done.rollouts)}"),
        ("roll-backs, each while the version it goes back to was being drained", f"{len(done.rollbacks)}"),
        ("requests", f"{2 * seen.pairs:,}"),
        ("failed requests", f"{len(seen.failures)}"),
        ("minutes", f"{done.seconds / 60:.0f}"),
        ("seconds of a roll-out, median and worst", f"{median(done.rollouts):.1f}, {max(done.rollouts):.1f}"),
        ("seconds of a roll-back, median and worst", f"{median(done.rollbacks):.1f}, {max(done.rollbacks):.1f}"),
        ("slowest pair of requests, s", f"{seen.longest:.2f}"),
    ]
    return [
        "Real cluster, operator, registry and Label Studio. `spec.model.pinnedVersion` changes between versions",
        f"of two replicas each. A pair of requests (/setup, then /predict) starts every {INTERVAL * 1000:.0f} ms, on a",
        "new connection to the Service, without retries; any answer but 200 with the expected shape counts as failed.",
        "",
        *report.table(["", ""], rows),
        *(["", "Failed:", "", *(f"- {failure}" for failure in seen.failures[:20])] if seen.failures else []),
    ]


def main(argv: list[str] | None = None) -> int:
    """Run on a cluster of its own; returns 1 when a request failed."""
    parser = report.arguments(__doc__, rounds=0, data=False)
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--rollbacks", type=int, default=20)
    parser.add_argument("--cluster", default="soak", help="name of the cluster, which is deleted afterwards")
    chosen = parser.parse_args(argv)
    label_config = choices_config(LABELS)
    cluster = Cluster.create(chosen.cluster)
    try:
        lab = Lab.start(cluster, {})
        backend, spec, versions = trained(lab, label_config)

        def tell(what: str) -> None:
            print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)

        done = soak(lab, backend, spec, label_config, versions, chosen.rollouts, chosen.rollbacks, tell)
    finally:
        cluster.delete()
    data = {
        "rollouts": done.rollouts,
        "rollbacks": done.rollbacks,
        "pairs": done.report.pairs,
        "failures": done.report.failures,
        "seconds": done.seconds,
    }
    page = report.write("soak", "Roll-outs and roll-backs under load", lines(done), data, target=chosen.out)
    print(page.read_text())
    return 1 if done.report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
