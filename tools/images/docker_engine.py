"""A Docker engine to build with: the one that answers, or a private one that leaves nothing behind.

The private one is Debian's dockerd. Its state lies in one folder of the cache, so that the next build finds its layers.
It runs in mount and PID namespaces of its own below a process that dies with us: whatever happens, the kernel takes its
containers, containerd and mounts away, and only stale files remain, which the next start deletes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.images.cache import BuildError
from tools.images.debian import ensure_programs

START_SECONDS = 60
STOP_SECONDS = 15
STATE_LIMIT = 12 * 10**9  # bytes of layers in the private engine beyond which it starts afresh
CGROUP = "labelloop-image-build"
MOUNT_POINT = "/mnt"  # in the daemon's own mount namespace
SOCKET = f"{MOUNT_POINT}/run/docker.sock"
FLAGS = (
    "--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false", "--ip-masq=false",
    "--userland-proxy=false", "--storage-driver=overlay2", "--exec-opt=native.cgroupdriver=cgroupfs",
    # Without CAP_SYS_RESOURCE nobody may lower an OOM score.
    "--oom-score-adjust=0", f"--cgroup-parent=/{CGROUP}",
)  # fmt: skip


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers; `environment` makes the docker client talk to it."""

    client: str
    environment: Mapping[str, str]
    private: bool = False
    """Started by us, for us: its state is ours to tidy up."""

    def run(self, *arguments: str, log: Path | None = None, directory: Path | None = None) -> str:
        """Run `docker ARGUMENTS` and return what it prints; with `log`, its output is appended there as well."""
        return run_logged([self.client, *arguments], self.environment, log, directory)

    def has_image(self, reference: str) -> bool:
        """Tell whether the engine holds this image."""
        command = [self.client, "image", "inspect", reference]
        return subprocess.run(command, env=dict(self.environment), capture_output=True, check=False).returncode == 0


def run_logged(
    command: Sequence[str], environment: Mapping[str, str], log: Path | None = None, directory: Path | None = None
) -> str:
    """Run a program; on failure raise with the end of its output."""
    done = subprocess.run(
        command,
        env=dict(environment),
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"$ {' '.join(command)}\n{done.stdout}\n")
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:3])} failed ({done.returncode}), log {log}:\n{done.stdout[-3000:]}")
    return done.stdout


@contextmanager
def docker_engine(cache: Path) -> Iterator[Engine]:
    """Yield the machine's engine if it has one that answers, else a private one for the time of the block."""
    client = shutil.which("docker")
    if client and answers(client, os.environ):
        yield Engine(client, with_builder(client, os.environ))
        return
    with private_engine(cache / "docker") as engine:
        yield engine


def answers(client: str, environment: Mapping[str, str]) -> bool:
    """Tell whether an engine answers this client."""
    command = [client, "info", "--format", "{{.ServerVersion}}"]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    return done.returncode == 0 and bool(done.stdout.strip())


def with_builder(client: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the classic builder chosen where the client has no buildx plugin."""
    buildx = subprocess.run([client, "buildx", "version"], env=dict(environment), capture_output=True, check=False)
    return {**environment, "DOCKER_BUILDKIT": "1" if buildx.returncode == 0 else "0"}


@contextmanager
def private_engine(state: Path) -> Iterator[Engine]:
    """Start dockerd with all its state under `state`, stop it at the end. The caller holds the cache's lock."""
    if os.geteuid() != 0:
        raise BuildError("no Docker engine answers, and a private one needs root: start Docker, or run as root.")
    ensure_programs({"dockerd": "docker.io", "unshare": "util-linux", "setpriv": "util-linux"})
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)
    if size_of(state / "data") > STATE_LIMIT:
        shutil.rmtree(state / "data")
    process, engine = start(state)
    try:
        yield engine
    finally:
        stop(process)


def start(state: Path) -> tuple[subprocess.Popen[bytes], Engine]:
    """Start dockerd and wait until it answers; a state that it cannot use is thrown away once."""
    # The client of Debian's package fits its daemon; one further up in PATH may have dropped this API version.
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else str(shutil.which("docker"))
    for _ in range(2):
        process = launch(state)
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            for daemon in children(process):
                environment = client_environment(daemon, client, state)
                if answers(client, environment):
                    return process, Engine(client, with_builder(client, environment), private=True)
            time.sleep(0.1)
        stop(process)
        shutil.rmtree(state / "data", ignore_errors=True)
        (state / "data").unlink(missing_ok=True)
    raise BuildError(f"dockerd did not start:\n{(state / 'dockerd.log').read_text()[-3000:]}")


def launch(state: Path) -> subprocess.Popen[bytes]:
    """Start dockerd as first process of its own namespaces, bound to our life.

    In there the state is mounted at a short path: the path of a socket has at most 107 characters.
    """
    for leftover in ("run", "client"):  # PID files and sockets of a killed run
        shutil.rmtree(state / leftover, ignore_errors=True)
    (state / "daemon.json").write_text("{}")
    (state / "run").mkdir()
    boundary = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child=KILL",
        "--mount-proc",
    ]
    script = f'mount --bind "$1" {MOUNT_POINT} && shift && exec dockerd "$@"'
    places = [f"--data-root={MOUNT_POINT}/data", f"--exec-root={MOUNT_POINT}/run", f"--host=unix://{SOCKET}"]
    places += [f"--pidfile={MOUNT_POINT}/run/docker.pid", f"--config-file={MOUNT_POINT}/daemon.json"]
    with (state / "dockerd.log").open("wb") as log:
        # A session of its own: Ctrl-C reaches us alone, and we stop it in order.
        return subprocess.Popen(
            [*boundary, "sh", "-c", script, "dockerd", str(state), *places, *FLAGS],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def client_environment(daemon: int, client: str, state: Path) -> dict[str, str]:
    """Return the environment in which the client reaches the daemon's socket, through its mount namespace."""
    others = {name: value for name, value in os.environ.items() if name not in ("DOCKER_CONTEXT", "DOCKER_TLS_VERIFY")}
    return {
        **others,
        "DOCKER_HOST": f"unix:///proc/{daemon}/root{SOCKET}",
        "DOCKER_CONFIG": str(state / "client"),
        "PATH": f"{Path(client).parent}:{os.environ.get('PATH', '')}",
    }


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes below one that has a single thread."""
    try:
        return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def stop(process: subprocess.Popen[bytes]) -> None:
    """End dockerd by SIGTERM, or else its namespaces by SIGKILL; then remove the control groups it made."""
    if process.poll() is None:
        for daemon in children(process):
            os.kill(daemon, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for group in Path("/sys/fs/cgroup").glob(f"*/{CGROUP}"):
        for folder in sorted([*group.rglob("*/"), group], reverse=True):
            folder.rmdir()


def size_of(directory: Path) -> int:
    """Return the bytes on disk below a directory."""
    if not directory.exists():
        return 0
    listing = subprocess.run(
        ["du", "--summarize", "--bytes", str(directory)], capture_output=True, text=True, check=False
    )
    return int(listing.stdout.split()[0])
