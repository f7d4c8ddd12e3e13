"""`status.model.rebase`: how far the active version's move to another base image has come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from labelloop_operator.api.json_values import count, mapping, text, time_text, without_nothing
from labelloop_operator.api.times import parse_time


class RebaseOutcome(StrEnum):
    """What the newest Job of a rebase came to."""

    REBASED = "Rebased"
    NEEDS_TRAINING = "NeedsTraining"
    FAILED = "Failed"


@dataclass(frozen=True)
class Rebase:
    """Of one version to one base image. `outcome` is None until that of `job` is on record; only then may it go."""

    version: str
    base_image: str
    job: str | None = None
    outcome: RebaseOutcome | None = None
    message: str = ""
    failures: int = 0
    not_before: datetime | None = None

    @classmethod
    def from_dict(cls, data: object) -> "Rebase | None":
        """None without version and base image; anything else unusable counts as absent."""
        fields = mapping(data)
        version, base_image = text(fields.get("version")), text(fields.get("baseImage"))
        if version is None or base_image is None:
            return None
        return cls(
            version=version,
            base_image=base_image,
            job=text(fields.get("job")),
            outcome=next((item for item in RebaseOutcome if item.value == fields.get("outcome")), None),
            message=text(fields.get("message")) or "",
            failures=count(fields.get("failures")),
            not_before=parse_time(fields.get("nextRetryTime")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            version=self.version,
            baseImage=self.base_image,
            job=self.job,
            outcome=str(self.outcome) if self.outcome else None,
            message=self.message or None,
            failures=self.failures,
            nextRetryTime=time_text(self.not_before),
        )
