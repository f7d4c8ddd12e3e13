"""The Kubernetes side of a lab: an administrator with kubectl, and typed reads for assertions."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubernetes import client, config
from tests.support.waiting import PATIENCE, eventually

from labcluster import Cluster

Json = dict[str, Any]

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}


class Refused(Exception):  # noqa: N818 - the API server's answer, which tests expect
    """The API server did not take a manifest; the text says why."""


class Kube:
    """A cluster as its administrator sees it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._api = config.new_client_from_config(config_file=str(cluster.kubeconfig))
        self.core = client.CoreV1Api(self._api)
        self.apps = client.AppsV1Api(self._api)
        self.batch = client.BatchV1Api(self._api)
        self.rbac = client.RbacAuthorizationV1Api(self._api)
        self.custom = client.CustomObjectsApi(self._api)

    def plain(self, thing: object) -> Any:
        """An object of the client library as the JSON that the API speaks."""
        return self._api.sanitize_for_serialization(thing)

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """`kubectl apply --server-side`; raises Refused with kubectl's words when the API server refuses."""
        whole = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        self.apply_text(whole)

    def apply_text(self, manifest: str) -> None:
        """`kubectl apply --server-side -f -` of YAML or JSON."""
        try:
            self.cluster.kubectl(
                "apply", "--server-side", "--force-conflicts", "-f", "-", input=manifest, stderr=subprocess.PIPE
            )
        except subprocess.CalledProcessError as error:
            raise Refused(error.stderr.strip()) from None

    def create_namespace(self, name: str) -> None:
        """A namespace that runs restricted pods only."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
        eventually(
            lambda: self.core.list_namespaced_service_account(name).items,
            PATIENCE,
            f"default service account in {name}",
        )

    def apply_secret(self, namespace: str, name: str, **values: str) -> None:
        """An opaque Secret with exactly these keys."""
        metadata = {"name": name, "namespace": namespace}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})

    def pods(self, namespace: str, selector: str) -> list[Json]:
        """The pods that carry some labels, those being deleted included."""
        found = self.core.list_namespaced_pod(namespace, label_selector=selector).items
        return [self.plain(pod) for pod in found]

    def deployments(self, namespace: str, selector: str) -> list[Json]:
        """The Deployments that carry some labels."""
        found = self.apps.list_namespaced_deployment(namespace, label_selector=selector).items
        return [self.plain(deployment) for deployment in found]

    def wait_available(self, namespace: str, deployment: str, timeout: float = PATIENCE) -> None:
        """Wait until a Deployment has rolled out completely."""

        def complete() -> bool:
            found = self.plain(self.apps.read_namespaced_deployment(deployment, namespace))
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            return bool(
                status.get("observedGeneration") == found["metadata"]["generation"]
                and status.get("updatedReplicas", 0) == status.get("availableReplicas", 0) == wanted
                and status.get("replicas", 0) == wanted
            )

        wanted = f"Deployment {namespace}/{deployment} available"
        eventually(complete, timeout, wanted, details=lambda: self.story(namespace))

    def scale(self, namespace: str, deployment: str, replicas: int) -> None:
        """Scale a Deployment and wait until exactly that many pods are left and ready."""
        self.apps.patch_namespaced_deployment_scale(deployment, namespace, {"spec": {"replicas": replicas}})
        self.wait_available(namespace, deployment)
        selector = self.plain(self.apps.read_namespaced_deployment(deployment, namespace))["spec"]["selector"]
        labels = ",".join(f"{key}={value}" for key, value in selector["matchLabels"].items())
        eventually(lambda: len(self.pods(namespace, labels)) == replicas, PATIENCE, f"{replicas} pods of {deployment}")

    def events(self, namespace: str, name: str) -> list[Json]:
        """The Events about one object, whatever its kind, oldest first."""
        found = self.core.list_namespaced_event(namespace, field_selector=f"involvedObject.name={name}").items
        return [self.plain(event) for event in found]

    def story(self, namespace: str) -> str:
        """What the pods and Events of a namespace say: for messages of failing tests."""
        pods = [
            f"pod {pod['metadata']['name']}: {json.dumps(pod['status'].get('containerStatuses', pod['status']))[:700]}"
            for pod in self.pods(namespace, "")
        ]
        events = [
            f"{event.involved_object.kind} {event.involved_object.name}: {event.reason}: {event.message}"
            for event in self.core.list_namespaced_event(namespace).items[-15:]
        ]
        return "\n".join(pods + events)

    def kill_processes(self, pod: Mapping[str, Any]) -> None:
        """SIGKILL every process of a pod's containers, as a crash or the kernel would; kubelet restarts them."""
        for pid in self.processes(pod["status"]["containerStatuses"]):
            with contextlib.suppress(ProcessLookupError):  # with its first process the whole container goes
                os.kill(pid, signal.SIGKILL)

    @staticmethod
    def processes(containers: Sequence[Mapping[str, Any]]) -> list[int]:
        """The pids, on the machine, of running containers."""
        ids = {str(container["containerID"]).rpartition("/")[2] for container in containers}
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cgroup") if _in_one_of(path, ids)]


def _in_one_of(cgroup: Path, containers: set[str]) -> bool:
    try:
        text = cgroup.read_text()
    except OSError:
        return False
    return any(container in text for container in containers)
