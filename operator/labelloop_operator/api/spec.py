"""The parsed `spec`: what the API server's schema has let through, typed, with every default applied.

`parse` repeats the checks of the CRD, since an older CRD may have let through what this operator cannot use.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labelloop_operator.api.conditions import Reason
from labelloop_operator.api.fields import Fields
from labelloop_operator.api.pod_template import SERVING_CONTAINERS, TRAINING_CONTAINERS, PodTemplate, pod_template
from labelloop_operator.api.quantities import quantity_value
from labelloop_operator.api.status import HISTORY_MAXIMUM

TEXT_CLASSIFIER = "text-classifier"
_MODEL_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Problem:
    """Something a person must mend: which field or address, its value (never a secret), and the remedy."""

    field: str
    value: str
    message: str
    reason: Reason = Reason.INVALID_SPEC

    def __str__(self) -> str:
        shown = f" ({self.value})" if self.value else ""
        return f"{self.field}{shown}: {self.message}" if self.field else self.message


@dataclass(frozen=True)
class Resources:
    """Requests and limits of a container, in canonical quantities."""

    requests: Mapping[str, str]
    limits: Mapping[str, str]


SERVING_RESOURCES = Resources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "1Gi"})
TRAINING_RESOURCES = Resources(requests={"cpu": "250m", "memory": "512Mi"}, limits={"memory": "2Gi"})


@dataclass(frozen=True)
class LabelStudioSpec:
    """Where annotations come from."""

    connection_secret: str
    project: int
    register: bool = True


@dataclass(frozen=True)
class ServingSpec:
    """The pods that answer predictions."""

    replicas: int = 1
    resources: Resources = SERVING_RESOURCES
    basic_auth_secret: str | None = None
    pod_template: PodTemplate = field(default_factory=PodTemplate)


@dataclass(frozen=True)
class ModelSpec:
    """Which model; `pinned_version` must serve; None: the newest that passed."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    pinned_version: str | None = None
    history_limit: int = 5
    type: str | None = None
    """`module:Class` of a custom model in the base image; None: the text classifier."""


@dataclass(frozen=True)
class TrainingSpec:
    """When and with what to train; durations in seconds."""

    updates_per_training: int = 10
    min_interval: float = 0.0
    min_annotations: int = 0
    backoff: float = 30.0
    deadline: float = 3600.0
    snapshot_policy: str = "Registry"
    """`Registry`: what a training read is kept there for the next one; `None`: it is kept nowhere."""
    resources: Resources = TRAINING_RESOURCES
    pod_template: PodTemplate = field(default_factory=PodTemplate)

    @property
    def keeps_snapshots(self) -> bool:
        """Whether a training may leave texts and labels behind, and use what an earlier one left."""
        return self.snapshot_policy == "Registry"


@dataclass(frozen=True)
class EvaluationSpec:
    """How models are measured and what the gate lets pass. None: the library's default."""

    holdout: float = 0.2
    metric: str = "Accuracy"
    tolerance: float | None = None
    min_accuracy: float | None = None
    mode: str = "Enforce"
    hide_holdout_predictions: bool = False


@dataclass(frozen=True)
class PredictionsSpec:
    """Which tasks get stored predictions of a new version."""

    scope: str = "Unlabelled"
    """`Unlabelled`: tasks without annotations; `All`; `None`: nothing is written or removed."""
    limit: int = 2000
    """Tasks at most, lowest ids first."""
    keep_versions: int = 2
    """Versions whose predictions stay, the new one included."""


@dataclass(frozen=True)
class RegistrySpec:
    """Where images go. None: the operator's default."""

    repository: str | None = None
    push_secret: str | None = None
    pull_secret: str | None = None
    plain_http: bool | None = None


@dataclass(frozen=True)
class Spec:
    """A valid LabelStudioBackend spec (docs/user/resource.md tells each field)."""

    label_studio: LabelStudioSpec
    image: str | None = None
    model: ModelSpec = field(default_factory=ModelSpec)
    serving: ServingSpec = field(default_factory=ServingSpec)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    evaluation: EvaluationSpec = EvaluationSpec()
    progress_deadline: float = 300.0
    predictions: PredictionsSpec = PredictionsSpec()
    registry: RegistrySpec = RegistrySpec()
    suspend: bool = False


