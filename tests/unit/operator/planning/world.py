"""A tiny in-memory Kubernetes and Label Studio, on which plans are executed one action at a time.

It behaves like the real ones where the plan could notice: objects carry uid, generation and status; a Job is
immutable; Deployments become available some time after they were applied; Jobs read what is annotated when they run;
kube-proxy follows a Service after `proxy_lag`, and probes are answered by the pods that it leads to.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.label_studio_objects import RegisteredBackend, RegisteredWebhook
from labelloop_operator.api.spec import Problem, Spec, parse
from labelloop_operator.api.status import Cut, Status
from labelloop_operator.api.times import format_time
from labelloop_operator.planning.actions import (
    Action,
    Apply,
    Create,
    Delete,
    Deregister,
    Emit,
    EnsureBackend,
    EnsureWebhook,
    Plan,
    ProbeService,
    ReleaseRelaySecret,
    RemoveImages,
    SetFinalizer,
    TagPromoted,
)
from labelloop_operator.planning.observed import (
    Children,
    Conflict,
    ConnectionFacts,
    JobOutcome,
    LabelStudioFacts,
    Observed,
    OperatorFacts,
    OtherTrainings,
    PendingFacts,
    PodProblem,
    ProbeFacts,
    ProjectFacts,
    RegistryFacts,
    Resource,
)
from labelloop_operator.planning.plan import plan
from labelloop_operator.planning.recovery import recovered

EPOCH = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
OPERATOR = OperatorFacts(
    backend_image="registry/backend:1",
    registry_prefix="registry:5000/labelloop",
    registry_plain_http=True,
    cluster_domain="cluster.local",
    relay_url="http://labelloop-operator.labelloop.svc.cluster.local:8080",
    cluster_id="cluster-uid",
    deregister_timeout=60.0,
    trainings_per_namespace=0,
    trainings_per_label_studio=0,
    relay_secret="relay-bearer",
    webhook_secret="webhook-bearer",
)
MINIMAL: dict[str, Any] = {"labelStudio": {"connectionSecretRef": {"name": "label-studio"}, "project": 7}}


class Killed(Exception):  # noqa: N818 - a fate, not an error
    """The operator was killed."""


@dataclass
class World:
    """Cluster, Label Studio and clock."""

    spec: dict[str, Any] = field(default_factory=lambda: {**MINIMAL, "training": {"updatesPerTraining": 3}})
    outcomes: deque[str] = field(default_factory=deque)
    """What the next Jobs come to: Failed, NotEnoughData, Refused, or (default) Trained or Unchanged, by the data."""
    rebases: deque[str] = field(default_factory=deque)
    """What the next rebases come to: Failed, NeedsTraining, or (default) Rebased."""
    predictions: deque[str] = field(default_factory=deque)
    """Outcomes of the next prediction Jobs: Failed, or (default) Predicted."""
    predicted: list[str] = field(default_factory=list)
    """Versions whose predictions were written."""
    bad_images: set[str] = field(default_factory=set)
    """Images whose pods never become ready."""
    mute: set[str] = field(default_factory=set)
    """Versions whose pods are ready and do not answer through the Service."""
    proxy_lag: float = 0.0
    """Seconds until kube-proxy follows the Service."""
    routed: str | None = None
    """Revision of the pods that kube-proxy leads to; None: connections are refused."""
    probe: ProbeFacts = field(default_factory=lambda: ProbeFacts(enabled=True))
    now: datetime = EPOCH
    generation: int = 1
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deletion_requested_at: datetime | None = None
    gone: bool = False
    status: dict[str, Any] = field(default_factory=dict)
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    updates: list[datetime] = field(default_factory=list)
    backends: list[RegisteredBackend] = field(default_factory=list)
    webhooks: list[RegisteredWebhook] = field(default_factory=list)
    label_studio_problem: Problem | None = None
    connection: ConnectionFacts = field(default_factory=ConnectionFacts)
    label_config_problem: str | None = None
    label_config_ignored: tuple[str, ...] = ()
    removed_labels: list[str] = field(default_factory=list)
    label_config_digest: str = "config-1"
    read_config: str | None = None
    """The configuration that trainings read; None: the present one."""
    labels: frozenset[str] = frozenset()
    """Of the present configuration."""
    stuck: bool = False
    """Pods of Jobs do not run."""
    secret_versions: tuple[str, ...] = ()
    operator: OperatorFacts = OPERATOR
    registry: RegistryFacts = field(default_factory=RegistryFacts)
    undeletable: str | None = None
    """Why the registry deletes nothing."""
    promoted: Mapping[str, Any] | None = None
    """What the registry describes the promoted image."""
    conflicts: tuple[Conflict, ...] = ()
    pod_problems: tuple[PodProblem, ...] = ()
    last_error: Problem | None = None
    other_trainings: OtherTrainings = field(default_factory=OtherTrainings)
    events: list[Emit] = field(default_factory=list)
    jobs_created: list[str] = field(default_factory=list)
    presses: int = 0
    writes: int = 0
    asked: ProbeService | None = None
    """What the operator asks backends for."""
    _route_changed_at: datetime | None = None
    kill_after: int | None = None
    on_write: Callable[["World"], None] = lambda world: None
    _uids: int = 0

    # What people and time do

    def annotate(self, number: int) -> None:
        """So many annotation updates."""
        for _ in range(number):
            self.now += timedelta(milliseconds=10)
            self.updates.append(self.now)

    def press_start_training(self) -> None:
        self.presses += 1
        self.annotations[names.ANNOTATION_TRAIN_REQUESTED_AT] = format_time(
            EPOCH + timedelta(microseconds=self.presses)
        )

    def edit(self, **changes: Any) -> None:
        self.spec = {**self.spec, **changes}
        self.generation += 1

    def delete(self) -> None:
        self.deletion_requested_at = self.now

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # What the rest of the cluster does

    def progress(self) -> None:
        """Deployments become available, Jobs finish, kube-proxy follows, a probe is answered."""
        for (kind, name), manifest in list(self.objects.items()):
            if kind == "Deployment":
                self._progress_deployment(manifest)
            elif kind == "Job" and not manifest["status"] and not self.stuck:
                component = manifest["metadata"]["labels"][names.LABEL_COMPONENT]
                if component == names.COMPONENT_REBASE:
                    result = self._rebase(manifest)
                elif component == names.COMPONENT_PREDICTION:
                    result = self._predict(manifest)
                else:
                    result = self._train(name, manifest)
                manifest["status"] = {"result": result}
        self._follow()
        self._answer()

    def _follow(self) -> None:
        wanted = self.selected()
        live = self.by_revision().get(wanted or "")
        if live is None or not live["status"].get("availableReplicas"):
            wanted = None
        if wanted == self.routed:
            self._route_changed_at = None
        else:
            self._route_changed_at = self._route_changed_at or self.now
            if self.now >= self._route_changed_at + timedelta(seconds=self.proxy_lag):
                self.routed, self._route_changed_at = wanted, None

    def _answer(self) -> None:
        """One probe, of what is asked now."""
        if self.asked is None:
            return
        if self.probe.route != self.asked.route:
            self.probe = ProbeFacts(enabled=True, route=self.asked.route, error=self.probe.error)
        version = self.answering()
        if version is None:
            since = self.probe.failing_since or self.now
            failures = self.probe.failures + 1
            self.probe = replace(self.probe, failures=failures, failing_since=since, error="connection refused")
        else:
            self.probe = ProbeFacts(enabled=True, route=self.asked.route, version=version)

    def answering(self) -> str | None:
        """The version that a prediction through the Service is answered by now."""
        live = self.by_revision().get(self.routed or "")
        if live is None or not live["status"].get("availableReplicas"):
            return None
        version = str(live["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION])
        return None if version in self.mute else version

    def by_revision(self) -> dict[str, dict[str, Any]]:
        return {
            item["metadata"]["labels"][names.LABEL_REVISION]: item
            for (kind, _), item in self.objects.items()
            if kind == "Deployment"
        }

    def _progress_deployment(self, manifest: dict[str, Any]) -> None:
        image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
        wanted = manifest["spec"]["replicas"]
        # One pod more at most, and no old one goes before a new one serves: maxSurge 1, maxUnavailable 0.
        old = manifest["status"].get("availableReplicas", 0) if image in self.bad_images else 0
        manifest["status"] = {
            "observedGeneration": manifest["metadata"]["generation"],
            "replicas": wanted + bool(old),
            "updatedReplicas": 1 if old else wanted,
            "availableReplicas": old if image in self.bad_images else wanted,
        }

    def _predict(self, manifest: dict[str, Any]) -> dict[str, Any]:
        version = manifest["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION]
        if self.predictions and self.predictions.popleft() == "Failed":
            return {"outcome": "Failed", "reason": "LabelStudioUnreachable", "message": "ls:8080 does not answer"}
        self.predicted.append(version)
        message = f"wrote 40 predictions of {version} for 40 unlabelled tasks"
        return {"outcome": "Predicted", "message": message, "version": version, "written": 40, "removed": 0}

    def _rebase(self, manifest: dict[str, Any]) -> dict[str, Any]:
        outcome = self.rebases.popleft() if self.rebases else "Rebased"
        annotations = manifest["metadata"]["annotations"]
        version, base = annotations[names.ANNOTATION_MODEL_VERSION], annotations[names.ANNOTATION_BASE_IMAGE]
        if outcome == "Failed":
            return {"outcome": outcome, "reason": "RegistryUnreachable", "message": "registry:5000 does not answer"}
        if outcome == "NeedsTraining":
            return {"outcome": outcome, "reason": "RebaseNeedsTraining", "message": "golden prediction 3 of 26 differs"}
        image = self.rebased_image(version, base)
        return {"outcome": outcome, "reason": outcome, "message": "the same", "version": version, "image": image}

    @staticmethod
    def rebased_image(version: str, base: str) -> str:
        """The image that a rebase gives: as a training on the chart's base does, or another one."""
        suffix = "" if base == OPERATOR.backend_image else f"-on-{base.rpartition(':')[2]}"
        return f"registry:5000/labelloop/team-a/intents@sha256:{version}{suffix}"

    def _train(self, name: str, manifest: dict[str, Any]) -> dict[str, Any]:
        environment = {
            item["name"]: item.get("value")
            for container in manifest["spec"]["template"]["spec"]["initContainers"]
            for item in container["env"]
        }
        cut = {
            "updated_at": format_time(self.updates[-1]) if self.updates else None,
            "size": len(self.updates),
        }
        outcome = self.outcomes.popleft() if self.outcomes else ""
        if outcome == "Failed":
            return {"outcome": "Failed", "reason": "RegistryUnreachable", "message": "registry:5000 does not answer"}
        if outcome == "NotEnoughData":
            return {"outcome": outcome, "reason": "TooFewLabels", "message": "one label only", "cut": cut}
        version = self.trained_version()
        if version == environment.get("LABELLOOP_ACTIVE_VERSION"):
            return {"outcome": "Unchanged", "reason": "Unchanged", "message": "same version", "cut": cut}
        refused = outcome == "Refused"
        return {
            "outcome": "Refused" if refused else "Trained",
            "reason": "WorseThanActive" if refused else "Trained",
            "gate": {
                "accepted": not refused,
                "reason": "WorseThanActive" if refused else "Passed",
                "message": "accuracy 0.610 against 0.710 of the model that serves, on 400 held-out texts",
            },
            "message": f"{len(self.updates)} annotations",
            "version": version,
            "dataset_digest": f"sha256:{version}",
            "cut": cut,
            "metrics": {"accuracy": 0.71, "macro_f1": 0.6913},
            "removed_labels": self.removed_labels,
            "label_config_sha256": self.read_config or self.label_config_digest,
            "image": self.rebased_image(version, manifest["metadata"]["annotations"][names.ANNOTATION_BASE_IMAGE]),
            "snapshot": f"registry:5000/labelloop/team-a/intents/snapshot@sha256:{version}",
        }

    def trained_version(self) -> str:
        """Depends on the number of updates only, so that stories reported at different times compare."""
        return "model-" + hashlib.sha256(str(len(self.updates)).encode()).hexdigest()[:12]

    def trained_image(self) -> str:
        return self.rebased_image(self.trained_version(), OPERATOR.backend_image)

    # What the operator sees and does

    def resource(self) -> Resource:
        parsed = parse(self.spec)
        return Resource(
            namespace="team-a",
            name="intents",
            uid=UID,
            generation=self.generation,
            resource_version="1",
            annotations=dict(self.annotations),
            finalizers=self.finalizers,
            deletion_requested_at=self.deletion_requested_at,
            spec=parsed if isinstance(parsed, Spec) else None,
            problems=() if isinstance(parsed, Spec) else parsed,
            status=Status.from_dict(self.status),
        )

    def children(self) -> Children:
        def of(kind: str) -> tuple[dict[str, Any], ...]:
            return tuple(manifest for (found, _), manifest in self.objects.items() if found == kind)

        return Children(
            service=self.objects.get(("Service", "intents-ml")),
            deployments=of("Deployment"),
            jobs=of("Job"),
            pod_problems=self.pod_problems,
        )

    def observe(self) -> Observed:
        resource, children = self.resource(), self.children()
        cut = recovered(resource, children).training.cut or Cut()
        return Observed(
            resource=resource,
            operator=self.operator,
            connection=self.connection,
            children=children,
            outcomes=tuple(
                JobOutcome(manifest["metadata"]["name"], manifest["status"]["result"])
                for manifest in children.jobs
                if manifest["status"]
            ),
            label_studio=self._label_studio_facts(cut),
            conflicts=self.conflicts,
            registry=self.registry,
            secret_versions=self.secret_versions,
            probe=self.probe,
            promoted=self.promoted if recovered(resource, children).model.active is None else None,
            last_error=self.last_error,
            other_trainings=self.other_trainings,
        )

    def _label_studio_facts(self, cut: Cut) -> LabelStudioFacts:
        if self.label_studio_problem is not None:
            return LabelStudioFacts(problem=self.label_studio_problem)
        later = [item for item in self.updates if cut.updated_at is None or item > cut.updated_at]
        return LabelStudioFacts(
            project=ProjectFacts(
                id=7,
                title="Intents",
                label_config="",
                label_config_digest=None if self.label_config_problem else self.label_config_digest,
                label_config_problem=self.label_config_problem,
                label_config_ignored=self.label_config_ignored,
                labels=self.labels,
            ),
            pending=PendingFacts(
                total=len(later), repeat_edits_seen=0, size=len(self.updates), counted_at=self.now, cut=cut
            ),
            backends=tuple(self.backends),
            webhooks=tuple(self.webhooks),
            registration_known=True,
        )

    def plan(self) -> Plan:
        return plan(self.observe(), self.now)

    def reconcile(self) -> Plan:
        """One reconcile; Killed is raised after the write at which the operator is to be killed."""
        try:
            return self._reconcile()
        except Killed:
            self.asked, self.probe = None, ProbeFacts(enabled=True)
            raise

    def _reconcile(self) -> Plan:
        planned = self.plan()
        for action in planned.actions:
            self.execute(action)
        if not self.gone and Status.from_dict(self.status) != planned.status:
            self.status = planned.status.to_dict()
            self._wrote()
            self.events.extend(planned.events)
        return planned

    def settle(self, rounds: int = 200) -> None:
        """Reconcile until nothing changes any more, letting the cluster and the clock go on."""
        quiet = 0
        for _ in range(rounds):
            before, probe = self.writes, self.probe
            try:
                planned = self.reconcile()
            except Killed:
                quiet = 0
                continue
            if self.gone:
                return
            self.progress()
            if self.writes == before:
                told = replace(self.probe, failures=0) != replace(probe, failures=0) or 0 < self.probe.failures <= 3
                quiet = 0 if told else quiet + 1
                if planned.requeue_after is None and quiet > 1 and self._route_changed_at is None:
                    return
                asking = self.asked is not None and self.probe.version != self.asked.version
                patience = 5.0 if asking else 1e9
                self.pass_time(min(patience, planned.requeue_after or (self.proxy_lag and 0.5)))
            else:
                quiet = 0
                self.pass_time(0.5)
        raise AssertionError(f"does not settle: {self.status}")

    # Actions

    def execute(self, action: Action) -> None:  # noqa: C901 - one branch for each action
        if isinstance(action, Apply):
            self._apply(action.manifest)
        elif isinstance(action, Create):
            self._create(action.manifest)
        elif isinstance(action, Delete):
            self._delete(action)
        elif isinstance(action, SetFinalizer):
            self._set_finalizer(action.present)
        elif isinstance(action, ReleaseRelaySecret):
            self._release(action.name)
        elif isinstance(action, EnsureWebhook):
            self._ensure_webhook(action)
        elif isinstance(action, EnsureBackend):
            self._ensure_backend(action)
        elif isinstance(action, Deregister):
            assert self.label_studio_problem is None, "Label Studio does not answer"
            self.backends = [item for item in self.backends if not item.ours]
            self.webhooks = []
            self._wrote()
        elif isinstance(action, ProbeService):
            self.asked = action
        elif isinstance(action, TagPromoted):
            self.registry = replace(self.registry, promoted=action.image)
        elif isinstance(action, RemoveImages):
            refused = self.undeletable
            gone = self.registry.removed | (frozenset() if refused else frozenset(action.images))
            self.registry = replace(self.registry, removed=gone, refusal=refused, refused_generation=action.generation)
        else:
            self.events.append(action)

    def _wrote(self) -> None:
        self.writes += 1
        self.on_write(self)
        if self.kill_after is not None and self.writes == self.kill_after:
            raise Killed

    def _new(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        self._uids += 1
        metadata = {
            **manifest["metadata"],
            "uid": f"uid-{self._uids}",
            "generation": 1,
            "creationTimestamp": format_time(self.now.replace(microsecond=0)),
        }
        return {**manifest, "metadata": metadata, "status": {}}

    def _apply(self, manifest: Mapping[str, Any]) -> None:
        key = (manifest["kind"], manifest["metadata"]["name"])
        live = self.objects.get(key)
        if live is None:
            self.objects[key] = self._new(manifest)
            return self._wrote()
        metadata = {**live["metadata"], **manifest["metadata"]}
        changed = {**live, **manifest, "metadata": metadata}
        if changed == live:
            return None
        if changed.get("spec") != live.get("spec"):
            metadata["generation"] += 1
        self.objects[key] = changed
        return self._wrote()

    def _create(self, manifest: Mapping[str, Any]) -> None:
        key = (manifest["kind"], manifest["metadata"]["name"])
        if key in self.objects:
            return
        self.objects[key] = self._new(manifest)
        if not _predicts(manifest):
            self.jobs_created.append(key[1])
        self._wrote()

    def _delete(self, action: Delete) -> None:
        live = self.objects.get((action.kind, action.name))
        if live is not None and live["metadata"]["uid"] == action.uid:
            del self.objects[action.kind, action.name]
            self._wrote()

    def _release(self, name: str) -> None:
        live = self.objects.get(("Secret", name))
        if live is not None and live["metadata"].get("finalizers"):
            metadata = {key: value for key, value in live["metadata"].items() if key != "finalizers"}
            self.objects["Secret", name] = {**live, "metadata": metadata, "data": {}}
            self._wrote()

    def _set_finalizer(self, present: bool) -> None:
        if present:
            assert self.deletion_requested_at is None, "a finalizer cannot be added to an object that is being deleted"
        wanted = (names.FINALIZER,) if present else ()
        if wanted != self.finalizers:
            self.finalizers = wanted
            self.gone = not present and self.deletion_requested_at is not None
            self._wrote()

    def _ensure_webhook(self, action: EnsureWebhook) -> None:
        assert names.FINALIZER in self.finalizers
        right = RegisteredWebhook(
            id=action.webhook_id or self._next_id(self.webhooks),
            url=action.url,
            actions=(
                "ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED",
                "TASKS_CREATED", "TASKS_DELETED", "PROJECT_UPDATED",
            ),
            is_active=True,
            send_payload=True,
            send_for_all_actions=False,
            authorized=action.secret == OPERATOR.webhook_secret,
        )  # fmt: skip
        self.webhooks = [item for item in self.webhooks if item.id not in (*action.remove, right.id)] + [right]
        self._wrote()

    def _ensure_backend(self, action: EnsureBackend) -> None:
        assert names.FINALIZER in self.finalizers
        backend = RegisteredBackend(
            id=action.backend_id or self._next_id(self.backends),
            url=action.url,
            title=action.title,
            model_version=action.title,
            ours=True,
            state="CO",
            basic_auth_user=action.basic_auth[0] if action.basic_auth else "",
        )
        self.backends = [item for item in self.backends if item.id not in (*action.remove, backend.id)] + [backend]
        self._wrote()

    @staticmethod
    def _next_id(items: list[Any]) -> int:
        return max((item.id for item in items), default=0) + 1

    # What is looked at

    @property
    def typed(self) -> Status:
        return Status.from_dict(self.status)

    def selected(self) -> str | None:
        service = self.objects.get(("Service", "intents-ml"))
        return service["spec"]["selector"].get(names.LABEL_REVISION) if service else None

    def deployment(self, version: str) -> dict[str, Any]:
        return self.objects["Deployment", names.deployment_name("intents", version)]

    def live_jobs(self) -> list[str]:
        """Trainings and rebases that run: predictions may be written next to them until the next reconcile."""
        jobs = [(name, item) for (kind, name), item in self.objects.items() if kind == "Job" and not item["status"]]
        return [name for name, item in jobs if not _predicts(item)]

    def condition(self, type_: str) -> tuple[str, str]:
        found = next(item for item in self.typed.conditions if item.type == type_)
        return str(found.status), found.reason

    def message(self, type_: str) -> str:
        return next(item.message for item in self.typed.conditions if item.type == type_)

    def event_reasons(self) -> list[str]:
        return [event.reason for event in self.events]


def trained() -> World:
    """A world whose first model serves."""
    world = World()
    world.settle()
    world.annotate(3)
    world.settle()
    return world


def backend(ours: bool = True, **changes: Any) -> RegisteredBackend:
    """A backend that is registered right."""
    found = RegisteredBackend(
        id=4, url="http://intents-ml.team-a.svc.cluster.local:9090", title="model-1", model_version="model-1",
        ours=ours, state="CO",
    )  # fmt: skip
    return replace(found, **changes)


def _predicts(job: Mapping[str, Any]) -> bool:
    return bool(job["metadata"]["labels"][names.LABEL_COMPONENT] == names.COMPONENT_PREDICTION)
