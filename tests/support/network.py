"""The cluster's network, entered by a thread of the test: requests to Services, and packets lost on the way."""

import ctypes
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests
from tests.support.waiting import PATIENCE, eventually

from labcluster import Cluster

_CLONE_NEWNET = 0x40000000
_TIMEOUT = 130.0
_API_SERVER = 443
_AT_REST = 20_000
"""Milliseconds: longer than an HTTP client keeps a connection that it does not use."""


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


@contextmanager
def watches_silenced(process: int, count: int) -> Iterator[None]:
    """Nothing arrives any more on the connections of a pod on which it has not said anything for long: its `count`
    watches of the API server. They stay open; other connections, and new ones, go on."""
    inside = ["nsenter", "--target", str(process), "--net"]

    def watches() -> list[int] | None:
        told = subprocess.run([*inside, "ss", "-HtinO", "state", "established"], check=True, capture_output=True)
        found = at_rest(told.stdout.decode())
        return found if len(found) >= count else None

    rules = [
        ["INPUT", "-p", "tcp", "--dport", str(port), "-j", "DROP"]
        for port in eventually(watches, PATIENCE, f"{count} watches of the process {process}")
    ]
    for rule in rules:
        subprocess.run([*inside, "iptables", "-w", "-I", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run([*inside, "iptables", "-w", "-D", *rule], check=True)


def at_rest(sockets: str) -> list[int]:
    """Of what `ss -HtinO state established` tells: local ports of old connections to the API server."""
    found = []
    for line in sockets.splitlines():
        _, _, local, peer = line.split()[:4]
        said = re.search(r"\blastsnd:(\d+)", line)
        if peer.endswith(f":{_API_SERVER}") and said is not None and int(said[1]) >= _AT_REST:
            found.append(int(local.rpartition(":")[2]))
    return found
