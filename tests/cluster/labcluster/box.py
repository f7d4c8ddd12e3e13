"""The node as a box of namespaces: making it, running programs in it, taking it away."""

import contextlib
import subprocess
import sys
from pathlib import Path

from labcluster import cgroups, paths, processes
from labcluster.errors import ClusterError
from labcluster.layout import Layout
from labcluster.waiting import wait_for

# The caller's proxies, certificates and the like are no business of the node's programs.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"}

_JOIN = 'while [ "$1" != -- ]; do echo 0 >"$1"; shift; done; shift; exec "$@"'
_RESOLVE = 'mount --bind "$1/resolv.conf" /etc/resolv.conf && mount --bind "$1/hosts" /etc/hosts && shift && exec "$@"'


def joining(folders: list[Path], argv: list[str]) -> list[str]:
    """The command that runs `argv` as a member of the node's cgroups."""
    return ["/bin/sh", "-c", _JOIN, "sh", *cgroups.join_files(folders), "--", *argv]


def start(layout: Layout, pause: Path) -> int:
    """Make the node's namespaces and network; gives the pid of its PID 1."""
    remove_interface(layout)
    folders = cgroups.create(layout.box)
    script = str(paths.PACKAGE / "node-init.sh")
    options = [] if cgroups.is_version_2() else [hierarchy.options for hierarchy in cgroups.own_hierarchies()]
    namespaces = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--kill-child"]
    init = ["/bin/sh", script, str(layout.state), layout.node_name, str(pause), *options]
    log = layout.logs / "node-init.log"
    spawn(joining(folders, ["unshare", *namespaces, *init]), log)

    def booted() -> bool:
        if log.stat().st_size and not cgroups.members(folders[0]):
            raise ClusterError(f"the node's namespaces could not be made: {log.read_text()}")
        return (layout.state / "booted").exists()

    wait_for("namespaces", booted, 120)
    pid = next(pid for pid in cgroups.members(folders[0]) if processes.is_first_in_namespace(pid))
    cgroups.settle(layout.box)
    _connect(layout, pid)
    return pid


def spawn(argv: list[str], log: Path, extra: dict[str, str] | None = None) -> None:
    """Start a program that is no child of this process and outlives it, with a minimal environment."""
    environment = ENVIRONMENT | (extra or {})
    detached = ["setsid", "--fork", *argv]
    with log.open("ab") as file:
        subprocess.run(
            detached, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=True
        )


def _connect(layout: Layout, pid: int) -> None:
    """Lay a cable between machine and node; there is no way on to other networks."""
    peer = f"{layout.interface}n"
    _ip("link", "add", layout.interface, "type", "veth", "peer", "name", peer)
    _ip("link", "set", peer, "netns", str(pid), "name", "eth0")
    _ip("addr", "add", f"{layout.host_address}/30", "dev", layout.interface)
    _ip("link", "set", layout.interface, "up")
    commands = (
        f"addr add {layout.node_address}/30 dev eth0",
        "link set eth0 up",
        # Without any route connect() to a Service fails before kube-proxy's rules are asked.
        f"route add {layout.service_cidr} dev eth0 src {layout.node_address}",
    )
    network = ["nsenter", f"--target={pid}", "--net", "ip", "-batch", "-"]
    subprocess.run(network, input="\n".join(commands), env=ENVIRONMENT, text=True, check=True)


def remove_interface(layout: Layout) -> None:
    """Remove the cable if there is one."""
    if Path(f"/sys/class/net/{layout.interface}").exists():
        with contextlib.suppress(subprocess.CalledProcessError):  # the kernel may be removing it just now
            _ip("link", "del", layout.interface)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], env=ENVIRONMENT, check=True, stderr=None if sys.stderr else subprocess.DEVNULL)


def remove(layout: Layout) -> None:
    """Kill everything of the node; its namespaces, mounts and network go with the last process."""
    cgroups.remove(layout.box)
    remove_interface(layout)
    wait_for(f"end of {layout.interface}", lambda: not Path(f"/sys/class/net/{layout.interface}").exists(), 120)


def node_argv(layout: Layout, init: int, argv: list[str]) -> list[str]:
    """The command that runs `argv` fully inside the node, as its own components run."""
    enter = ["nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
    return joining(cgroups.find(layout.box), [*enter, *argv])


def network_argv(layout: Layout, init: int, argv: list[str]) -> list[str]:
    """The command that runs `argv` with the node's network and otherwise as the machine's process."""
    return joining(cgroups.find(layout.box), ["nsenter", f"--target={init}", "--net", "--", *argv])


def inside_argv(layout: Layout, init: int, argv: list[str]) -> list[str]:
    """The command that runs `argv` with the node's network and the cluster's names, and the machine's files and pids.

    It execs all the way: the pid of the started process is that of `argv`.
    """
    resolve = ["/bin/sh", "-c", _RESOLVE, "sh", str(layout.etc), *argv]
    # "slave": what the machine unmounts later must not live on in a copy.
    return network_argv(layout, init, ["unshare", "--mount", "--propagation=slave", "--", *resolve])


def component_pid(layout: Layout, program: str) -> int | None:
    """The pid (on the machine) of a component of the node."""
    for folder in cgroups.find(layout.box)[:1]:
        for pid in sorted(cgroups.members(folder, recursive=False)):
            if Path((processes.arguments(pid) or [""])[0]).name == program:
                return pid
    return None
