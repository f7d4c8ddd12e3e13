# ruff: noqa: N818 - these read as conditions: `except Unreachable`.
"""What can go wrong between us and Label Studio; every message names the address and the remedy."""

from enum import Enum


class LabelStudioError(Exception):
    """Base of all errors of this package. `transient` tells whether trying again later may help.

    `message` holds nothing of an answer's body: it is shown to people who may not be allowed to read what the url leads
    to. `detail`, for who runs the command, is what the other side said: bounded and on one line.
    """

    transient = False

    def __init__(self, message: str, detail: str = "", remedy: str = "") -> None:
        """`remedy` ends the message; given apart, so that a program can show it by itself."""
        self.fact, self.remedy = message, remedy
        self.message = f"{message}: {remedy}." if remedy else message
        self.detail = detail
        super().__init__(f"{self.message} (It said: {detail})" if detail else self.message)


class InvalidConnection(LabelStudioError):
    """Address, token or CA certificate cannot be right; nothing was sent."""


class AddressRefused(LabelStudioError):
    """The address is one that nobody may have asked from inside a cluster; nothing was sent."""


class Unreachable(LabelStudioError):
    """No usable answer: name, connection, TLS, time-out, or a proxy that says there is nobody behind it.

    `retry_after`: seconds for which the other side wants to be left alone; 0: it does not say.
    """

    transient = True

    def __init__(self, message: str, detail: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, detail)
        self.retry_after = retry_after


class Unauthorized(LabelStudioError):
    """The token is not accepted or may not do this."""


class ExpiredToken(Unauthorized):
    """The personal access token is past its date or was revoked."""


class NotFound(LabelStudioError):
    """Label Studio has no such object, or the token's user may not see it."""


class NotLabelStudio(LabelStudioError):
    """Something answers, but not in the way of Label Studio's API."""


class AnswerTooLarge(LabelStudioError):
    """The answer is larger than we are ready to read."""


class AddressBlocked(LabelStudioError):
    """Label Studio's SSRF guard refuses the address of a backend or webhook."""


class Rejected(LabelStudioError):
    """Label Studio understood and refused, or failed; `detail` holds its validation messages."""

    def __init__(self, message: str, status: int, detail: str) -> None:
        super().__init__(message, detail)
        self.status = status
        self.transient = status >= 500


class Failure(Enum):
    """Why there was no answer; executors translate their library's exceptions to this."""

    NAME = "its host name does not resolve: check the url and the cluster's DNS"
    REFUSED = (
        "the connection was refused or has no route: check host and port of the url, and that Label Studio is running"
    )
    TIMEOUT = "no answer in time: check that the url is reachable from here (network policy, proxy) and not overloaded"
    TLS = "the TLS connection failed: check the certificate of the server, or add its CA as ca.crt"
    BROKEN = "the connection broke: check that the url speaks HTTP and what is in between"


def unreachable(url: str, failure: Failure) -> Unreachable:
    """The error an executor raises when the exchange gave no answer."""
    return Unreachable(f"Label Studio at {url} cannot be reached; {failure.value}.")
