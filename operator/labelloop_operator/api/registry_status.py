"""`status.registry`: what is in the registry on this resource's account."""

from dataclasses import dataclass
from typing import Any

from labelloop_operator.api.json_values import mapping, text, without_nothing

SNAPSHOTS_KEPT = 3
"""The newest one is what the next training starts from; earlier ones are named by the labels of images."""
DISCARDED_LIMIT = 50
"""Images that wait for their deletion; beyond it the oldest stay in the registry."""


@dataclass(frozen=True)
class RegistryStatus:
    """Names are `repository@sha256:...`, newest first."""

    promoted: str | None = None
    """Image that the tag `promoted` names."""
    snapshots: tuple[str, ...] = ()
    """Snapshots that are kept."""
    pending_deletion: tuple[str, ...] = ()
    """Images and snapshots that nobody can go back to, to be deleted."""
    deletion_error: str | None = None
    """Why nothing is deleted: the registry does not do it. Asked again when the resource changes."""

    @classmethod
    def from_dict(cls, data: object) -> "RegistryStatus":
        """Anything unusable counts as absent."""
        fields = mapping(data)
        return cls(
            promoted=text(fields.get("promoted")),
            snapshots=_texts(fields.get("snapshots"))[:SNAPSHOTS_KEPT],
            pending_deletion=_texts(fields.get("pendingDeletion"))[:DISCARDED_LIMIT],
            deletion_error=text(fields.get("deletionError")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            promoted=self.promoted,
            snapshots=list(self.snapshots),
            pendingDeletion=list(self.pending_deletion),
            deletionError=self.deletion_error,
        )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if text(item)) if isinstance(value, list) else ()
