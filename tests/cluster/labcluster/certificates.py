"""The cluster's certificates, made by the openssl command: no Python package is needed to start a cluster."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from labcluster.errors import ClusterError
from labcluster.layout import Layout

_DAYS = "3650"
_CA_CONFIG = """\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = labelloop-test-ca
[extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
"""
_LEAF_CONFIG = """\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
{name}
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
"""


@dataclass(frozen=True)
class Leaf:
    """A certificate: user name, group and the names it may serve under."""

    file: str
    user: str
    group: str = ""
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def leaves(layout: Layout) -> list[Leaf]:
    """Every certificate of a cluster."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    addresses = ("127.0.0.1", layout.node_address, layout.api_service_address)
    node = layout.node_name
    return [
        Leaf("apiserver", "kube-apiserver", names=(*service, "localhost", node), addresses=addresses),
        Leaf("admin", "kubernetes-admin", "system:masters"),
        Leaf("controller-manager", "system:kube-controller-manager"),
        Leaf("scheduler", "system:kube-scheduler"),
        Leaf("proxy", "system:kube-proxy"),
        Leaf("kubelet", f"system:node:{node}", "system:nodes", (node,), (layout.node_address,)),
    ]


def openssl_config(leaf: Leaf) -> str:
    """The configuration from which openssl makes one certificate."""
    name = f"O = {leaf.group}\nCN = {leaf.user}" if leaf.group else f"CN = {leaf.user}"
    alternatives = [f"DNS:{name}" for name in leaf.names] + [f"IP:{address}" for address in leaf.addresses]
    tail = f"subjectAltName = {', '.join(alternatives)}\n" if alternatives else ""
    return _LEAF_CONFIG.format(name=name) + tail


def create(layout: Layout) -> None:
    """Make the CA, all certificates and the key that signs service account tokens."""
    layout.pki.mkdir(mode=0o700)
    (layout.pki / "ca.cnf").write_text(_CA_CONFIG)
    _together(layout.pki, [_request("ca")])
    commands = [["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "sa.key"]]
    for leaf in leaves(layout):
        (layout.pki / f"{leaf.file}.cnf").write_text(openssl_config(leaf))
        commands.append([*_request(leaf.file), "-CA", "ca.crt", "-CAkey", "ca.key"])
    _together(layout.pki, commands)
    _together(layout.pki, [["openssl", "pkey", "-in", "sa.key", "-pubout", "-out", "sa.pub"]])


def _request(file: str) -> list[str]:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{file}.key"]
    return ["openssl", "req", "-x509", "-config", f"{file}.cnf", *key, "-out", f"{file}.crt", "-days", _DAYS]


def _together(folder: Path, commands: list[list[str]]) -> None:
    started = [subprocess.Popen(argv, cwd=folder, stderr=subprocess.PIPE, text=True) for argv in commands]
    for process in started:
        _, errors = process.communicate()
        if process.returncode:
            raise ClusterError(f"openssl failed: {errors}")
