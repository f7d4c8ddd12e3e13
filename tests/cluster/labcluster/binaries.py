"""Programs built from Go modules, kept in the cache under a key of all that goes into them."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labcluster import paths, records
from labcluster.errors import ClusterError

_VERSION = "v1.34.4"
_SYMBOLS = {
    "k8s.io/component-base/version.gitVersion": _VERSION,
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": "34",
    "k8s.io/client-go/pkg/version.gitVersion": _VERSION,
}


@dataclass(frozen=True)
class Module:
    """One Go module of ours, the package to build in it, and the names the program is called by."""

    name: str
    package: str
    links: tuple[str, ...] = ()
    symbols: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """Where the module's sources lie."""
        return paths.SOURCES / self.name

    @property
    def flags(self) -> list[str]:
        """What `go build` is given."""
        values = [f"-X {symbol}={value}" for symbol, value in self.symbols]
        # The checkout's state is no part of the program, and must not change its bytes.
        return ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", " ".join(["-s -w", *values])]


MODULES = (
    Module(
        "kubernetes",
        ".",
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
        tuple(_SYMBOLS.items()),
    ),
    Module("helm", "helm.sh/helm/v3/cmd/helm"),
)
"""What every cluster needs."""
KWOK = Module("kwok", "sigs.k8s.io/kwok/cmd/kwok")
"""Nodes that only pretend to run pods; built when it is asked for."""


def ensure() -> Path:
    """Build what is not yet in the cache; gives the folder that holds every program."""
    kubernetes, helm = _built(MODULES)
    _link(paths.linked_program("kubectl"), kubernetes / "kubectl")
    _link(paths.linked_program("helm"), helm / "helm")
    return kubernetes


def ensure_kwok() -> Path:
    """Build kwok unless it is in the cache; gives the program."""
    (folder,) = _built((KWOK,))
    return folder / KWOK.name


def _built(modules: Sequence[Module]) -> list[Path]:
    """The folder of each module's program, built where it is missing."""
    version = _go_version()
    folders = [paths.cache() / "binaries" / f"{module.name}-{key(module, version)}" for module in modules]
    if not all(folder.is_dir() for folder in folders):
        with records.locked("build"):
            # One after the other: helm shares most packages with kubernetes (same versions in go.mod) in Go's cache.
            for module, folder in zip(modules, folders, strict=True):
                if not folder.is_dir():
                    _build(module, folder)
    return folders


def key(module: Module, go_version: str) -> str:
    """What decides a program's bytes, as a short digest."""
    digest = hashlib.sha256()
    for part in ("go.mod", "go.sum", "main.go"):
        file = module.folder / part
        digest.update(f"{part}\0".encode() + (file.read_bytes() if file.exists() else b"") + b"\0")
    digest.update("\0".join([go_version, module.package, *module.flags, *module.links]).encode())
    return digest.hexdigest()[:16]


def _go() -> str:
    # Go's own installer puts it where no default search path looks.
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if found is None:
        raise ClusterError("Go is needed to build the test cluster's programs: version 1.25 or later on PATH")
    return found


def _go_version() -> str:
    argv = [_go(), "env", "GOVERSION", "GOARCH"]
    done = subprocess.run(argv, cwd=MODULES[0].folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"go env failed: {done.stderr}")
    return done.stdout


def _build(module: Module, target: Path) -> None:
    print(f"Building {module.name} from Go modules, minutes when nothing is cached ...", file=sys.stderr)
    draft = target.with_name(f".draft-{target.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    argv = [_go(), "build", *module.flags, "-o", str(draft / module.name), module.package]
    environment = {name: value for name, value in os.environ.items() if name != "GOFLAGS"} | {"CGO_ENABLED": "0"}
    done = subprocess.run(argv, cwd=module.folder, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"the build of {module.name} failed:\n{done.stderr}")
    for link in module.links:
        (draft / link).symlink_to(module.name)
    draft.rename(target)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.symlink_to(target)
    draft.replace(link)
