"""The operator without kopf and lease: its own watches, engine and Label Studio watch, against the fakes."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import certifi
from kubernetes.aio import client as kubernetes_client
from tests.fakes.kubernetes import FakeKubernetes, Object
from tests.fakes.label_studio import TOKEN, FakeLabelStudio
from tests.fakes.waiting import until

from labelloop_operator.controller.backend_client import NoAnswer
from labelloop_operator.controller.executor import Executor
from labelloop_operator.controller.gatherer import Gatherer
from labelloop_operator.controller.reconciler import Reconciler
from labelloop_operator.controller.service_probes import Ask, ServiceProbes
from labelloop_operator.controller.training_slots import TrainingSlots
from labelloop_operator.controller.workqueue import WorkQueue
from labelloop_operator.kubernetes.api_errors import ApiError
from labelloop_operator.kubernetes.cache import Cache, Key
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.cluster_watch import SUCCEEDED
from labelloop_operator.kubernetes.connection_secrets import Secrets
from labelloop_operator.kubernetes.event_recorder import Events
from labelloop_operator.kubernetes.kinds import BACKEND, CHILD_KINDS, POD
from labelloop_operator.kubernetes.pods import Pods
from labelloop_operator.kubernetes.reflector import Reflector
from labelloop_operator.label_studio.project_ref import PollIntervals
from labelloop_operator.label_studio.watch import LabelStudioWatch
from labelloop_operator.ops.metrics import Metrics
from labelloop_operator.planning.observed import OperatorFacts
from labelloop_operator.registry.client import Registry
from labelloop_operator.registry.worker import RegistryWork

KEY = b"k" * 64
NAMESPACE, NAME = "team-a", "intents"
IMAGE = "registry.example/backend@sha256:" + "0" * 64


@cache
def _one_authority() -> str:
    """Any certificate: without one each client reads all of the system's, which takes 50 ms."""
    end = "-----END CERTIFICATE-----\n"
    return Path(certifi.where()).read_text().split("-----BEGIN", 1)[1].partition(end)[0].join(["-----BEGIN", end])


def connect(api: FakeKubernetes) -> Kubernetes:
    configuration = kubernetes_client.Configuration(host=api.url, ca_cert_data=_one_authority())
    configuration.client_session_kwargs = {"trust_env": False}
    return Kubernetes(kubernetes_client.ApiClient(configuration=configuration))


def facts(**changed: Any) -> OperatorFacts:
    values: dict[str, Any] = {
        "backend_image": IMAGE,
        "registry_prefix": "registry.example/models",
        "registry_plain_http": False,
        "cluster_domain": "cluster.local",
        "relay_url": "http://labelloop-operator.labelloop.svc.cluster.local:8080",
        "cluster_id": "cluster-1",
        "deregister_timeout": 60.0,
        "trainings_per_namespace": 0,
        "trainings_per_label_studio": 0,
        "relay_secret": "",
        "webhook_secret": "",
    }
    return OperatorFacts(**(values | changed))


class FakeRegistry(Registry):
    """Results by tag, the images tagged as promoted, and what was removed; it outlives the operator."""

    def __init__(self) -> None:
        self.results: dict[str, Mapping[str, Any]] = {}
        self.promoted: list[str] = []
        self.removed: list[str] = []
        self.failure: Exception | None = None
        """What every request ends in."""

    def copy(self) -> "FakeRegistry":
        """One that holds the same."""
        made = FakeRegistry()
        made.results, made.promoted, made.removed = dict(self.results), list(self.promoted), list(self.removed)
        return made

    async def result(self, repository: str, tag: str, *_: Any) -> Mapping[str, Any] | None:
        self._answer()
        return self.results.get(tag)

    async def tag_promoted(self, image: str, *_: Any) -> None:
        self._answer()
        self.promoted.append(image)

    async def remove(self, image: str, *_: Any) -> None:
        self._answer()
        self.removed.append(image)

    def _answer(self) -> None:
        if self.failure is not None:
            raise self.failure


