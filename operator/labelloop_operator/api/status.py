"""The `status` as typed values. Reading tolerates anything: a wiped or foreign status must not stop the operator.

Two statuses mean the same when their values are equal, whatever the dictionaries they came from looked like.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from labelloop_operator.api.conditions import Condition
from labelloop_operator.api.rebase_status import Rebase
from labelloop_operator.api.registry_status import RegistryStatus
from labelloop_operator.api.times import format_time, parse_time

T = TypeVar("T")
HISTORY_MAXIMUM = 20
"""Upper bound of `spec.model.historyLimit`: the history also stands in an annotation of the Service."""
REFUSED_LIMIT = 10


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _count(value: object) -> int:
    return max(0, _whole(value) or 0)


def _list(value: object, read: Callable[[Mapping[str, Any]], T | None]) -> tuple[T, ...]:
    found = (read(item) for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()
    return tuple(item for item in found if item is not None)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _without_nothing(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
    """No nulls and no empty containers: applied again they would count as changes."""
    return {name: value for name, value in fields.items() if value is not None and value not in ({}, [])}


@dataclass(frozen=True)
class Cut:
    """What the newest training has read: newest `updated_at` (None: nothing yet) and number of annotations."""

    updated_at: datetime | None = None
    size: int = 0

    @classmethod
    def from_dict(cls, data: object) -> "Cut | None":
        """None when there is no usable cut in `data` (keys of status or of result.json)."""
        fields = _mapping(data)
        size = _whole(fields.get("size"))
        if size is None or size < 0:
            return None
        moment = fields.get("updatedAt", fields.get("updated_at"))
        parsed = parse_time(moment)
        return None if moment is not None and parsed is None else cls(updated_at=parsed, size=size)

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return _without_nothing(updatedAt=_time(self.updated_at), size=self.size)


@dataclass(frozen=True)
class Failure:
    """Why the newest training failed."""

    reason: str
    message: str
    at: datetime | None = None

    @classmethod
    def from_dict(cls, data: object) -> "Failure | None":
        """None when `data` tells no reason."""
        fields = _mapping(data)
        reason = _text(fields.get("reason"))
        if reason is None:
            return None
        return cls(reason, _text(fields.get("message")) or "", parse_time(fields.get("at")))

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return _without_nothing(reason=self.reason, message=self.message, at=_time(self.at))


@dataclass(frozen=True)
class TrainingStatus:
    """Counting and the newest training Job.

    `job` names the newest Job; `last_outcome` is None until its outcome is on record here, and only then may the
    Job be deleted.
    """

    cut: Cut | None = None
    pending_updates: int | None = None
    repeat_edits: int = 0
    job: str | None = None
    handled_request: str | None = None
    snapshot: str | None = None
    last_outcome: str | None = None
    last_failure: Failure | None = None
    consecutive_failures: int = 0
    attempt: int = 0
    next_not_before: datetime | None = None
    finished_at: datetime | None = None
    """When the newest outcome was put on record."""
    next: str | None = None
    """Why no training runs now, and what starts the next one."""

    @classmethod
    def from_dict(cls, data: object) -> "TrainingStatus":
        """Anything unusable counts as absent."""
        fields = _mapping(data)
        pending = _whole(fields.get("pendingUpdates"))
        return cls(
            cut=Cut.from_dict(fields.get("cut")),
            pending_updates=pending if pending is None else max(0, pending),
            repeat_edits=_count(fields.get("repeatEdits")),
            job=_text(fields.get("job")),
            handled_request=_text(fields.get("handledRequest")),
            snapshot=_text(fields.get("snapshot")),
            last_outcome=_text(fields.get("lastOutcome")),
            last_failure=Failure.from_dict(fields.get("lastFailure")),
            consecutive_failures=_count(fields.get("consecutiveFailures")),
            attempt=_count(fields.get("attempt")),
            next_not_before=parse_time(fields.get("nextNotBefore")),
            finished_at=parse_time(fields.get("finishedAt")),
            next=_text(fields.get("next")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return _without_nothing(
            cut=self.cut.to_dict() if self.cut else None,
            pendingUpdates=self.pending_updates,
            repeatEdits=self.repeat_edits,
            job=self.job,
            handledRequest=self.handled_request,
            snapshot=self.snapshot,
            lastOutcome=self.last_outcome,
            lastFailure=self.last_failure.to_dict() if self.last_failure else None,
            consecutiveFailures=self.consecutive_failures,
            attempt=self.attempt,
            nextNotBefore=_time(self.next_not_before),
            finishedAt=_time(self.finished_at),
            next=self.next,
        )


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
        fields = _mapping(data)
        version, image = _text(fields.get("version")), _text(fields.get("image"))
        if version is None or image is None:
            return None
        return cls(
            version=version,
            image=image,
            dataset_digest=_text(fields.get("datasetDigest")),
            metrics={str(name): str(value) for name, value in sorted(_mapping(fields.get("metrics")).items())},
            at=parse_time(fields.get("promotedAt", fields.get("startedAt"))),
            base_image=_text(fields.get("baseImage")),
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
            time_field: _time(self.at),
            "switchedAt": _time(self.switched_at),
            "rollback": self.rollback or None,
        }
        return _without_nothing(**fields)


@dataclass(frozen=True)
class Refusal:
    """A version that the gate or its roll-out stopped; its image is not rolled out again by itself."""

    version: str
    image: str
    reason: str
    at: datetime | None = None

    @classmethod
    def from_dict(cls, data: object) -> "Refusal | None":
        """None without version and image."""
        fields = _mapping(data)
        version, image = _text(fields.get("version")), _text(fields.get("image"))
        if version is None or image is None:
            return None
        return cls(version, image, _text(fields.get("reason")) or "", parse_time(fields.get("at")))

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return _without_nothing(version=self.version, image=self.image, reason=self.reason, at=_time(self.at))


@dataclass(frozen=True)
class ModelStatus:
    """Which model serves, which is on its way, which were; newest first."""

    active: ModelVersion | None = None
    candidate: ModelVersion | None = None
    refused: tuple[Refusal, ...] = ()
    history: tuple[ModelVersion, ...] = ()
    rebase: Rebase | None = None

    def with_refused(self, version: ModelVersion, reason: str, at: datetime) -> "ModelStatus":
        """The same, with this version remembered as refused; newest first, each image once."""
        entry = Refusal(version.version, version.image, reason, at)
        others = [item for item in self.refused if item.image != version.image]
        return replace(self, refused=(entry, *others)[:REFUSED_LIMIT])

    @classmethod
    def from_dict(cls, data: object) -> "ModelStatus":
        """Anything unusable counts as absent."""
        fields = _mapping(data)
        return cls(
            active=ModelVersion.from_dict(fields.get("active")),
            candidate=ModelVersion.from_dict(fields.get("candidate")),
            refused=_list(fields.get("refused"), Refusal.from_dict)[:REFUSED_LIMIT],
            history=_list(fields.get("history"), ModelVersion.from_dict)[:HISTORY_MAXIMUM],
            rebase=Rebase.from_dict(fields.get("rebase")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return _without_nothing(
            active=self.active.to_dict() if self.active else None,
            candidate=self.candidate.to_dict("startedAt") if self.candidate else None,
            refused=[entry.to_dict() for entry in self.refused],
            history=[entry.to_dict() for entry in self.history],
            rebase=self.rebase.to_dict() if self.rebase else None,
        )


@dataclass(frozen=True)
class LabelStudioStatus:
    """What we made in Label Studio."""

    backend_id: int | None = None
    webhook_id: int | None = None
    title: str | None = None

    @classmethod
    def from_dict(cls, data: object) -> "LabelStudioStatus":
        """Anything unusable counts as absent."""
        fields = _mapping(data)
        return cls(_whole(fields.get("backendID")), _whole(fields.get("webhookID")), _text(fields.get("title")))

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return _without_nothing(backendID=self.backend_id, webhookID=self.webhook_id, title=self.title)


@dataclass(frozen=True)
class Status:
    """The whole status; `==` is semantic equality."""

    observed_generation: int | None = None
    url: str | None = None
    replicas: int | None = None
    selector: str | None = None
    conditions: tuple[Condition, ...] = ()
    training: TrainingStatus = TrainingStatus()
    model: ModelStatus = ModelStatus()
    registry: RegistryStatus = field(default_factory=RegistryStatus)
    label_studio: LabelStudioStatus = LabelStudioStatus()

    @classmethod
    def from_dict(cls, data: object) -> "Status":
        """Never raises: what cannot be read counts as absent."""
        fields = _mapping(data)
        return cls(
            observed_generation=_whole(fields.get("observedGeneration")),
            url=_text(fields.get("url")),
            replicas=_whole(fields.get("replicas")),
            selector=_text(fields.get("selector")),
            conditions=_list(fields.get("conditions"), Condition.from_dict),
            training=TrainingStatus.from_dict(fields.get("training")),
            model=ModelStatus.from_dict(fields.get("model")),
            registry=RegistryStatus.from_dict(fields.get("registry")),
            label_studio=LabelStudioStatus.from_dict(fields.get("labelStudio")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As it is written: full, without nulls."""
        return _without_nothing(
            observedGeneration=self.observed_generation,
            url=self.url,
            replicas=self.replicas,
            selector=self.selector,
            conditions=[entry.to_dict() for entry in self.conditions],
            training=self.training.to_dict(),
            model=self.model.to_dict(),
            registry=self.registry.to_dict(),
            labelStudio=self.label_studio.to_dict(),
        )
