"""What the Kubernetes API answers when it refuses, and which kind of error that is for the engine."""

import json
from enum import Enum
from typing import Any

LONGEST_PAUSE = 300.0
"""Seconds that a server may ask to be left alone for."""
_SCHEMA_ERROR = "failed to create typed patch object"


class Severity(Enum):
    """How the engine continues."""

    RETRY = "retry"
    """Passes by itself, or once somebody outside fixed it: try again after a back-off."""
    INVALID = "invalid"
    """Waits for a change by the user; a condition says which."""
    BUG = "bug"
    """Ours: logged with its trace, tried again after a back-off."""


class ApiError(Exception):
    """An HTTP error of the Kubernetes API, or no answer at all (status 0).

    `retry_after`: seconds for which the API server wants to be left alone; 0: it does not say.
    """

    def __init__(
        self, method: str, path: str, status: int, reason: str, message: str, retry_after: float = 0.0
    ) -> None:
        super().__init__(f"{method} {path}: {status or 'no answer'} {reason}: {message}")
        self.method = method
        self.path = path
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @classmethod
    def from_answer(cls, method: str, path: str, status: int, body: bytes, retry_after: str = "") -> "ApiError":
        """From an HTTP answer; its body is a `Status` object, or anything at all when a proxy answered."""
        try:
            told: Any = json.loads(body)
        except ValueError:
            told = {}
        if not isinstance(told, dict):
            told = {}
        message = str(told.get("message") or body[:200].decode("utf-8", "replace"))
        return cls(method, path, status, str(told.get("reason") or "Unknown"), message, _seconds(retry_after))

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


def _seconds(header: str) -> float:
    """Of a header Retry-After; the API server never tells a date."""
    if not header.isascii() or not header.isdigit():
        return 0.0
    return min(float(header[:6]), LONGEST_PAUSE)


class NotLeading(Exception):  # noqa: N818 - a state, not a fault
    """A write was refused by ourselves: this replica does not hold the lease."""
