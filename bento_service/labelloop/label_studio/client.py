"""Executes operations with requests: for the training pod, the command line and tests."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

import requests
from urllib3.exceptions import (
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from labelloop.label_studio.addresses import AddressPolicy, RefusedAddressError, address_refused
from labelloop.label_studio.auth import Authenticator, Credentials
from labelloop.label_studio.errors import Failure, unreachable
from labelloop.label_studio.guarded_connections import Adapter
from labelloop.label_studio.protocol import Operation, Request, Response
from labelloop.label_studio.response_bodies import ACCEPTED, read_body

T = TypeVar("T")
_BROKEN = (requests.RequestException, HTTPError, UnicodeError)
JSON_HEADERS = {"Content-Type": "application/json"}


class LabelStudioClient:
    """One Label Studio, one token. Proxies and other settings of the environment are not used, nor redirects followed.

    `addresses` tells where it may connect to; None, for a URL that the user gave: anywhere.
    Raises InvalidConnection when the CA certificates are unusable. Not for several threads at once.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Callable[[], float] = time.monotonic,
        addresses: AddressPolicy | None = None,
    ) -> None:
        self._credentials = credentials
        self._authenticator = Authenticator(credentials.token, clock)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Accept-Encoding"] = ACCEPTED
        self._session.mount("https://", Adapter(addresses, credentials.tls_context()))
        self._session.mount("http://", Adapter(addresses))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes idle connections."""
        self._session.close()

    def run(self, operation: Operation[T]) -> T:
        """Runs an operation to its end. Raises the errors of `labelloop.label_studio.errors`."""
        exchanges = self._authenticator.authorize(operation)
        try:
            request = next(exchanges)
            while True:
                request = exchanges.send(self._exchange(request))
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            exchanges.close()

    def _exchange(self, request: Request) -> Response:
        try:
            return self._exchange_or_again(request, request.content())
        except RefusedAddressError as error:
            raise address_refused(self._credentials.url, error) from None

    def _exchange_or_again(self, request: Request, content: bytes | None) -> Response:
        try:
            return self._exchange_once(request, content)
        except _BROKEN as error:
            failure = _failure(error)
            # An idle connection that the server closed: asking again is harmless for a GET.
            if failure is not Failure.BROKEN or request.method != "GET":
                raise unreachable(self._credentials.address(request), failure) from error
        try:
            return self._exchange_once(request, content)
        except _BROKEN as error:
            raise unreachable(self._credentials.address(request), _failure(error)) from error

    def _exchange_once(self, request: Request, content: bytes | None) -> Response:
        deadline = time.monotonic() + request.timeout
        with self._session.request(
            request.method,
            self._credentials.address(request),
            params=request.query,
            data=content,
            headers={**JSON_HEADERS, **dict(request.headers)} if content else dict(request.headers),
            timeout=request.timeout,
            allow_redirects=False,
            stream=True,
        ) as answer:
            encoding = answer.headers.get("Content-Encoding", "")
            body, complete = read_body(answer.raw, encoding, request.limit, deadline)
            return Response(
                status=answer.status_code,
                headers={name.lower(): value for name, value in answer.headers.items()},
                body=body,
                url=self._credentials.address(request),
                complete=complete,
            )


def _failure(error: Exception) -> Failure:
    if isinstance(error, requests.Timeout | ReadTimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, requests.exceptions.SSLError):
        return Failure.TLS
    if isinstance(
        error, requests.exceptions.InvalidURL | LocationParseError | UnicodeError
    ):  # a host name that no resolver takes
        return Failure.NAME
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NameResolutionError):
        return Failure.NAME
    if isinstance(reason, NewConnectionError):
        return Failure.REFUSED
    return Failure.BROKEN
