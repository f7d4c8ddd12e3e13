"""The cluster's network, entered by a thread of the test: requests to Services, and packets lost on the way."""

import ctypes
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests

from labcluster import Cluster

_CLONE_NEWNET = 0x40000000
_TIMEOUT = 130.0


class Inside:
    """Sends HTTP requests from within the cluster's network, each on a fresh connection.

    Addresses must be IP addresses: names are looked up as on the machine.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._threads = ThreadPoolExecutor(4, "inside", _enter_network, (cluster.node.init,))

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """`requests.request`, from inside."""
        return self._threads.submit(_request, method, url, options).result()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


def _request(method: str, url: str, options: dict[str, Any]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=options.pop("timeout", _TIMEOUT), **options)


def _enter_network(init: int) -> None:
    """Move this thread into the network of the process `init` (setns(2) moves one thread only)."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(f"/proc/{init}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
    finally:
        os.close(descriptor)


@contextmanager
def packets_refused(cluster: Cluster, source: str | None, destination: str, port: int) -> Iterator[None]:
    """No TCP from `source` (a pod's address; None: any) to a pod's address and port: connections are reset.

    Established connections are cut as well, so this is how a server that went down looks to its clients.
    """
    match = [*(["-s", source] if source else []), "-d", destination, "-p", "tcp", "--dport", str(port)]
    rule = ["FORWARD", *match, "-j", "REJECT", "--reject-with", "tcp-reset"]
    cluster.network(["iptables", "-w", "-I", *rule], check=True)
    try:
        yield
    finally:
        cluster.network(["iptables", "-w", "-D", *rule], check=True)
