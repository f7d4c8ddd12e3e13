"""The `status` as typed values. Reading tolerates anything: a wiped or foreign status must not stop the operator.

Two statuses mean the same when their values are equal, whatever the dictionaries they came from looked like.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from labelloop_operator.api.conditions import Condition
from labelloop_operator.api.json_values import list_of, mapping, text, time_text, whole, without_nothing
from labelloop_operator.api.label_studio_status import LabelStudioStatus
from labelloop_operator.api.predictions_status import PredictionsStatus
from labelloop_operator.api.rebase_status import Rebase
from labelloop_operator.api.registry_status import RegistryStatus
from labelloop_operator.api.times import parse_time
from labelloop_operator.api.training_status import Cut, Failure, TrainingStatus

__all__ = ["Cut", "Failure", "LabelStudioStatus", "ModelStatus", "ModelVersion", "Refusal", "Status", "TrainingStatus"]

HISTORY_MAXIMUM = 20
"""Upper bound of `spec.model.historyLimit`: the history also is in an annotation of the Service."""
REFUSED_LIMIT = 10


@dataclass(frozen=True)
class ModelVersion:
    """A version that is, was or may become the served one. `at`: promotedAt, or startedAt of a candidate."""

    version: str
    image: str
    dataset_digest: str | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None
    base_image: str | None = None
    """What the model's layer stands on, as spec names it; None: cold, or not known."""
    switched_at: datetime | None = None
    """Candidates only: when the Service began to select its pods."""
    rollback: bool = False
    """Candidates only: it replaces an active version that does not serve."""

    @classmethod
    def from_dict(cls, data: object) -> "ModelVersion | None":
        """None without version and image."""
        fields = mapping(data)
        version, image = text(fields.get("version")), text(fields.get("image"))
        if version is None or image is None:
            return None
        return cls(
            version=version,
            image=image,
            dataset_digest=text(fields.get("datasetDigest")),
            metrics={str(name): str(value) for name, value in sorted(mapping(fields.get("metrics")).items())},
            at=parse_time(fields.get("promotedAt", fields.get("startedAt"))),
            base_image=text(fields.get("baseImage")),
            switched_at=parse_time(fields.get("switchedAt")),
            rollback=fields.get("rollback") is True,
        )

    def to_dict(self, time_field: str = "promotedAt") -> dict[str, Any]:
        """As in status; a candidate's time stands under `startedAt`."""
        fields = {
            "version": self.version,
            "image": self.image,
            "baseImage": self.base_image,
            "datasetDigest": self.dataset_digest,
            "metrics": dict(self.metrics),
            time_field: time_text(self.at),
            "switchedAt": time_text(self.switched_at),
            "rollback": self.rollback or None,
        }
        return without_nothing(**fields)


@dataclass(frozen=True)
class Refusal:
    """A version that the gate or its roll-out stopped; its image is not rolled out again by itself, but at `retry_at`:
    what keeps its pods from running may pass. The rest is kept for that."""

    version: str
    image: str
    reason: str
    at: datetime | None = None
    retry_at: datetime | None = None
    base_image: str | None = None
    dataset_digest: str | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def candidate(self) -> "ModelVersion":
        """The version, to be rolled out once more."""
        return ModelVersion(
            self.version, self.image, self.dataset_digest, metrics=self.metrics, base_image=self.base_image
        )

    @classmethod
    def from_dict(cls, data: object) -> "Refusal | None":
        """None without version and image."""
        fields = mapping(data)
        version, image = text(fields.get("version")), text(fields.get("image"))
        if version is None or image is None:
            return None
        refusal = cls(version, image, text(fields.get("reason")) or "", parse_time(fields.get("at")))
        model, retry_at = ModelVersion.from_dict(fields), parse_time(fields.get("retryAt"))
        return refusal if model is None or retry_at is None else refusal.to_be_tried_again(model, retry_at)

    def to_be_tried_again(self, model: "ModelVersion", at: datetime) -> "Refusal":
        """The same, with what is needed to roll it out once more."""
        return replace(
            self,
            retry_at=at,
            base_image=model.base_image,
            dataset_digest=model.dataset_digest,
            metrics=model.metrics,
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            version=self.version,
            image=self.image,
            reason=self.reason,
            at=time_text(self.at),
            retryAt=time_text(self.retry_at),
            baseImage=self.base_image,
            datasetDigest=self.dataset_digest,
            metrics=dict(self.metrics),
        )


