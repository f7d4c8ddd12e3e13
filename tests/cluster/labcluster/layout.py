"""One cluster's names, addresses and folders, all derived from its name and index."""

import re
from dataclasses import dataclass
from pathlib import Path

from labcluster.errors import ClusterError

API_PORT = 6443
REGISTRY_PORT = 5000
INDEXES = range(1, 251)
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,40}[a-z0-9])?")


def checked_name(name: str) -> str:
    """Refuse names that could not be a node's name or a folder's."""
    if not _NAME.fullmatch(name):
        raise ClusterError(f"{name!r} is no cluster name: up to 42 of a-z 0-9 . -, letters or digits at both ends")
    return name


@dataclass(frozen=True)
class Layout:
    """What everything about one cluster is called and where it lies."""

    name: str
    index: int
    state: Path
    binaries: Path

    @property
    def node_name(self) -> str:
        """The node's name, as the real kind forms it."""
        return f"{self.name}-control-plane"

    @property
    def box(self) -> str:
        """The name of the node's cgroups on the machine."""
        return f"labelloop-{self.index}"

    @property
    def interface(self) -> str:
        """The machine's end of the cable to the node."""
        return f"labelloop{self.index}"

    @property
    def host_address(self) -> str:
        """Where pods reach a server of the test."""
        return f"10.231.{self.index}.1"

    @property
    def node_address(self) -> str:
        """Where the machine reaches API server, registry and node ports."""
        return f"10.231.{self.index}.2"

    @property
    def pod_cidr(self) -> str:
        """Addresses of pods."""
        return f"10.232.{self.index}.0/24"

    @property
    def service_cidr(self) -> str:
        """Addresses of Services."""
        return f"10.233.{self.index}.0/24"

    @property
    def api_service_address(self) -> str:
        """The address of the Service `kubernetes`."""
        return f"10.233.{self.index}.1"

    @property
    def dns_address(self) -> str:
        """The address of the cluster's DNS Service."""
        return f"10.233.{self.index}.10"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://{self.node_address}:{API_PORT}"

    @property
    def registry(self) -> str:
        """Host and port of the registry, the same for the machine, the node and pods."""
        return f"{self.node_address}:{REGISTRY_PORT}"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        """Configuration files."""
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        """One log a component, and the audit log."""
        return self.state / "log"

    @property
    def pretended_cidr(self) -> str:
        """Addresses of pods that only pretend to run."""
        return "10.234.0.1/16"

    @property
    def kwok(self) -> Path:
        """The program that pretends to be nodes, once it was asked for."""
        return self.state / "kwok"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.etc / "admin.json"
