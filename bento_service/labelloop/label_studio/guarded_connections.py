"""An adapter for requests that judges each IP address before it connects to it (see `addresses`)."""

import socket
import ssl
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family, create_connection

from labelloop.label_studio.addresses import AddressPolicy, RefusedAddressError


class Adapter(HTTPAdapter):
    """Connects where `addresses` (None: anywhere) allows, with the given TLS context for https."""

    def __init__(self, addresses: AddressPolicy | None, context: ssl.SSLContext | None = None) -> None:
        self._addresses = addresses
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed through
        """As requests does, with our context and connections."""
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        if self._addresses is not None:
            self.poolmanager.pool_classes_by_scheme = _pools(self._addresses)


def _pools(addresses: AddressPolicy) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, whose connections ask `addresses` first."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, addresses)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, addresses)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _connected(connection: HTTPConnection, addresses: AddressPolicy) -> socket.socket:
    """A socket to the first address that answers; the name is resolved once, so what is judged is what is used.

    Raises RefusedAddressError when the name has no address that is allowed, and what urllib3 raises.
    """
    refused: RefusedAddressError | None = None
    failed: Exception | None = None
    for address in _resolved(connection):
        try:
            addresses.check(address, connection.port)
            return create_connection(
                (address, connection.port), connection.timeout, connection.source_address, connection.socket_options
            )
        except RefusedAddressError as error:
            refused = refused or error
        except TimeoutError as error:
            message = f"Connection to {connection.host} timed out. (connect timeout={connection.timeout})"
            raise ConnectTimeoutError(connection, message) from error
        except OSError as error:
            failed = failed or error
    if refused is not None and failed is None:
        raise refused
    raise NewConnectionError(connection, f"Failed to establish a new connection: {failed}") from failed


def _resolved(connection: HTTPConnection) -> list[str]:
    """The IP addresses of the connection's host, in the resolver's order, with scope when link-local."""
    host = connection.host.strip("[]")
    try:
        host.encode("idna")
        found = socket.getaddrinfo(host, connection.port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        raise LocationParseError(f"'{host}', label empty or too long") from None
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    return list(dict.fromkeys(str(item[4][0]) for item in found))
