"""What the Kubernetes API answers when it refuses, and which kind of error that is for the engine."""

import json
from enum import Enum
from typing import Any

_SCHEMA_ERROR = "failed to create typed patch object"


class Severity(Enum):
    """How the engine goes on."""

    RETRY = "retry"
    """Passes by itself, or once somebody outside mended it: try again after a back-off."""
    INVALID = "invalid"
    """Waits for a change by the user; a condition says which."""
    BUG = "bug"
    """Ours: logged with its trace, tried again after a back-off."""


class ApiError(Exception):
    """An HTTP error of the Kubernetes API, or no answer at all (status 0)."""

    def __init__(self, method: str, path: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{method} {path}: {status or 'no answer'} {reason}: {message}")
        self.method = method
        self.path = path
        self.status = status
        self.reason = reason
        self.message = message

    @classmethod
    def from_answer(cls, method: str, path: str, status: int, body: bytes) -> "ApiError":
        """From an HTTP answer; its body is a `Status` object, or anything at all when a proxy answered."""
        try:
            told: Any = json.loads(body)
        except ValueError:
            told = {}
        if not isinstance(told, dict):
            told = {}
        message = str(told.get("message") or body[:200].decode("utf-8", "replace"))
        return cls(method, path, status, str(told.get("reason") or "Unknown"), message)

    @property
    def severity(self) -> Severity:
        """Server-side apply answers 500 for a manifest that breaks the schema: that one never passes by itself."""
        if self.status == 500 and _SCHEMA_ERROR in self.message:
            return Severity.BUG
        if self.status in (400, 405, 415):
            return Severity.BUG
        if self.status == 422:
            return Severity.INVALID
        return Severity.RETRY


class NotLeading(Exception):  # noqa: N818 - a state, not a fault
    """A write was refused by ourselves: this replica does not hold the lease."""
