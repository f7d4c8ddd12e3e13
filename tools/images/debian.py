"""Debian packages that a build needs, and the mirror that the machine is configured for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.images.cache import BuildError

POLICY = Path("/usr/sbin/policy-rc.d")


def ensure_programs(programs: dict[str, str]) -> None:
    """Install the Debian packages of the programs that are not on PATH, without starting any service.

    Args:
        programs: program name -> Debian package.
    """
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise BuildError(f"needed: the Debian packages {', '.join(missing)}. Install them (as root, with apt-get).")
    print(f"installing {', '.join(missing)}", flush=True)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_services_started():
        # The lists of a fresh machine are empty or old: refresh them only if the first try fails.
        for command in (install, ["apt-get", "update"], install):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode == 0 and command is install:
                return
    raise BuildError(f"apt-get could not install {', '.join(missing)}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


@contextmanager
def no_services_started() -> Iterator[None]:
    """Forbid package scripts to start daemons (Debian's policy-rc.d, exit code 101), for the time of the block."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def mirror(suite: str, configuration: Path = Path("/etc/apt")) -> str:
    """Return the address of the mirror from which apt on this machine gets `suite`; `$DEBIAN_MIRROR` goes first."""
    if configured := os.environ.get("DEBIAN_MIRROR"):
        return configured
    files = [configuration / "sources.list", *sorted((configuration / "sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        text = "\n".join(line for line in file.read_text().splitlines() if not line.lstrip().startswith("#"))
        found = _one_line_mirror(text, suite) if file.suffix == ".list" else _deb822_mirror(text, suite)
        if found:
            return found
    raise BuildError(
        f"no Debian mirror with {suite} in {configuration}: set DEBIAN_MIRROR to the address of one, "
        "or BASE_IMAGE to a Debian-like image with Python 3.11."
    )


def _one_line_mirror(text: str, suite: str) -> str | None:
    match = re.search(rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{re.escape(suite)}\s+(?:\S+\s+)*main\b", text, re.MULTILINE)
    return match.group(1) if match else None


def _deb822_mirror(text: str, suite: str) -> str | None:
    for stanza in re.split(r"\n\s*\n", text):
        pairs: list[tuple[str, str]] = re.findall(r"^([\w-]+):\s*(.*)$", stanza, re.MULTILINE)
        fields = {name.lower(): value.split() for name, value in pairs}
        if suite in fields.get("suites", []) and "main" in fields.get("components", []) and fields.get("uris"):
            return fields["uris"][0]
    return None
