"""Creating and deleting clusters, so that whatever died half-way is cleaned up by the next call."""

import json
import os
import subprocess
import sys
from pathlib import Path

from labcluster import addons, archives, binaries, box, certificates, configs, packages, paths, processes, records
from labcluster.api import Api, has_condition
from labcluster.errors import ClusterError
from labcluster.layout import Layout, checked_name
from labcluster.node import Node
from labcluster.records import Record
from labcluster.waiting import wait_for

_READY_TIMEOUT = 120
_FOUNDATION = ("etcd", "containerd", "registry", "kube-apiserver")
_ON_TOP = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")


def create(name: str, kubeconfig: Path | None, caller: int, retain: bool = False) -> Record:
    """Start a fresh cluster; one of the same name that nobody looks after any more is removed first."""
    checked_name(name)
    if os.geteuid() != 0:
        raise ClusterError("a test cluster needs root: it makes namespaces, cgroups and network interfaces")
    packages.ensure()
    programs = binaries.ensure()
    pause, pause_image = archives.ensure_pause()
    with records.locked(f"cluster-{name}"):
        _clear(name)
        record = records.reserve(name, paths.cache() / "clusters" / name, programs, processes.identity(caller))
        try:
            node = _start(record.layout, pause, pause_image)
            if kubeconfig:
                write_kubeconfig(record.layout, kubeconfig)
        except BaseException:
            _tell_logs(record.layout)
            if not retain:
                _remove(record)
            raise
        return records.complete(record, processes.identity(node.init) or "", kubeconfig and kubeconfig.absolute())


def check_free(name: str) -> None:
    """Raise ClusterError when the name cannot be used: it is malformed, or somebody uses a cluster of that name."""
    checked_name(name)
    old = records.read(name)
    if old and old.usable and processes.alive(old.caller):
        raise ClusterError(f"node(s) already exist for a cluster with the name {name!r}, in use by {old.caller}")


def delete(name: str) -> None:
    """Remove a cluster completely; none of that name is no error."""
    with records.locked(f"cluster-{name}"):
        record = records.read(name)
        if record:
            _remove(record)


def write_kubeconfig(layout: Layout, target: Path) -> None:
    """Write the administrator's kubeconfig for the caller."""
    if target.exists() and target.stat().st_size and not _is_ours(target):
        raise ClusterError(f"{target} holds other clusters: give the test cluster a file of its own")
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)  # it may have been there before, readable by all
        file.write(layout.kubeconfig.read_text())


def remove_kubeconfig(target: Path) -> None:
    """Remove a kubeconfig that `write_kubeconfig` wrote."""
    if target.exists() and (not target.stat().st_size or _is_ours(target)):
        target.unlink()


def _is_ours(file: Path) -> bool:
    try:
        servers = [cluster["cluster"]["server"] for cluster in json.loads(file.read_text())["clusters"]]
    except (ValueError, KeyError, TypeError):
        return False
    return all(server.startswith("https://10.231.") for server in servers)


def _clear(name: str) -> None:
    check_free(name)
    old = records.read(name)
    if old:
        print(f"Removing what is left of an earlier cluster {name!r} ...", file=sys.stderr)
        _remove(old)


def _remove(record: Record) -> None:
    box.remove(record.layout)
    subprocess.run(["rm", "-rf", "--one-file-system", record.state], check=True)
    records.forget(record.name)


def _prepare_state(layout: Layout) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", str(layout.state)], check=True)
    for folder in (layout.state, layout.etc, layout.logs, layout.state / "etcd"):
        folder.mkdir(parents=True, mode=0o700)
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", str(layout.state)], capture_output=True, text=True, check=True
    )
    if kind.stdout.strip() == "overlayfs":
        raise ClusterError(f"{layout.state} lies on overlayfs, where no container can be stored: set LABELLOOP_CACHE")
    storage = Path(os.environ.get("LABELLOOP_REGISTRY_STORAGE") or layout.state / "registry")
    storage.mkdir(parents=True, exist_ok=True)
    certificates.create(layout)
    configs.write_all(layout, storage.resolve())


def _start(layout: Layout, pause: Path, pause_image: Path) -> Node:
    _prepare_state(layout)
    node = Node(layout, box.start(layout, pause))
    for name in _FOUNDATION:
        node.start(name)
    api = Api(layout)
    node.wait_ready("containerd")
    node.import_image(pause_image)
    wait_for("ready API server", api.ready, _READY_TIMEOUT)
    for name in _ON_TOP:
        node.start(name)
    for path, manifest in addons.dns(layout):
        api.post(path, manifest)
    _wait_until_usable(node, api)
    return node


def _wait_until_usable(node: Node, api: Api) -> None:
    """Every wait is for the thing that a test will use."""
    layout = node.layout
    node_path = f"/api/v1/nodes/{layout.node_name}"
    wait_for("ready node", lambda: has_condition(api.get(node_path), "Ready"), _READY_TIMEOUT)
    wait_for("ready CoreDNS", lambda: has_condition(api.get(addons.DEPLOYMENT_PATH), "Available"), _READY_TIMEOUT)
    if not node.in_network("dns_probe.py", layout.dns_address, str(_READY_TIMEOUT)):
        raise ClusterError("the cluster's DNS gives no answer")
    for thing in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        wait_for(thing, lambda thing=thing: api.get(f"/api/v1/namespaces/default/{thing}"), _READY_TIMEOUT)  # type: ignore[misc]
    node.wait_ready("registry")


def _tell_logs(layout: Layout) -> None:
    for log in sorted(layout.logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-5:] if log.name != "audit.log" else []
        print("\n".join([f"--- end of {log.name}", *lines]), file=sys.stderr)