class Operator:
    """One life of the operator; `crash` ends it as SIGKILL would: nothing is released or written."""

    def __init__(
        self,
        api: FakeKubernetes,
        pace: PollIntervals,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        resync: float | None = None,
        may_write: Callable[[], bool] = lambda: True,
        registry: "FakeRegistry | None" = None,
        ask: Ask | None = None,
        **changed: Any,
    ) -> None:
        self.kubernetes = connect(api).require_leadership(may_write)
        self._resync = resync
        self.queue: WorkQueue[Key] = WorkQueue()
        self.cache = Cache(self.queue.add)
        self.metrics = Metrics()
        self.registry = registry or FakeRegistry()
        self.watch = LabelStudioWatch(
            pace, self.queue.add, may_write, lambda result: self.metrics.label_studio_calls.labels(result).inc()
        )
        secrets = Secrets(self.kubernetes)
        self._registry_work = RegistryWork(self.registry, secrets, self.queue.add, may_write)
        self._probes = ServiceProbes(ask, 60.0, self.queue.add, clock)
        gatherer = Gatherer(
            self.cache,
            secrets,
            Pods(self.kubernetes),
            self.watch,
            facts(**changed),
            KEY,
            self._registry_work,
            self._probes,
            clock,
        )
        self.engine = Reconciler(
            self.queue, self.cache, gatherer, Executor(self.kubernetes, self.cache), self.watch,
            Events(self.kubernetes), self.metrics, TrainingSlots(self.cache, self.watch.address),
            self._registry_work, self._probes, clock,
        )  # fmt: skip
        self.reflectors = [
            Reflector(self.kubernetes, self.cache, BACKEND, None),
            *(Reflector(self.kubernetes, self.cache, kind, None, "labelloop.dev/backend") for kind in CHILD_KINDS),
            Reflector(self.kubernetes, self.cache, POD, None, "labelloop.dev/backend", SUCCEEDED),
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> "Operator":
        for reflector in self.reflectors:
            await reflector.list()
        self._tasks = [asyncio.create_task(reflector.run()) for reflector in self.reflectors]
        self._tasks += [asyncio.create_task(self.engine.work()) for _ in range(4)]
        if self._resync is not None:
            self._tasks.append(asyncio.create_task(self._heal(self._resync)))
        return self

    async def _heal(self, interval: float) -> None:
        """As ClusterWatch does."""
        while True:
            await asyncio.sleep(interval)
            with contextlib.suppress(ApiError):
                for reflector in self.reflectors:
                    await reflector.list()

    @property
    def reconciles(self) -> float:
        return self.metrics.registry.get_sample_value("labelloop_reconcile_total", {"result": "success"}) or 0.0

    async def crash(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.watch.close()
        await self._registry_work.close()
        await self._probes.close()
        await self.kubernetes.close()


class World:
    """API server, Label Studio, one resource, and what other controllers would do."""

    def __init__(self, api: FakeKubernetes, label_studio: FakeLabelStudio) -> None:
        self.api = api
        self.label_studio = label_studio
        self.operator: Operator | None = None
        self.pace = PollIntervals(poll=0.3, scan=60.0)
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.resync: float | None = None
        self.registry = FakeRegistry()

    async def ask(self, url: str) -> str:
        """The version that answers through the Service at `url`, as its pods and the Service are now."""
        name, namespace = url.removeprefix("http://").split(".")[:2]
        spec = (self.api.find("services", namespace, name) or {}).get("spec", {})
        ports = [(item["port"], item.get("targetPort")) for item in spec.get("ports", [])]
        for item in self.api.all("deployments"):
            labels = item["spec"].get("template", {}).get("metadata", {}).get("labels", {})
            selected = spec.get("selector", {}).items() <= labels.items()
            if selected and (9090, "http") in ports and (item.get("status") or {}).get("availableReplicas"):
                return str(item["metadata"]["annotations"]["labelloop.dev/model-version"])
        raise NoAnswer("connection refused")

    async def run(self, **changed: Any) -> Operator:
        changed.setdefault("registry", self.registry)
        changed.setdefault("ask", self.ask)
        made = Operator(self.api, self.pace, self.clock, self.resync, **changed)
        self.operator = await made.start()
        return self.operator

    async def crash(self) -> None:
        if self.operator is not None:
            await self.operator.crash()
            self.operator = None

    def connection(self, **values: str) -> None:
        chosen = {"url": self.label_studio.url, "token": TOKEN} | values
        data = {key: base64.b64encode(value.encode()).decode() for key, value in chosen.items()}
        self.api.put("secrets", {"metadata": {"name": "label-studio"}, "data": data}, NAMESPACE)

    def resource(self, name: str = NAME, project: int = 7, **spec: Any) -> Object:
        """Create a resource. It writes no predictions unless `spec` says so: the only Jobs are trainings."""
        connection = {"connectionSecretRef": {"name": "label-studio"}, "project": project}
        body = {
            "apiVersion": "labelloop.dev/v1alpha1",
            "kind": "LabelStudioBackend",
            "metadata": {"name": name},
            "spec": {"labelStudio": connection, "predictions": {"scope": "None"}, **spec},
        }
        return self.api.put("labelstudiobackends", body, NAMESPACE)

    def found(self, name: str = NAME) -> Object:
        return self.api.find("labelstudiobackends", NAMESPACE, name) or {}

    @property
    def training(self) -> Object:
        return self.found().get("status", {}).get("training", {})

    def condition(self, type_: str, name: str = NAME) -> tuple[str, str]:
        """Status and reason."""
        conditions = self.found(name).get("status", {}).get("conditions", [])
        return next(((item["status"], item["reason"]) for item in conditions if item["type"] == type_), ("", ""))

    def message(self, type_: str) -> str:
        conditions = self.found().get("status", {}).get("conditions", [])
        return next((item["message"] for item in conditions if item["type"] == type_), "")

    def pods_serve(self) -> None:
        """Every Deployment reports its pods as available."""
        for item in self.api.all("deployments"):
            count = item["spec"].get("replicas", 1)
            generation = item["metadata"]["generation"]
            status = {
                "observedGeneration": generation, "replicas": count, "updatedReplicas": count,
                "readyReplicas": count, "availableReplicas": count,
            }  # fmt: skip
            self.api.patch(
                "deployments",
                NAMESPACE,
                item["metadata"]["name"],
                lambda live, status=status: live.update(status=status),
            )

    def job_pod_succeeds(self, job: str, result: Mapping[str, Any]) -> None:
        """The Job's pod has ended well; the Job itself does not tell it yet."""
        owner = {"uid": self.api.find("jobs", NAMESPACE, job)["metadata"]["uid"], "controller": True}
        labels = {"batch.kubernetes.io/job-name": job, "labelloop.dev/backend": NAME}
        state = {"terminated": {"exitCode": 0, "message": json.dumps(result)}}
        status = {"phase": "Succeeded", "containerStatuses": [{"name": "publish", "state": state}]}
        metadata = {"name": f"{job}-pod", "labels": labels, "ownerReferences": [owner]}
        self.api.put("pods", {"metadata": metadata, "status": status}, NAMESPACE)

    def job_ends(self, job: str, result: Mapping[str, Any] | None, failed: bool = False, **terminated: Any) -> None:
        """The Job's pod wrote its termination message and went; None: the pod is lost."""
        if result is not None or terminated:
            state = {"exitCode": int(failed), "message": json.dumps(result) if result else "", **terminated}
            pod = {
                "metadata": {"name": f"{job}-pod", "labels": {"batch.kubernetes.io/job-name": job}},
                "status": {
                    "initContainerStatuses": [
                        {"name": "train", "state": {"terminated": state if failed else {"exitCode": 0}}}
                    ],
                    "containerStatuses": [] if failed else [{"name": "publish", "state": {"terminated": state}}],
                },
            }
            self.api.put("pods", pod, NAMESPACE)
        condition = {"type": "Failed" if failed else "Complete", "status": "True"}
        self.api.patch("jobs", NAMESPACE, job, lambda live: live.update(status={"conditions": [condition]}))

    async def ready(self) -> None:
        """The operator has made everything, the pods serve, Label Studio knows the backend."""
        await until(lambda: self.api.all("deployments"), "a Deployment")
        self.pods_serve()
        await until(lambda: self.condition("Ready") == ("True", "Ready"), f"Ready, not {self.found().get('status')}")


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    api, label_studio = await FakeKubernetes().start(), await FakeLabelStudio().start()
    label_studio.add_project(7, tasks=20)
    made = World(api, label_studio)
    made.connection()
    try:
        yield made
    finally:
        await made.crash()
        await api.stop()
        await label_studio.stop()
