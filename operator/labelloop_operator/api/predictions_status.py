"""`status.predictions`: how far the active version's predictions are written into Label Studio."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from labelloop_operator.api.json_values import count, mapping, text, time_text, without_nothing
from labelloop_operator.api.times import parse_time


class PredictionsOutcome(StrEnum):
    """Outcomes of a prediction Job."""

    PREDICTED = "Predicted"
    FAILED = "Failed"


@dataclass(frozen=True)
class PredictionsStatus:
    """Of one version. `outcome` is None until that of `job` is recorded; only then is the Job deleted."""

    version: str
    inputs: str = ""
    """Digest of project and settings: other ones need another Job."""
    job: str | None = None
    outcome: PredictionsOutcome | None = None
    reason: str = ""
    """Of a failure."""
    message: str = ""
    written: int = 0
    """Predictions that the newest Job wrote."""
    removed: int = 0
    """Predictions of older versions that it removed."""
    failures: int = 0
    not_before: datetime | None = None

    @classmethod
    def from_dict(cls, data: object) -> "PredictionsStatus | None":
        """None without a version; anything else unusable counts as absent."""
        fields = mapping(data)
        version = text(fields.get("version"))
        if version is None:
            return None
        return cls(
            version=version,
            inputs=text(fields.get("inputs")) or "",
            job=text(fields.get("job")),
            outcome=next((item for item in PredictionsOutcome if item.value == fields.get("outcome")), None),
            reason=text(fields.get("reason")) or "",
            message=text(fields.get("message")) or "",
            written=count(fields.get("written")),
            removed=count(fields.get("removed")),
            failures=count(fields.get("failures")),
            not_before=parse_time(fields.get("nextRetryTime")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            version=self.version,
            inputs=self.inputs or None,
            job=self.job,
            outcome=str(self.outcome) if self.outcome else None,
            reason=self.reason or None,
            message=self.message or None,
            written=self.written,
            removed=self.removed,
            failures=self.failures,
            nextRetryTime=time_text(self.not_before),
        )
