"""What can go wrong between a pod and a registry."""

from typing import Literal

Reason = Literal[
    "RegistryUnreachable", "RegistryUnauthorized", "RegistryReadOnly", "BaseImageNotFound", "DiskFull", "Unknown"
]


class RegistryError(Exception):
    """A registry request failed. `reason` is listed in docs/internals/interfaces.md 2.3; `message` has the remedy."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message


class NotAllowedError(RegistryError):
    """The registry does not do such a thing, or not for this user; asking again changes nothing."""


class NotInRegistryError(RegistryError):
    """The registry answers, and has no such manifest or blob."""

    def __init__(self, message: str) -> None:
        super().__init__("Unknown", message)
