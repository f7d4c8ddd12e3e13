"""`status.training`: counting and the newest training Job."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labelloop_operator.api.json_values import count, mapping, text, time_text, whole, without_nothing
from labelloop_operator.api.times import parse_time


@dataclass(frozen=True)
class Cut:
    """What the newest training has read: newest `updated_at` (None: nothing yet) and number of annotations."""

    updated_at: datetime | None = None
    size: int = 0

    @classmethod
    def from_dict(cls, data: object) -> "Cut | None":
        """None when there is no usable cut in `data` (keys of status or of result.json)."""
        fields = mapping(data)
        size = whole(fields.get("annotations", fields.get("size")))
        if size is None or size < 0:
            return None
        moment = fields.get("updatedAt", fields.get("updated_at"))
        parsed = parse_time(moment)
        return None if moment is not None and parsed is None else cls(updated_at=parsed, size=size)

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(updatedAt=time_text(self.updated_at), annotations=self.size)


@dataclass(frozen=True)
class Failure:
    """Why the newest training failed."""

    reason: str
    message: str
    at: datetime | None = None
    inputs: str | None = None
    """Digest of what its Job was made of (planning/job_inputs.py): when that changes, the pause before the retry
    ends."""

    @classmethod
    def from_dict(cls, data: object) -> "Failure | None":
        """None when `data` tells no reason."""
        fields = mapping(data)
        reason = text(fields.get("reason"))
        if reason is None:
            return None
        return cls(reason, text(fields.get("message")) or "", parse_time(fields.get("at")), text(fields.get("inputs")))

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(reason=self.reason, message=self.message, at=time_text(self.at), inputs=self.inputs)


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
    job_uid: str | None = None
    """What it pushes to the registry is tagged with name and uid."""
    handled_request: str | None = None
    snapshot: str | None = None
    last_outcome: str | None = None
    last_failure: Failure | None = None
    consecutive_failures: int = 0
    attempt: int = 0
    next_not_before: datetime | None = None
    finished_at: datetime | None = None
    """When the newest outcome was put on record."""
    label_config: str | None = None
    """Digest of the labelling configuration that the newest training read; None: not known, or of a custom model."""
    label_config_confirmed: bool = False
    """It was still that of the project when the training had ended."""
    next: str | None = None
    """Why no training runs now, and what starts the next one."""

    @classmethod
    def from_dict(cls, data: object) -> "TrainingStatus":
        """Anything unusable counts as absent."""
        fields = mapping(data)
        pending = whole(fields.get("pendingUpdates"))
        return cls(
            cut=Cut.from_dict(fields.get("trainedThrough")),
            pending_updates=pending if pending is None else max(0, pending),
            repeat_edits=count(fields.get("additionalEdits")),
            job=text(fields.get("job")),
            job_uid=text(fields.get("jobUID")),
            handled_request=text(fields.get("lastHandledTrainRequest")),
            snapshot=text(fields.get("snapshot")),
            last_outcome=text(fields.get("lastOutcome")),
            last_failure=Failure.from_dict(fields.get("lastFailure")),
            consecutive_failures=count(fields.get("consecutiveFailures")),
            attempt=count(fields.get("attempt")),
            next_not_before=parse_time(fields.get("nextRetryTime")),
            finished_at=parse_time(fields.get("lastCompletionTime")),
            label_config=text(fields.get("labelConfig")),
            label_config_confirmed=fields.get("labelConfigConfirmed") is True,
            next=text(fields.get("next")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            trainedThrough=self.cut.to_dict() if self.cut else None,
            pendingUpdates=self.pending_updates,
            additionalEdits=self.repeat_edits,
            job=self.job,
            jobUID=self.job_uid,
            lastHandledTrainRequest=self.handled_request,
            snapshot=self.snapshot,
            lastOutcome=self.last_outcome,
            lastFailure=self.last_failure.to_dict() if self.last_failure else None,
            consecutiveFailures=self.consecutive_failures,
            attempt=self.attempt,
            nextRetryTime=time_text(self.next_not_before),
            lastCompletionTime=time_text(self.finished_at),
            labelConfig=self.label_config,
            labelConfigConfirmed=self.label_config_confirmed or None,
            next=self.next,
        )
