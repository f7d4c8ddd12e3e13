"""The Python face of a cluster, for tests."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from labcluster import binaries, box, lifecycle, paths, pretended, processes, records
from labcluster.api import Api
from labcluster.errors import ClusterError
from labcluster.node import Node


class Cluster:
    """A running cluster. Get one by name; it may have been made by another process (pytest-kind's fixture, a shell)."""

    def __init__(self, record: records.Record) -> None:
        if not record.usable or record.init is None:
            raise ClusterError(f"cluster {record.name!r} does not run")
        self.name = record.name
        self.layout = record.layout
        self.node = Node(record.layout, processes.pid_of(record.init))

    @classmethod
    def create(cls, name: str) -> Self:
        """Start a fresh cluster; it ends with `delete`, not with this process."""
        return cls(lifecycle.create(name, None, os.getpid()))

    @staticmethod
    def check_free(name: str) -> None:
        """Raise ClusterError when `create` would refuse the name: it is malformed, or such a cluster is in use."""
        lifecycle.check_free(name)

    @classmethod
    def get(cls, name: str) -> Self:
        """A cluster that runs."""
        record = records.read(name)
        if record is None:
            raise ClusterError(f"no cluster {name!r}")
        return cls(record)

    @staticmethod
    def names() -> list[str]:
        """The clusters of this machine that run."""
        return [record.name for record in records.read_all() if record.usable]

    def delete(self) -> None:
        """Remove the cluster completely."""
        lifecycle.delete(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def node_name(self) -> str:
        """The name of the one node."""
        return self.layout.node_name

    @property
    def node_address(self) -> str:
        """Where the machine reaches the API server, the registry and node ports."""
        return self.layout.node_address

    @property
    def host_address(self) -> str:
        """The address a test's own server listens on, for pods to reach it."""
        return self.layout.host_address

    @property
    def registry(self) -> str:
        """Host and port of the registry, plain HTTP, the same from the machine and for image names in pods."""
        return self.layout.registry

    @property
    def logs_dir(self) -> Path:
        """One log a component."""
        return self.layout.logs

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON object a line, level Metadata, without the cluster's own components."""
        return self.layout.logs / "audit.log"

    def inside_argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` with the cluster's network and names (DNS, Services), but the machine's files.

        For subprocess.Popen or asyncio: the started process becomes `argv`, so its pid and signals are as usual.
        It ends with the cluster.
        """
        return box.inside_argv(self.layout, self.node.init, list(argv))

    def run_inside(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        """`subprocess.run` of `argv` with the cluster's network and names."""
        return subprocess.run(self.inside_argv(argv), **options)

    def network(self, argv: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        """`subprocess.run` of `argv` with the cluster's network, but the machine's resolv.conf and hosts."""
        return subprocess.run(box.network_argv(self.layout, self.node.init, list(argv)), **options)

    def node_argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` as a program of the node: its pids, mounts (/run/containerd) and cgroups."""
        return box.node_argv(self.layout, self.node.init, list(argv))

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """Run kubectl as administrator; gives its output."""
        program = str(self.layout.binaries / "kubectl")
        # Without a home, kubectl would put its cache into the current folder.
        own = {"KUBECACHEDIR": str(self.layout.state / "kubectl-cache")}
        options.setdefault("env", {**box.ENVIRONMENT, "KUBECONFIG": str(self.kubeconfig), **own})
        return str(
            subprocess.run([program, *arguments], check=True, text=True, stdout=subprocess.PIPE, **options).stdout
        )

    def is_running(self, component: str) -> bool:
        """Whether a component's process exists."""
        return self.node.pid(component) is not None

    def kill(self, component: str) -> None:
        """SIGKILL a component and wait until it is gone."""
        self.node.kill(component)

    def start(self, component: str) -> None:
        """Start a killed component and wait until it answers."""
        self.node.start(component)
        self.node.wait_ready(component)

    def stop(self, component: str) -> None:
        """SIGSTOP a component: its connections stay open and silent."""
        self.node.send(component, signal.SIGSTOP)

    def cont(self, component: str) -> None:
        """SIGCONT a stopped component."""
        self.node.send(component, signal.SIGCONT)

    def pretend_nodes(self, count: int) -> None:
        """Add nodes that only pretend to run pods (kwok), and give the real node no new ones."""
        self.layout.kwok.symlink_to(binaries.ensure_kwok())
        self.start("kwok")
        pretended.add(Api(self.layout), count)
        self.kubectl("cordon", self.node_name)

    def load_archive(self, path: Path | str) -> None:
        """Load an image archive into the node, for pods with imagePullPolicy Never or IfNotPresent."""
        self.node.import_image(Path(path))

    def load_docker_image(self, image: str) -> None:
        """Load an image from the Docker engine that the environment names."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as source:
            self.node.import_image_from(source)
        if source.returncode:
            raise ClusterError(f"docker save {image} failed")

    def export_logs(self, folder: Path | str) -> None:
        """Copy the logs of components and of pods."""
        target = Path(folder)
        shutil.copytree(self.layout.logs, target / "components", dirs_exist_ok=True)
        shutil.copytree(self.layout.state / "var/log/pods", target / "pods", dirs_exist_ok=True)

    @staticmethod
    def program(name: str) -> Path:
        """The path of kubectl or helm, once a cluster was made; needs nothing of the environment."""
        return paths.linked_program(name)
