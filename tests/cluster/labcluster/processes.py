"""Processes distinguished by pid and start time, since pids are used again."""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path


def identity(pid: int) -> str | None:
    """`pid:start time`, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command is in brackets and may hold anything, brackets and spaces too.
    fields = text.rpartition(")")[2].split()
    if fields[0] == "Z" and int(fields[17]) <= 1:
        return None
    # A killed process whose first thread is done already still holds its ports until the last one is.
    return f"{pid}:{fields[19]}"


def pid_of(known: str) -> int:
    """The pid of an identity."""
    return int(known.partition(":")[0])


def alive(known: str | None) -> bool:
    """Whether exactly this process still runs."""
    return known is not None and identity(pid_of(known)) == known


def arguments(pid: int) -> list[str]:
    """The command line of a process, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def is_first_in_namespace(pid: int) -> bool:
    """Whether a process is PID 1 of a namespace of its own."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(line.split()[2:] == ["1"] for line in status.splitlines() if line.startswith("NSpid:"))


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL; those already gone are no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
