"""A running node: its components started, asked, hurt and brought back, from any process of the machine."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from labcluster import box, paths, processes
from labcluster.api import Api
from labcluster.components import Component, components
from labcluster.errors import ClusterError
from labcluster.layout import Layout
from labcluster.waiting import wait_for

# Whatever proxies the environment names, the registry is next door.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_CONTAINERD = "/run/containerd/containerd.sock"


class Node:
    """The node whose PID 1 is `init`."""

    def __init__(self, layout: Layout, init: int) -> None:
        self.layout = layout
        self.init = init
        self._components = components(layout)

    def start(self, name: str) -> None:
        """Start a component; does not wait until it is ready."""
        component = self._component(name)
        if self.pid(name) is not None:
            raise ClusterError(f"{name} runs already")
        log = self.layout.logs / f"{name}.log"
        box.spawn(box.node_argv(self.layout, self.init, component.argv), log, component.environment)

    def pid(self, name: str) -> int | None:
        """The pid of a component on the machine, None when it does not run."""
        program = Path(self._component(name).argv[0]).name
        return box.component_pid(self.layout, program)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a component."""
        pid = self.pid(name)
        if pid is None:
            raise ClusterError(f"{name} does not run")
        os.kill(pid, number)

    def kill(self, name: str) -> None:
        """SIGKILL a component and wait until it is gone."""
        pid = self.pid(name)
        if pid is None:
            return
        known = processes.identity(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(f"end of {name}", lambda: not processes.alive(known), 120)

    def wait_ready(self, name: str, seconds: float = 300) -> None:
        """Wait until a component runs and, where it can be asked from outside, says that it is ready."""
        checks: dict[str, Callable[[], bool]] = {
            "kube-apiserver": Api(self.layout).ready,
            "etcd": Api(self.layout).ready,
            "registry": self._registry_answers,
            "containerd": self._containerd_answers,
        }
        ready = checks.get(name, lambda: True)
        wait_for(f"ready {name}", lambda: self.pid(name) is not None and ready(), seconds)

    def import_image(self, archive: Path) -> None:
        """Load an image archive (docker save or OCI) into containerd."""
        self._ctr("images", "import", str(archive))

    def import_image_from(self, source: subprocess.Popen[bytes]) -> None:
        """Load an image archive that a process writes to its standard output."""
        self._ctr("images", "import", "-", stdin=source.stdout)

    def in_network(self, script: str, *arguments: str) -> bool:
        """Run one of this package's scripts with the node's network; tells whether it ended well."""
        argv = [sys.executable, "-I", str(paths.PACKAGE / script), *arguments]
        return subprocess.run(box.network_argv(self.layout, self.init, argv), check=False).returncode == 0

    def _component(self, name: str) -> Component:
        if name not in self._components:
            raise ClusterError(f"no component {name!r}; there are {', '.join(self._components)}")
        return self._components[name]

    def _ctr(self, *arguments: str, stdin: object = None) -> str:
        # The node's /run as the machine sees it.
        socket = f"/proc/{self.init}/root{_CONTAINERD}"
        argv = ["ctr", "--address", socket, "--namespace", "k8s.io", *arguments]
        done = subprocess.run(argv, stdin=stdin, capture_output=True, text=True, env=box.ENVIRONMENT, check=False)  # type: ignore[call-overload]
        if done.returncode:
            raise ClusterError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
        return str(done.stdout)

    def _containerd_answers(self) -> bool:
        try:
            self._ctr("version")
        except ClusterError:
            return False
        return True

    def _registry_answers(self) -> bool:
        try:
            with _DIRECT.open(f"http://{self.layout.registry}/v2/", timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
