"""Which addresses a Label Studio may have when others than whoever runs this process choose its url.

In a cluster anybody who may make a resource and a Secret names the url, and operator and training pods would ask it:
a way to services that only they can reach (request forgery). So each address is judged when it is connected to, after
the name was resolved: a name that answers differently a second time gains nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from labelloop.label_studio.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_KINDS: tuple[tuple[str, tuple[Network, ...]], ...] = tuple(
    (kind, tuple(ip_network(network) for network in networks))
    for kind, networks in (
        # Where clouds tell their machines' credentials: AWS, GCP, Azure, Alibaba, Oracle; most others are link-local.
        (
            "the metadata service of a cloud",
            (
                "169.254.169.254/32",
                "fd00:ec2::254/128",
                "fd20:ce::254/128",
                "168.63.129.16/32",
                "100.100.100.200/32",
                "192.0.0.192/32",
            ),
        ),
        ("loopback", ("127.0.0.0/8", "::1/128")),
        ("link-local", ("169.254.0.0/16", "fe80::/10")),
        ("no address of a server", ("0.0.0.0/8", "::/128", "224.0.0.0/4", "255.255.255.255/32", "ff00::/8")),
    )
)
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


class RefusedAddressError(Exception):
    """A connection there may not be made; `kind` tells why. No OSError: libraries would try again."""

    def __init__(self, address: str, kind: str) -> None:
        super().__init__(f"{address} is {kind}")
        self.address = address
        self.kind = kind


@dataclass(frozen=True)
class Entry:
    """A network, or one port of it."""

    network: Network
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Entry":
        """`10.0.0.0/8`, `10.0.0.1`, `10.0.0.1:6443`, `fd00::/8`, `[fd00::1]:6443`. Raises ValueError."""
        text = text.strip()
        host, separator, port = text.rpartition(":")
        if separator and (host.startswith("[") or ":" not in host):
            if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError(f"{text!r} has no usable port")
            return cls(ip_network(host.strip("[]")), int(port))
        return cls(ip_network(text.strip("[]")))

    def __str__(self) -> str:
        network = self.network
        host = str(network.network_address if network.prefixlen == network.max_prefixlen else network)
        if self.port is None:
            return host
        return f"[{host}]:{self.port}" if network.version == 6 else f"{host}:{self.port}"

    def matches(self, address: Address, port: int) -> bool:
        """Whether a connection there is meant."""
        return self.port in (None, port) and address in self.network


@dataclass(frozen=True)
class AddressPolicy:
    """Refuses loopback, link-local, metadata, and `refused` addresses; `allowed` ones are never refused."""

    allowed: tuple[Entry, ...] = ()
    refused: tuple[Entry, ...] = ()

    @classmethod
    def parse(cls, allowed: Iterable[str] = (), refused: Iterable[str] = ()) -> "AddressPolicy":
        """Networks as in `Entry.parse`. Raises ValueError."""
        return cls(tuple(map(Entry.parse, allowed)), tuple(map(Entry.parse, refused)))

    @classmethod
    def from_json(cls, text: str) -> "AddressPolicy":
        """What `to_json` gave. Raises ValueError."""
        lists = json.loads(text)
        if not isinstance(lists, dict) or not all(isinstance(value, list) for value in lists.values()):
            raise ValueError("it is no object of lists")
        return cls.parse(
            *([str(item) for item in lists.get(name, [])] for name in ("allowed", "refused")),
        )

    def to_json(self) -> str:
        """Compact, for an environment variable."""
        lists = {"allowed": [str(item) for item in self.allowed], "refused": [str(item) for item in self.refused]}
        return json.dumps(lists, separators=(",", ":"))

    def refusing(self, addresses: Iterable[str]) -> "AddressPolicy":
        """The same, with more addresses refused. Raises ValueError."""
        more = tuple(entry for entry in map(Entry.parse, addresses) if entry not in self.refused)
        return AddressPolicy(self.allowed, self.refused + more)

    def refusal(self, address: str, port: int) -> str | None:
        """Why a connection to that IP address is refused, as a noun; None when it may be made. Raises ValueError."""
        forms = tuple(_forms(ip_address(address)))
        if any(entry.matches(form, port) for entry in self.allowed for form in forms):
            return None
        if any(entry.matches(form, port) for entry in self.refused for form in forms):
            return "the Kubernetes API server, or refused in the operator's settings"
        for kind, networks in _KINDS:
            if any(form in network for form in forms for network in networks):
                return kind
        return None

    def check(self, address: str, port: int) -> None:
        """Raises RefusedAddressError when a connection there may not be made."""
        kind = self.refusal(address, port)
        if kind is not None:
            raise RefusedAddressError(address, kind)


def address_refused(url: str, error: RefusedAddressError) -> AddressRefused:
    """The error an executor raises; nothing was sent."""
    return AddressRefused(
        f"Label Studio at {url} is not asked: its address {error.address} is {error.kind}. Set the url to Label "
        "Studio's own Service or host, or let whoever runs the operator list the address in the chart's value "
        "labelStudio.allowedAddresses."
    )


def _forms(address: Address) -> Iterable[Address]:
    """The address, and the IPv4 address that an IPv6 one stands for."""
    yield address
    if isinstance(address, IPv6Address):
        for inner in (address.ipv4_mapped, address.sixtofour):
            if inner is not None:
                yield inner
        packed = address.packed
        if (packed[:12] == bytes(12) and int(address) > 1) or any(address in network for network in _NAT64):
            yield IPv4Address(packed[12:])