def parse(data: Mapping[str, Any]) -> Spec | tuple[Problem, ...]:
    """The spec, or everything that is wrong with it."""
    root = Fields(data, "spec")
    spec = _spec(root)
    if root.faults:
        return tuple(Problem(fault.path, fault.value, fault.message) for fault in root.faults)
    return spec


def _spec(root: Fields) -> Spec:
    label_studio, serving, training = root.section("labelStudio"), root.section("serving"), root.section("training")
    registry, evaluation, model = root.section("registry"), root.section("evaluation"), root.section("model")
    predictions = root.section("predictions")
    return Spec(
        label_studio=LabelStudioSpec(
            connection_secret=label_studio.required_reference("connectionSecretRef"),
            project=label_studio.integer("project", None, minimum=1),
            register=label_studio.boolean("register", default=True),
        ),
        image=root.text("image"),
        model=ModelSpec(
            type=_model_type(model),
            parameters=model.shallow_object("parameters"),
            pinned_version=model.text("pinnedVersion"),
            history_limit=model.integer("historyLimit", 5, minimum=0, maximum=HISTORY_MAXIMUM),
        ),
        serving=ServingSpec(
            replicas=serving.integer("replicas", 1, minimum=1),
            resources=_resources(serving, SERVING_RESOURCES),
            basic_auth_secret=serving.reference("basicAuthSecretRef"),
            pod_template=pod_template(serving, SERVING_CONTAINERS),
        ),
        training=TrainingSpec(
            updates_per_training=training.integer("updatesPerTraining", 10, minimum=1),
            min_interval=training.duration("minInterval", 0.0, "168h", minimum=0),
            min_annotations=training.integer("minAnnotations", 0, minimum=0),
            backoff=training.duration("backoff", 30.0, "1h"),
            deadline=training.duration("deadline", 3600.0, "168h"),
            snapshot_policy=training.choice("snapshotPolicy", ("Registry", "None")),
            resources=_resources(training, TRAINING_RESOURCES),
            pod_template=pod_template(training, TRAINING_CONTAINERS),
        ),
        evaluation=EvaluationSpec(
            holdout=evaluation.decimal("holdout", 0.2, minimum=0.0, maximum=0.9),
            metric=evaluation.text("metric") or EvaluationSpec.metric,
            tolerance=evaluation.optional_decimal("tolerance", minimum=0.0, maximum=10.0),
            min_accuracy=evaluation.optional_decimal("minAccuracy", minimum=0.0, maximum=1.0),
            mode=evaluation.choice("mode", ("Enforce", "Audit")),
            hide_holdout_predictions=evaluation.boolean("hideHoldoutPredictions", default=False),
        ),
        progress_deadline=root.section("rollout").duration("progressDeadline", 300.0, "24h"),
        predictions=PredictionsSpec(
            scope=predictions.choice("scope", ("Unlabelled", "All", "None")),
            limit=predictions.integer("limit", 2000, minimum=1),
            keep_versions=predictions.integer("keepVersions", 2, minimum=1),
        ),
        registry=RegistrySpec(
            repository=registry.text("repository"),
            push_secret=registry.reference("pushSecretRef"),
            pull_secret=registry.reference("pullSecretRef"),
            plain_http=registry.boolean("plainHTTP", default=None),
        ),
        suspend=root.boolean("suspend", default=False),
    )


def _model_type(model: Fields) -> str | None:
    name = model.text("type")
    if name is None or name == TEXT_CLASSIFIER:
        return None
    if not _MODEL_CLASS.fullmatch(name):
        model.fault("type", f"must be {TEXT_CLASSIFIER}, or module:Class of a model in the base image")
    return name


def _resources(parent: Fields, default: Resources) -> Resources:
    section = parent.section("resources")
    if not section.data:
        return default
    requests, limits = section.quantities("requests"), section.quantities("limits")
    for name in requests.keys() & limits.keys():
        if quantity_value(requests[name]) > quantity_value(limits[name]):
            section.section("requests").fault(name, f"must not be larger than the limit of {limits[name]}")
    return Resources(requests=requests, limits=limits)
