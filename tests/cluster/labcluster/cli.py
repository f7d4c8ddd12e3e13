"""kind's command line, as far as pytest-kind and people at a shell use it."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labcluster import binaries, lifecycle, paths, real_kind, records
from labcluster.cluster import Cluster
from labcluster.errors import ClusterError

_DEFAULT_NAME = "kind"
_ARGV = "COMMAND [ARGUMENT ...]"
_SCRIPT = paths.PACKAGE.parent / "kind"


@dataclass(frozen=True)
class Command:
    """One command: what it takes and what it does."""

    help: str
    run: Callable[[argparse.Namespace], None]
    flags: tuple[str, ...] = ()
    rest: str = ""
    ours: bool = False


def main(argv: list[str]) -> int:
    """Run one command; gives the exit code."""
    words = [word for word in argv if word not in ("-q", "--quiet")]
    command = COMMANDS.get(" ".join(words[:2]))
    if command is None or not command.ours:
        other = real_kind.find(_SCRIPT)
        if other:
            os.execvp(other, ["kind", *argv])
    if command is None:
        print(_usage(), file=sys.stderr)
        return 0 if words[:1] in (["--help"], ["-h"], ["help"]) else 1
    options = _parse(" ".join(words[:2]), command, words[2:])
    try:
        command.run(options)
    except ClusterError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


def _usage() -> str:
    lines = [f"  {name:24}{command.help}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: kind COMMAND [--help]", *lines])


def _parse(name: str, command: Command, words: list[str]) -> argparse.Namespace:
    parser = _parser(name, command)
    if command.rest != _ARGV:
        # pytest-kind gives flags before, people give them after.
        return parser.parse_intermixed_args(words)
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    options.rest = words[end + 1 :]
    if not options.rest:
        parser.error("give a command after --")
    return options


def _parser(name: str, command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"kind {name}", description=command.help, allow_abbrev=False)
    if "name" in command.flags:
        default = os.environ.get("KIND_CLUSTER_NAME", _DEFAULT_NAME)
        parser.add_argument("-n", "--name", default=default, help="the cluster's name (default: %(default)s)")
    if "kubeconfig" in command.flags:
        parser.add_argument("--kubeconfig", type=Path, help="a kubeconfig file of the cluster's own")
    if "create" in command.flags:
        parser.add_argument("--image", help="accepted and ignored: the node's version is fixed")
        parser.add_argument("--config", help="accepted and ignored: the cluster has one node")
        parser.add_argument("--wait", help="accepted and ignored: a created cluster is always ready")
        parser.add_argument("--retain", action="store_true", help="leave a cluster that failed to start as it is")
    if command.rest == _ARGV:
        parser.usage = f"kind {name} [-n NAME] -- {_ARGV}"
    elif command.rest:
        parser.add_argument("rest", metavar=command.rest, nargs="*" if command.rest == "DIR" else "+")
    return parser


def _create(options: argparse.Namespace) -> None:
    for ignored in ("image", "config"):
        if getattr(options, ignored):
            print(f"--{ignored} is ignored by this test cluster", file=sys.stderr)
    record = lifecycle.create(options.name, options.kubeconfig, os.getppid(), options.retain)
    shown = options.kubeconfig or record.layout.kubeconfig
    print(f"Cluster {options.name!r} is ready: export KUBECONFIG={shown}", file=sys.stderr)


def _delete(options: argparse.Namespace) -> None:
    lifecycle.delete(options.name)
    if options.kubeconfig:
        lifecycle.remove_kubeconfig(options.kubeconfig)
    print(f"Deleted cluster {options.name!r}", file=sys.stderr)


def _get_clusters(options: argparse.Namespace) -> None:
    usable = [record for record in records.read_all() if record.usable]
    for record in usable:
        _refresh(record)
        print(record.name)
    if not usable:
        print("No kind clusters found.", file=sys.stderr)


def _refresh(record: records.Record) -> None:
    """pytest-kind creates its kubeconfig file empty, then asks for clusters, then reads the file of a kept one."""
    known = [Path(".pytest-kind") / record.name / "kubeconfig"]
    for path in known + ([Path(record.kubeconfig)] if record.kubeconfig else []):
        if path.exists() and not path.stat().st_size:
            lifecycle.write_kubeconfig(record.layout, path)


def _get_kubeconfig(options: argparse.Namespace) -> None:
    print(Cluster.get(options.name).kubeconfig.read_text())


def _get_nodes(options: argparse.Namespace) -> None:
    print(Cluster.get(options.name).node_name)


def _get_binaries(options: argparse.Namespace) -> None:
    binaries.ensure()
    for name in ("kubectl", "helm"):
        print(paths.linked_program(name))


def _load_docker_image(options: argparse.Namespace) -> None:
    cluster = Cluster.get(options.name)
    for image in options.rest:
        cluster.load_docker_image(image)


def _load_image_archive(options: argparse.Namespace) -> None:
    cluster = Cluster.get(options.name)
    for file in options.rest:
        cluster.load_archive(file)


def _export_logs(options: argparse.Namespace) -> None:
    folder = Path(options.rest[0] if options.rest else f"kind-logs-{options.name}")
    Cluster.get(options.name).export_logs(folder)
    print(folder)


def _run_inside(options: argparse.Namespace) -> None:
    sys.exit(subprocess.run(Cluster.get(options.name).inside_argv(options.rest), check=False).returncode)


def _run_node(options: argparse.Namespace) -> None:
    sys.exit(subprocess.run(Cluster.get(options.name).node_argv(options.rest), check=False).returncode)


COMMANDS = {
    "get clusters": Command("list the clusters that run", _get_clusters),
    "get nodes": Command("print the node's name", _get_nodes, ("name",)),
    "get kubeconfig": Command("print the kubeconfig", _get_kubeconfig, ("name",)),
    "create cluster": Command("start a fresh cluster", _create, ("name", "kubeconfig", "create")),
    "delete cluster": Command("remove a cluster completely", _delete, ("name", "kubeconfig")),
    "load docker-image": Command("load images of the Docker engine", _load_docker_image, ("name",), "IMAGE"),
    "load image-archive": Command("load images from files", _load_image_archive, ("name",), "FILE"),
    "export logs": Command("copy the logs of components and pods", _export_logs, ("name",), "DIR"),
    "get binaries": Command("build kubectl and helm, print their paths", _get_binaries, ours=True),
    "run inside": Command(
        "run a command with the cluster's network and names", _run_inside, ("name",), _ARGV, ours=True
    ),
    "run node": Command("run a command as a program of the node", _run_node, ("name",), _ARGV, ours=True),
}
