"""One LabelStudioBackend resource: applied by a user with kubectl, watched, and asked through its Service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from kubernetes import client
from tests.support.kube import Kube
from tests.support.network import Inside
from tests.support.waiting import PATIENCE, eventually

Json = dict[str, Any]

GROUP, VERSION, PLURAL = "labelloop.dev", "v1alpha1", "labelstudiobackends"
_BATCH = 200
_PORT = 9090
_FIRST_ANSWER = 10.0
"""Seconds: a packet to a Service that kube-proxy does not know may get lost without an answer."""


@dataclass
class Backend:
    """The resource `namespace/name` and the Service that it promises."""

    kube: Kube
    inside: Inside
    namespace: str
    name: str
    _reached: str = field(default="", init=False, repr=False)
    """The address of the Service that has accepted a connection."""

    # The resource

    def apply(self, spec: Mapping[str, Any], **annotations: str) -> None:
        """`kubectl apply` of the resource with this spec."""
        metadata = {"name": self.name, "namespace": self.namespace, "annotations": annotations}
        manifest = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "LabelStudioBackend", "metadata": metadata}
        self.kube.apply({**manifest, "spec": spec})

    def patch(self, body: Mapping[str, Any]) -> None:
        """Merge-patch the resource."""
        self.kube.custom.patch_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, self.name, body)

    def delete(self) -> None:
        """Ask for the resource's deletion; does not wait."""
        self.kube.custom.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, self.name)

    def read(self) -> Json | None:
        """The resource, None when there is none."""
        try:
            found: Json = self.kube.custom.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, self.name
            )
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise
        return found

    @property
    def status(self) -> Json:
        """The resource's status, empty before the first one."""
        found: Json = (self.read() or {}).get("status") or {}
        return found

    def condition(self, kind: str) -> Json:
        """The condition of that type; an empty one stands for none."""
        matching = [condition for condition in self.status.get("conditions", []) if condition["type"] == kind]
        return matching[0] if matching else {}

    def wait_for(self, kind: str, status: str, reason: str | None = None, timeout: float = PATIENCE) -> Json:
        """Wait for a condition of the present generation, and give it."""

        def reached() -> Json | None:
            found = self.read() or {}
            for condition in (found.get("status") or {}).get("conditions", []):
                if (condition["type"], condition["status"]) != (kind, status):
                    continue
                current = condition.get("observedGeneration") == found["metadata"]["generation"]
                if current and reason in (None, condition["reason"]):
                    return dict(condition)
            return None

        wanted = f"condition {kind}={status}{f'/{reason}' if reason else ''} of {self.namespace}/{self.name}"
        return eventually(reached, timeout, wanted, details=self.told)

    def wait_ready(self, timeout: float = PATIENCE) -> Json:
        """Wait until the resource is Ready."""
        return self.wait_for("Ready", "True", timeout=timeout)

    @property
    def version(self) -> str | None:
        """The version of the active model by the status."""
        active = (self.status.get("model") or {}).get("active") or {}
        return active.get("version")

    @property
    def pending(self) -> int:
        """Updates that wait for a training."""
        return int((self.status.get("training") or {}).get("pendingUpdates") or 0)

    def wait_pending(self, count: int, timeout: float = PATIENCE) -> None:
        """Wait until the status counts exactly this many updates."""
        eventually(lambda: self.pending == count, timeout, f"{count} pending updates", details=self.told)

    def wait_version_other_than(self, *versions: str | None, timeout: float = PATIENCE) -> str:
        """Wait until a trained version that is none of `versions` is active and answers, and give it."""

        def other() -> str | None:
            now = self.version
            return now if now and now not in versions and now.startswith("model-") else None

        wanted = "a trained version" + (f" other than {', '.join(map(str, versions))}" if any(versions) else "")
        version = eventually(other, timeout, wanted, details=self.told)
        # The switch is one write; kube-proxy follows within a moment.
        eventually(lambda: self.answering == version, PATIENCE, f"{version} at the Service", details=self.told)
        return version

    @property
    def answering(self) -> str | None:
        """The version that the Service tells at this moment."""
        told: Json = self.call("GET", "/health").json()
        return told.get("model_version")

    def told(self) -> str:
        """What the resource says of itself and its namespace, for messages of failing tests."""
        return f"status {self.status}\n{self.kube.story(self.namespace)}"

    def events(self) -> list[Json]:
        """The Events about the resource."""
        return self.kube.events(self.namespace, self.name)

    # The Service

    @property
    def service(self) -> str:
        """The Service's name."""
        return f"{self.name}-ml"

    @property
    def address(self) -> str:
        """The Service's IP address, from the moment that it accepts connections.

        kube-proxy hears of a new Service and of its first ready pod some time after the API server does: until then
        connections are refused. Only this first contact is waited for; whatever fails afterwards has failed.
        """
        address = str(self.kube.core.read_namespaced_service(self.service, self.namespace).spec.cluster_ip)
        if address != self._reached:
            eventually(lambda: self._accepts(address), PATIENCE, f"a connection to {address}", details=self.told)
            self._reached = address
        return address

    def _accepts(self, address: str) -> bool:
        try:
            self.inside.request("GET", f"http://{address}:{_PORT}/livez", timeout=_FIRST_ANSWER)
        except requests.RequestException:
            return False
        return True

    @property
    def deployments(self) -> list[Json]:
        """The Deployments of the resource, one a version."""
        return self.kube.deployments(self.namespace, f"labelloop.dev/backend={self.name}")

    @property
    def serving_pods(self) -> list[Json]:
        """The pods that serve, or will or did."""
        return self.kube.pods(self.namespace, f"labelloop.dev/backend={self.name},app.kubernetes.io/component=serving")

    @property
    def training_pods(self) -> list[Json]:
        """The pods of training Jobs."""
        return self.kube.pods(self.namespace, f"labelloop.dev/backend={self.name},app.kubernetes.io/component=training")

    def publishing_pod(self) -> Json | None:
        """The training pod whose last container runs: the ones before it are init containers."""
        return next((pod for pod in self.training_pods if pod["status"].get("phase") == "Running"), None)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request to the Service from within the cluster's network, on a fresh connection."""
        return self.inside.request(method, f"http://{self.address}:{_PORT}{path}", **options)

    def setup(self, project: int, label_config: str) -> Json:
        """What Label Studio asks before it predicts."""
        body = {
            "project": f"{project}.1795325720",
            "schema": label_config,
            "hostname": "",
            "access_token": "",
            "extra_params": None,
        }
        answer = self.call("POST", "/setup", json=body)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    def predict(self, texts: Sequence[object], project: int, label_config: str, key: str = "text") -> list[Json]:
        """Predictions for some texts, one result each."""
        tasks = [
            {"id": number, "data": {key: text}, "annotations": [], "predictions": []}
            for number, text in enumerate(texts)
        ]
        return self.predict_tasks(tasks, project, label_config)

    def predict_tasks(self, tasks: Sequence[object], project: int, label_config: str) -> list[Json]:
        """Predictions for some tasks, one result each."""
        body = {"tasks": tasks, "project": f"{project}.1795325720", "label_config": label_config, "params": {}}
        answer = self.call("POST", "/predict", json=body)
        assert answer.status_code == 200, answer.text
        results: list[Json] = answer.json()["results"]
        assert len(results) == len(tasks)
        return results

    def accuracy(self, labelled: Sequence[tuple[str, str]], project: int, label_config: str) -> float:
        """The share of (text, label) pairs that the Service predicts rightly, in 0..1."""
        right = 0
        for start in range(0, len(labelled), _BATCH):
            part = labelled[start : start + _BATCH]
            results = self.predict([text for text, _ in part], project, label_config)
            right += sum(chosen(result) == label for result, (_, label) in zip(results, part, strict=True))
        return right / len(labelled)


def chosen(result: Mapping[str, Any]) -> str | None:
    """The label that a prediction chooses, None when it has nothing to say."""
    regions = result.get("result") or []
    return str(regions[0]["value"]["choices"][0]) if regions else None
