"""`status.model.rebase`: how far the active version's move to another base image has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from labelloop_operator.api.times import format_time, parse_time


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
        fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        version, base_image, job = fields.get("version"), fields.get("baseImage"), fields.get("job")
        if not (isinstance(version, str) and version and isinstance(base_image, str) and base_image):
            return None
        failures = fields.get("failures")
        message = fields.get("message")
        return cls(
            version=version,
            base_image=base_image,
            job=job if isinstance(job, str) and job else None,
            outcome=next((item for item in RebaseOutcome if item.value == fields.get("outcome")), None),
            message=message if isinstance(message, str) else "",
            failures=max(0, failures) if isinstance(failures, int) and not isinstance(failures, bool) else 0,
            not_before=parse_time(fields.get("nextNotBefore")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        fields = {
            "version": self.version,
            "baseImage": self.base_image,
            "job": self.job,
            "outcome": str(self.outcome) if self.outcome else None,
            "message": self.message or None,
            "failures": self.failures,
            "nextNotBefore": format_time(self.not_before) if self.not_before else None,
        }
        return {name: value for name, value in fields.items() if value is not None}
