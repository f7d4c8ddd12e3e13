"""One size of `bench.scale`: a cluster, the operator's process, simulated Label Studio and nodes."""

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.in_thread import label_studio
from tests.support.waiting import PATIENCE, eventually

from bench.measuring import percentile
from bench.scale_cluster import GROUP, PLURAL, Api, Followed, cluster_for, name_of
from bench.scale_operator import ROOT, Operator

CHANGES = 100


@dataclass(frozen=True)
class Figures:
    """What one size came to."""

    resources: int
    ready_seconds: float
    reads_per_no_op: float
    writes_per_no_op: float
    change_p50_ms: float
    change_p99_ms: float
    restart_seconds: float
    rest_cpu_percent: float
    rss_mb: float


def measure(size: int, rest: float) -> Figures:
    """All figures of one size, in a cluster of its own."""
    name = f"scale-{size}-{os.getpid()}"
    with cluster_for(name, size) as cluster, label_studio() as studio, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for number in range(1, size + 1):
            studio.add_project(number, tasks=1)
        api = Api(cluster)
        cluster.kubectl("apply", "-f", str(ROOT / "crds"))
        cluster.kubectl("wait", "--for=condition=Established", "crd", f"{PLURAL}.{GROUP}", "--timeout=60s")
        api.prepare(studio.url)
        followed, operator = Followed(api), Operator(cluster, folder)
        try:
            operator.wait_started()
            ready = _timed(lambda: _create(api, followed, size))
            if api.calls_of_operator(0)[1] < size:
                raise SystemExit("the audit log does not tell the operator's writes: its figures would mean nothing")
            _settle(operator)
            change = _changes(api, followed, min(size, CHANGES))
            _settle(operator)
            reads, writes = _no_ops(api, operator, min(size, CHANGES))
            before, began = operator.cpu_seconds(), time.monotonic()
            time.sleep(rest)
            cpu = (operator.cpu_seconds() - before) / (time.monotonic() - began)
            rss = operator.rss_mb()
            operator.stop()
            operator = Operator(cluster, folder)
            restart = _timed(lambda: _wait(lambda: operator.reconciles() >= size))
            return Figures(
                size, ready, reads, writes, percentile(change, 0.5) * 1e3, percentile(change, 0.99) * 1e3,
                restart, cpu * 100, max(rss, operator.rss_mb()),
            )  # fmt: skip
        finally:
            operator.stop()
            followed.stop()


def _create(api: Api, followed: Followed, size: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(api.create, range(1, size + 1)))
    followed.wait_ready(size)


def _changes(api: Api, followed: Followed, count: int) -> list[float]:
    """Seconds from the request that changes a resource until a watch shows its child as it should be; all others rest,
    the ones changed before included."""
    took = []
    for number in range(1, count + 1):
        followed.wait_rest()
        began = time.monotonic()
        api.patch(number, {"spec": {"serving": {"replicas": 2}}})
        took.append(followed.wait_replicas(name_of(number), 2) - began)
    return took


def _no_ops(api: Api, operator: Operator, count: int) -> tuple[float, float]:
    """The operator's reads and writes for each reconcile that finds nothing to do."""
    time.sleep(1.1)  # the audit log is read by whole seconds
    began, before = time.time(), operator.reconciles()
    for number in range(1, count + 1):
        api.patch(number, {"metadata": {"annotations": {"example.com/looked-at": str(began)}}})
    _wait(lambda: operator.reconciles() - before >= count)
    reads, writes = api.calls_of_operator(int(began))
    done = operator.reconciles() - before
    return reads / done, writes / done


def _settle(operator: Operator) -> None:
    """Until nothing is reconciled any more."""
    quiet = 0
    last = -1.0
    while quiet < 5:
        now = operator.reconciles()
        quiet, last = (quiet + 1 if now == last else 0), now
        time.sleep(1.0)


def _wait(condition: Callable[[], object], interval: float = 0.2) -> None:
    eventually(condition, PATIENCE, "what was waited for", interval)


def _timed(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began
