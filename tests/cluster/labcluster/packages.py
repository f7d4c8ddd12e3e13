"""The machine's programs: installed with apt where missing, without starting any daemon."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from labcluster import records
from labcluster.errors import ClusterError

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What shows that a package is there: a program, or a file by its absolute path.
REQUIRED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "docker-registry": "docker-registry",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ps": "procps",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "modprobe": "kmod",
    "openssl": "openssl",
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
}
_APT_PATIENCE = 300
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\n# Temporary, of the Labelloop test cluster: safe to delete.\nexit 101\n"
_MODULES = {"overlay": "/sys/module/overlay", "br_netfilter": "/proc/sys/net/bridge", "veth": "/sys/module/veth"}


def missing() -> list[str]:
    """The packages that must still be installed."""
    return sorted({package for mark, package in REQUIRED.items() if not _is_there(mark)})


def _is_there(mark: str) -> bool:
    return Path(mark).exists() if mark.startswith("/") else shutil.which(mark, path=SEARCH_PATH) is not None


def ensure() -> None:
    """Install what is missing, and load the kernel modules that are not built in."""
    wanted = missing()
    if wanted:
        if shutil.which("apt-get", path=SEARCH_PATH) is None:
            raise ClusterError(f"this machine lacks {', '.join(wanted)} (Debian's names) and has no apt-get")
        print(f"Installing {', '.join(wanted)} ...", file=sys.stderr)
        with records.locked("packages"), _daemons_kept_from_starting():
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", *wanted)
    for module, mark in _MODULES.items():
        if not Path(mark).exists():
            subprocess.run(["modprobe", module], env={"PATH": SEARCH_PATH}, stderr=subprocess.DEVNULL, check=False)


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # Somebody else may be installing just now.
    argv = ["apt-get", "-qq", "-o", f"DPkg::Lock::Timeout={_APT_PATIENCE}", *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"apt-get {arguments[0]} failed with exit code {done.returncode}: {done.stderr.strip()}")


@contextlib.contextmanager
def _daemons_kept_from_starting() -> Iterator[None]:
    """Debian asks this program before it starts a service; 101 forbids it."""
    if _POLICY.exists() and _POLICY.read_text() != _POLICY_TEXT:
        yield
        return
    _POLICY.write_text(_POLICY_TEXT)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