@dataclass(frozen=True)
class ModelStatus:
    """Which model serves, which is on its way, which were; newest first."""

    active: ModelVersion | None = None
    candidate: ModelVersion | None = None
    refused: tuple[Refusal, ...] = ()
    history: tuple[ModelVersion, ...] = ()
    rebase: Rebase | None = None

    def with_refused(
        self, version: ModelVersion, reason: str, at: datetime, retry_at: datetime | None = None
    ) -> "ModelStatus":
        """The same, with this version remembered as refused; newest first, each image once."""
        entry = Refusal(version.version, version.image, reason, at)
        if retry_at is not None:
            entry = entry.to_be_tried_again(version, retry_at)
        others = [item for item in self.refused if item.image != version.image]
        return replace(self, refused=(entry, *others)[:REFUSED_LIMIT])

    @classmethod
    def from_dict(cls, data: object) -> "ModelStatus":
        """Anything unusable counts as absent."""
        fields = mapping(data)
        return cls(
            active=ModelVersion.from_dict(fields.get("active")),
            candidate=ModelVersion.from_dict(fields.get("candidate")),
            refused=list_of(fields.get("rejected"), Refusal.from_dict)[:REFUSED_LIMIT],
            history=list_of(fields.get("history"), ModelVersion.from_dict)[:HISTORY_MAXIMUM],
            rebase=Rebase.from_dict(fields.get("rebase")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            active=self.active.to_dict() if self.active else None,
            candidate=self.candidate.to_dict("startedAt") if self.candidate else None,
            rejected=[entry.to_dict() for entry in self.refused],
            history=[entry.to_dict() for entry in self.history],
            rebase=self.rebase.to_dict() if self.rebase else None,
        )


@dataclass(frozen=True)
class Status:
    """The whole status; `==` is semantic equality."""

    observed_generation: int | None = None
    url: str | None = None
    replicas: int | None = None
    selector: str | None = None
    conditions: tuple[Condition, ...] = ()
    training: TrainingStatus = field(default_factory=TrainingStatus)
    model: ModelStatus = ModelStatus()
    registry: RegistryStatus = field(default_factory=RegistryStatus)
    predictions: PredictionsStatus | None = None
    label_studio: LabelStudioStatus = field(default_factory=LabelStudioStatus)

    @classmethod
    def from_dict(cls, data: object) -> "Status":
        """Never raises: what cannot be read counts as absent."""
        fields = mapping(data)
        return cls(
            observed_generation=whole(fields.get("observedGeneration")),
            url=text(fields.get("url")),
            replicas=whole(fields.get("replicas")),
            selector=text(fields.get("selector")),
            conditions=list_of(fields.get("conditions"), Condition.from_dict),
            training=TrainingStatus.from_dict(fields.get("training")),
            model=ModelStatus.from_dict(fields.get("model")),
            registry=RegistryStatus.from_dict(fields.get("registry")),
            predictions=PredictionsStatus.from_dict(fields.get("predictions")),
            label_studio=LabelStudioStatus.from_dict(fields.get("labelStudio")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As it is written: full, without nulls."""
        return without_nothing(
            observedGeneration=self.observed_generation,
            url=self.url,
            replicas=self.replicas,
            selector=self.selector,
            conditions=[entry.to_dict() for entry in self.conditions],
            training=self.training.to_dict(),
            model=self.model.to_dict(),
            registry=self.registry.to_dict(),
            predictions=self.predictions.to_dict() if self.predictions else None,
            labelStudio=self.label_studio.to_dict(),
        )
