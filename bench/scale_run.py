"""One size of `bench.scale`: a cluster, the operator's process, simulated Label Studio and Deployments."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch
from tests.fakes.in_thread import label_studio
from tests.fakes.label_studio import TOKEN
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE, eventually

from bench.measuring import percentile
from labcluster import Cluster

ROOT = Path(__file__).resolve().parents[1]
USER_AGENT = "bench-scale"
GROUP, VERSION, PLURAL = "labelloop.dev", "v1alpha1", "labelstudiobackends"
NAMESPACE = "scale"
CHANGES = 100
SERVICES = "10.240.0.0/16"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


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


class Api:
    """The administrator's calls, told from the operator's by their user agent."""

    def __init__(self, cluster: Cluster) -> None:
        self._api = config.new_client_from_config(config_file=str(cluster.kubeconfig))
        self._api.user_agent = USER_AGENT
        self.core, self.apps = client.CoreV1Api(self._api), client.AppsV1Api(self._api)
        self._custom = client.CustomObjectsApi(self._api)
        self._audit_log = cluster.audit_log

    def prepare(self, url: str) -> None:
        """The namespace and its connection Secret."""
        self.core.create_namespace({"metadata": {"name": NAMESPACE}})
        body = {"metadata": {"name": "label-studio"}, "stringData": {"url": url, "token": TOKEN}}
        self.core.create_namespaced_secret(NAMESPACE, body)

    def create(self, number: int) -> None:
        """Resource `number`, of project `number`."""
        connection = {"connectionSecretRef": {"name": "label-studio"}, "project": number}
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "LabelStudioBackend",
            "metadata": {"name": name_of(number)},
            "spec": {"labelStudio": connection, "training": {"everyUpdates": 100}},
        }
        self._custom.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, body)

    def patch(self, number: int, body: dict[str, Any]) -> None:
        """Merge-patch a resource."""
        self._custom.patch_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, name_of(number), body)

    def ready(self) -> int:
        """How many resources are Ready."""
        items = self._custom.list_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL)["items"]
        return sum(
            any(found["type"] == "Ready" and found["status"] == "True" for found in item["status"]["conditions"])
            for item in items
            if item.get("status")
        )

    def calls_of_operator(self, since: float) -> tuple[int, int]:
        """Reads and writes since then (wall clock); watches, the Lease and the operator's periodic lists are none."""
        reads = writes = 0
        for line in self._audit_log.read_text().splitlines():
            entry = json.loads(line)
            if USER_AGENT in entry.get("userAgent", "") or entry["verb"] in ("watch", "list"):
                continue
            at = time.mktime(time.strptime(entry["requestReceivedTimestamp"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
            if at < since or entry.get("objectRef", {}).get("resource") in ("leases", None):
                continue
            reads, writes = (reads + 1, writes) if entry["verb"] == "get" else (reads, writes + 1)
        return reads, writes


class Deployments:
    """Stands for controller manager, scheduler and nodes: what is seen is available at once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._stop = threading.Event()
        self.seen: dict[tuple[str, int], float] = {}
        """When a number of replicas of a Deployment was first seen."""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Mark nothing more."""
        self._stop.set()

    def wait(self, resource: str, replicas: int) -> None:
        """Until the resource's Deployment was seen with so many."""
        _wait(lambda: (resource, replicas) in self.seen, 0.002)

    def _follow(self) -> None:
        while not self._stop.is_set():
            stream = watch.Watch().stream(self._api.apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=300)
            try:
                for change in stream:
                    now = time.monotonic()
                    if self._stop.is_set():
                        return
                    if change["type"] != "DELETED":
                        self._mark(change["raw_object"], now)
            except Exception:  # the stream ends with the cluster, or is cut: it is opened again
                self._stop.wait(0.2)

    def _mark(self, item: dict[str, Any], now: float) -> None:
        metadata, count = item["metadata"], item["spec"]["replicas"]
        self.seen.setdefault((metadata["labels"]["labelloop.dev/backend"], count), now)
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {"observedGeneration": metadata["generation"], **dict.fromkeys(counts, count)}
        if {key: item.get("status", {}).get(key) for key in status} != status:
            self._api.apps.patch_namespaced_deployment_status(metadata["name"], NAMESPACE, {"status": status})


class Operator:
    """One life of the operator's process."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        (folder / "key").write_bytes(b"k" * 64)
        self._port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'bento_service'}:{ROOT / 'operator'}",
            "KUBECONFIG": str(cluster.kubeconfig),
            "LABELLOOP_KEY_FILE": str(folder / "key"),
            "LABELLOOP_BACKEND_IMAGE": f"{cluster.registry}/backend:1",
            "LABELLOOP_REGISTRY": f"{cluster.registry}/trained",
            "LABELLOOP_REGISTRY_PLAIN_HTTP": "true",
            "LABELLOOP_RELAY_URL": "http://labelloop-operator.labelloop.svc:8080",
            "LABELLOOP_PORT": str(self._port),
            "LABELLOOP_ALLOWED_ADDRESSES": "127.0.0.1",
            "POD_NAME": "operator",
        }
        with (folder / "operator.log").open("ab") as log:
            argv = [sys.executable, "-m", "labelloop_operator"]
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    def reconciles(self) -> float:
        """Successful ones in this life; 0 while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0
        return next((float(line.split()[-1]) for line in lines if 'reconciles_total{result="success"}' in line), 0.0)

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mb(self) -> float:
        """Memory now, in millions of bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE / 1e6

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)


def name_of(number: int) -> str:
    """The resource of that number."""
    return f"backend-{number}"


def measure(size: int, rest: float) -> Figures:
    """All figures of one size, in a cluster of its own."""
    with _cluster(size) as cluster, label_studio() as studio, tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for number in range(1, size + 1):
            studio.add_project(number, tasks=1)
        api = Api(cluster)
        cluster.kubectl("apply", "-f", str(ROOT / "crds"))
        cluster.kubectl("wait", "--for=condition=Established", "crd", f"{PLURAL}.{GROUP}", "--timeout=60s")
        api.prepare(studio.url)
        deployments, operator = Deployments(api), Operator(cluster, folder)
        try:
            _wait(lambda: operator.process.poll() is None and "started" in (folder / "operator.log").read_text())
            ready = _timed(lambda: _create(api, size))
            if api.calls_of_operator(0)[1] < size:
                raise SystemExit("the audit log does not tell the operator's writes: its figures would mean nothing")
            _settle(operator)
            change = _changes(api, deployments, min(size, CHANGES))
            _settle(operator)
            reads, writes = _no_ops(api, operator, min(size, CHANGES))
            before, began = operator.cpu_seconds(), time.monotonic()
            time.sleep(rest)
            cpu = (operator.cpu_seconds() - before) / (time.monotonic() - began)
            rss = operator.rss_mb()
            operator.stop()
            operator = Operator(cluster, folder)
            restart = _timed(lambda: _wait(lambda: operator.reconciles() >= size, 0.05))
            return Figures(
                size, ready, reads, writes, percentile(change, 0.5) * 1e3, percentile(change, 0.99) * 1e3,
                restart, cpu * 100, max(rss, operator.rss_mb()),
            )  # fmt: skip
        finally:
            operator.stop()
            deployments.stop()


@contextmanager
def _cluster(size: int) -> Iterator[Cluster]:
    cluster = Cluster.create(f"scale-{size}-{os.getpid()}")
    try:
        # The test cluster's own range of Service addresses holds some five hundred.
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "scale"}}
        cluster.kubectl("create", "-f", "-", input=json.dumps({**body, "spec": {"cidrs": [SERVICES]}}))
        cluster.kubectl("wait", "--for=condition=Ready", "servicecidr", "scale", f"--timeout={PATIENCE:.0f}s")
        for component in ("kube-controller-manager", "kube-scheduler"):
            cluster.kill(component)
        yield cluster
    finally:
        cluster.delete()


def _create(api: Api, size: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(api.create, range(1, size + 1)))
    eventually(lambda: api.ready() == size, 10 * PATIENCE, lambda: f"{api.ready()} of {size} are Ready", 0.5)


def _changes(api: Api, deployments: Deployments, count: int) -> list[float]:
    """Seconds from the request that changes a resource until a watch shows its child as it should be."""
    took = []
    for number in range(1, count + 1):
        began = time.monotonic()
        api.patch(number, {"spec": {"serving": {"replicas": 2}}})
        deployments.wait(name_of(number), 2)
        took.append(deployments.seen[name_of(number), 2] - began)
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
