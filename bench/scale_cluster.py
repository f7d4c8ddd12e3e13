"""What `bench.scale` does and sees on the API server: resources made, changed and watched, calls of the operator."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config, watch
from tests.fakes.label_studio import TOKEN
from tests.support.waiting import PATIENCE, eventually

from labcluster import Cluster

USER_AGENT = "bench-scale"
OTHERS = (USER_AGENT, "kwok", "kubectl")
"""User agents of those who ask the API server next to the operator."""
GROUP, VERSION, PLURAL = "labelloop.dev", "v1alpha1", "labelstudiobackends"
NAMESPACE = "scale"
SERVICES = "10.240.0.0/16"
PODS_PER_NODE = 500


@contextmanager
def cluster_for(name: str, size: int) -> Iterator[Cluster]:
    """A cluster for so many resources: pods run on nodes that only pretend, and nothing else runs on the real one."""
    cluster = Cluster.create(name)
    try:
        # The test cluster's own range of Service addresses holds some two hundred and fifty.
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "scale"}}
        cluster.kubectl("create", "-f", "-", input=json.dumps({**body, "spec": {"cidrs": [SERVICES]}}))
        cluster.kubectl("wait", "--for=condition=Ready", "servicecidr", "scale", f"--timeout={PATIENCE:.0f}s")
        cluster.pretend_nodes(1 + 2 * size // PODS_PER_NODE)
        for component in ("kubelet", "kube-proxy"):
            cluster.kill(component)
        yield cluster
    finally:
        cluster.delete()


def name_of(number: int) -> str:
    """The resource of that number."""
    return f"backend-{number}"


class Api:
    """The administrator's calls, reported from the operator's by their user agent."""

    def __init__(self, cluster: Cluster) -> None:
        self._api = config.new_client_from_config(config_file=str(cluster.kubeconfig))
        self._api.user_agent = USER_AGENT
        self.core, self.apps = client.CoreV1Api(self._api), client.AppsV1Api(self._api)
        self.custom = client.CustomObjectsApi(self._api)
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
            "spec": {"labelStudio": connection, "training": {"updatesPerTraining": 100}},
        }
        self.custom.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, body)

    def patch(self, number: int, body: dict[str, Any]) -> None:
        """Merge-patch a resource."""
        self.custom.patch_namespaced_custom_object(GROUP, VERSION, NAMESPACE, PLURAL, name_of(number), body)

    def calls_of_operator(self, since: float) -> tuple[int, int]:
        """Reads and writes since then (wall clock); watches, the Lease and the operator's periodic lists are none."""
        reads = writes = 0
        with self._audit_log.open() as lines:
            for line in lines:
                entry = json.loads(line)
                agent = entry.get("userAgent", "")
                if any(other in agent for other in OTHERS) or entry["verb"] in ("watch", "list"):
                    continue
                received = time.strptime(entry["requestReceivedTimestamp"][:19], "%Y-%m-%dT%H:%M:%S")
                at = time.mktime(received) - time.timezone
                if at < since or entry.get("objectRef", {}).get("resource") in ("leases", None):
                    continue
                reads, writes = (reads + 1, writes) if entry["verb"] == "get" else (reads, writes + 1)
        return reads, writes


class Followed:
    """What watches show: which resources are Ready, and when a number of replicas of a Deployment was first seen.

    A watch and not lists: lists of a thousand resources would be most of what the API server does.
    """

    def __init__(self, api: Api) -> None:
        self._ready: set[str] = set()
        self._seen: dict[tuple[str, int], float] = {}
        self._moved = time.monotonic()
        self._stop = threading.Event()
        resources = (api.custom.list_namespaced_custom_object, GROUP, VERSION, NAMESPACE, PLURAL)
        for call, tell in (
            (resources, self._resource),
            ((api.apps.list_namespaced_deployment, NAMESPACE), self._deployment),
        ):
            threading.Thread(target=self._follow, args=(call, tell), daemon=True).start()

    def stop(self) -> None:
        """Look at nothing more."""
        self._stop.set()

    def wait_ready(self, count: int) -> None:
        """Until so many resources are Ready."""
        eventually(
            lambda: len(self._ready) == count, 10 * PATIENCE, lambda: f"{len(self._ready)} of {count} Ready", 0.05
        )

    def wait_replicas(self, resource: str, replicas: int) -> float:
        """Until the resource's Deployment was seen with so many; when that was (monotonic clock)."""
        what = f"{replicas} replicas of {resource}"
        eventually(lambda: (resource, replicas) in self._seen, PATIENCE, what, 0.002)
        return self._seen[resource, replicas]

    def wait_rest(self, seconds: float = 0.5) -> None:
        """Until nothing has changed for so long."""
        eventually(lambda: time.monotonic() - self._moved >= seconds, PATIENCE, "rest", 0.02)

    def _follow(self, call: tuple[Any, ...], tell: Any) -> None:  # noqa: ANN401 - the client's own methods
        while not self._stop.is_set():
            try:
                for change in watch.Watch().stream(*call, timeout_seconds=300):
                    if self._stop.is_set():
                        return
                    self._moved = time.monotonic()
                    tell(change["type"], change["raw_object"], self._moved)
            except Exception:  # the stream ends with the cluster, or is cut: it is opened again
                self._stop.wait(0.2)

    def _resource(self, kind: str, item: dict[str, Any], _: float) -> None:
        conditions = (item.get("status") or {}).get("conditions") or []
        ready = any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
        (self._ready.add if ready and kind != "DELETED" else self._ready.discard)(item["metadata"]["name"])

    def _deployment(self, kind: str, item: dict[str, Any], now: float) -> None:
        if kind != "DELETED":
            self._seen.setdefault((item["metadata"]["labels"]["labelloop.dev/backend"], item["spec"]["replicas"]), now)
