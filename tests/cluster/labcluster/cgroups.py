"""The node's own cgroups: they bound what belongs to a cluster, so killing all in them is a complete stop.

Version 1 (one tree a controller) is what this was developed on. Version 2 is written after the kernel's
documentation and has not been run.
"""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from labcluster import processes
from labcluster.waiting import wait_for

ROOT = Path("/sys/fs/cgroup")
# In version 2 only leaves may hold processes once controllers are handed down.
_LEAF = "node"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted version 1 tree: its mount options and this process's own folder in it."""

    options: str
    own: Path


def is_version_2() -> bool:
    """Whether the machine has the one unified tree with controllers."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies(mountinfo: str, cgroup: str) -> list[Hierarchy]:
    """Read the version 1 trees from the texts of /proc/self/mountinfo and /proc/self/cgroup."""
    own = {}
    for line in cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        own[frozenset(controllers.split(","))] = path
    found = []
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split()
        if kind != "cgroup":
            continue
        controllers = ",".join(option for option in options.split(",") if option not in ("rw", "ro", "xattr"))
        key = frozenset(controllers.split(","))
        if key in own:
            root, mount = fields.split()[3:5]
            found.append(Hierarchy(controllers, Path(mount) / os.path.relpath(own[key], root)))
    return found


def own_hierarchies() -> list[Hierarchy]:
    """The version 1 trees as this process sees them."""
    return hierarchies(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())


def create(box: str) -> list[Path]:
    """Make the node's cgroups: below the caller's in version 1, so that its accounting stays right."""
    if is_version_2():
        return [_create_version_2(box)]
    folders = []
    for hierarchy in own_hierarchies():
        folder = hierarchy.own / box
        folder.mkdir(exist_ok=True)
        if (folder / "cpuset.cpus").exists():
            for name in ("cpuset.cpus", "cpuset.mems"):
                (folder / name).write_text((hierarchy.own / name).read_text())
            (folder / "cgroup.clone_children").write_text("1")
        folders.append(folder)
    return folders


def _create_version_2(box: str) -> Path:
    # At the root: a session's own cgroup holds processes and so may not hand down controllers.
    _hand_down(ROOT)
    folder = ROOT / box
    folder.mkdir(exist_ok=True)
    return folder


def _hand_down(folder: Path) -> None:
    for controller in (folder / "cgroup.controllers").read_text().split():
        with contextlib.suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def settle(box: str) -> None:
    """Version 2 only: after the namespace is made, move the node's processes to a leaf and hand controllers down."""
    if not is_version_2():
        return
    leaf = ROOT / box / _LEAF
    leaf.mkdir(exist_ok=True)
    for pid in (ROOT / box / "cgroup.procs").read_text().split():
        (leaf / "cgroup.procs").write_text(pid)
    _hand_down(ROOT / box)


def find(box: str) -> list[Path]:
    """The node's cgroups in every tree, wherever its creator stood."""
    found = []
    for folder, children, _ in os.walk(ROOT):
        if box in children:
            found.append(Path(folder) / box)
        children[:] = [child for child in children if not child.startswith("labelloop-")]
    return found


def join_files(folders: list[Path]) -> list[str]:
    """The files a process writes 0 to in order to belong to the node."""
    leaves = [folder / _LEAF if (folder / _LEAF).is_dir() else folder for folder in folders]
    return [str(leaf / "cgroup.procs") for leaf in leaves]


def members(folder: Path, recursive: bool = True) -> set[int]:
    """The processes of one of the node's cgroups (its own: without those of pods)."""
    pids: set[int] = set()
    for below, children, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            pids.update(map(int, (Path(below) / "cgroup.procs").read_text().split()))
        if not recursive:
            children[:] = [child for child in children if child == _LEAF]
    return pids


def remove(box: str) -> None:
    """Kill everything in the node's cgroups and remove them."""

    def gone() -> bool:
        for folder in find(box):
            processes.kill_all(members(folder))
            for below, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    Path(below).rmdir()
        return not find(box)

    wait_for(f"end of the processes of {box}", gone, 120)
