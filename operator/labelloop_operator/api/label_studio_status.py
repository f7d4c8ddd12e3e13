"""`status.labelStudio`: which Label Studio the resource belongs to, and what was made there."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labelloop_operator.api.json_values import mapping, text, time_text, whole, without_nothing
from labelloop_operator.api.times import parse_time


@dataclass(frozen=True)
class FormerRegistration:
    """What was made in a project that the resource no longer belongs to, until it is removed there."""

    address: str
    """Of that Label Studio."""
    backend_id: int | None
    webhook_id: int | None
    since: datetime
    """When the resource was found to belong elsewhere."""

    @classmethod
    def from_dict(cls, data: object) -> "FormerRegistration | None":
        """None when it cannot be used."""
        fields = mapping(data)
        address, since = text(fields.get("address")), parse_time(fields.get("since"))
        if address is None or since is None:
            return None
        return cls(address, whole(fields.get("backendID")), whole(fields.get("webhookID")), since)

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            address=self.address,
            backendID=self.backend_id,
            webhookID=self.webhook_id,
            since=time_text(self.since),
        )


@dataclass(frozen=True)
class LabelStudioStatus:
    """What we made in Label Studio, and where that is."""

    backend_id: int | None = None
    webhook_id: int | None = None
    title: str | None = None
    address: str | None = None
    """Of Label Studio, as the connection Secret says; it holds no credentials."""
    release: str | None = None
    project_created_at: datetime | None = None
    """Tells the project from another one with the same id, in another Label Studio or one that was installed again."""
    former: FormerRegistration | None = None

    @property
    def registered(self) -> bool:
        """There may be something of ours in the present project."""
        return self.backend_id is not None or self.webhook_id is not None

    @classmethod
    def from_dict(cls, data: object) -> "LabelStudioStatus":
        """Anything unusable counts as absent."""
        fields = mapping(data)
        return cls(
            backend_id=whole(fields.get("backendID")),
            webhook_id=whole(fields.get("webhookID")),
            title=text(fields.get("title")),
            address=text(fields.get("address")),
            release=text(fields.get("release")),
            project_created_at=parse_time(fields.get("projectCreatedAt")),
            former=FormerRegistration.from_dict(fields.get("former")),
        )

    def to_dict(self) -> dict[str, Any]:
        """As in status."""
        return without_nothing(
            backendID=self.backend_id,
            webhookID=self.webhook_id,
            title=self.title,
            address=self.address,
            release=self.release,
            projectCreatedAt=time_text(self.project_created_at),
            former=self.former.to_dict() if self.former else None,
        )
