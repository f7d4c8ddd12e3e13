"""Runs the library's Label Studio operations over aiohttp: one connection per address and token."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

import aiohttp

from labelloop.label_studio.addresses import AddressPolicy, RefusedAddressError, address_refused
from labelloop.label_studio.auth import Authenticator, Credentials
from labelloop.label_studio.errors import Failure, LabelStudioError, unreachable
from labelloop.label_studio.protocol import Operation, Request, Response

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0
_JSON = {"Content-Type": "application/json"}
PARALLEL_REQUESTS = 4
"""Per Label Studio: it is one process, and annotators wait for it too."""


class LabelStudio:
    """One Label Studio as one user. `observe` gets the outcome of each operation: "success" or the error's name.

    `addresses` tells where it may connect to, None: anywhere.
    """

    def __init__(
        self,
        credentials: Credentials,
        observe: Callable[[str], None] = lambda _: None,
        addresses: AddressPolicy | None = None,
    ) -> None:
        self._credentials = credentials
        self._addresses = addresses
        self._authenticator = Authenticator(credentials.token)
        self._observe = observe
        self._session: aiohttp.ClientSession | None = None
        self._turns = asyncio.Semaphore(PARALLEL_REQUESTS)

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        return self._credentials.url

    async def run(self, operation: Operation[T]) -> T:
        """The operation's result. Raises LabelStudioError, each with a message for the user."""
        try:
            result = await self._drive(self._authenticator.authorize(operation))
        except LabelStudioError as error:
            self._observe(type(error).__name__)
            raise
        self._observe("success")
        return result

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _drive(self, operation: Operation[T]) -> T:
        try:
            request = next(operation)
            while True:
                try:
                    response = await self._exchange(request)
                except LabelStudioError as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            operation.close()

    async def _exchange(self, request: Request) -> Response:
        url = self._credentials.address(request)
        content = request.content()
        headers = {**_JSON, **dict(request.headers)} if content else dict(request.headers)
        timeout = aiohttp.ClientTimeout(total=request.timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            async with (
                self._turns,
                self._connection().request(
                    request.method,
                    url,
                    params=request.query,
                    data=content,
                    headers=headers,
                    allow_redirects=False,
                    timeout=timeout,
                ) as answer,
            ):
                body, complete = await _read(answer, request.limit)
                received = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, received, body, url, complete)
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
            if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, _RefusedError):
                raise address_refused(self._credentials.url, error.os_error.refusal) from None
            raise unreachable(self._credentials.url, _failure(error)) from error

    def _connection(self) -> aiohttp.ClientSession:
        if self._session is None:
            context: ssl.SSLContext | bool = True
            if self._credentials.url.startswith("https:"):
                context = self._credentials.tls_context()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=PARALLEL_REQUESTS, ssl=context, socket_factory=self._socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for an address that is about to be connected to: after the name was resolved."""
        family, kind, protocol, _, address = info
        if self._addresses is not None:
            try:
                self._addresses.check(str(address[0]), int(address[1]))
            except RefusedAddressError as refusal:
                raise _RefusedError(refusal) from None
        return socket.socket(family, kind, protocol)


class _RefusedError(OSError):
    """For aiohttp: this address failed, try the name's others. One text for all, or aiohttp would join them to one."""

    def __init__(self, refusal: RefusedAddressError) -> None:
        super().__init__(errno.EACCES, "the address may not be connected to")
        self.refusal = refusal


async def _read(answer: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes of the decompressed body, and whether that is all of it."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        body += chunk
        if len(body) > limit:
            return bytes(body[:limit]), False
    return bytes(body), True


def _failure(error: BaseException) -> Failure:
    """Order matters: aiohttp's classes inherit from one another and from OSError."""
    if isinstance(error, (aiohttp.ClientConnectorDNSError, aiohttp.InvalidURL, UnicodeError)):
        return Failure.NAME
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return Failure.TLS
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return Failure.TIMEOUT
    if isinstance(error, aiohttp.ClientConnectorError):
        return Failure.REFUSED
    return Failure.BROKEN
