"""What the trainer last observed of a project, for people: the model page shows it. Nothing is decided by it."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Activity:
    """Of one project; times are RFC 3339."""

    updates_per_training: int
    pending: int | None = None
    """Updates since the newest training; None: not counted yet."""
    training_since: str | None = None
    """When the training under way started; None: none runs."""
    problem: str | None = None
    """Why the project cannot be counted."""
    problem_since: str | None = None

    def to_json(self) -> bytes:
        """One document."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Activity | None":
        """None for a document that cannot be read: the trainer writes the next one within a second."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return None
