"""Which clusters this machine has: one record each, indexes handed out under a lock."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labcluster import paths, processes
from labcluster.errors import ClusterError
from labcluster.layout import INDEXES, Layout


@dataclass(frozen=True)
class Record:
    """What must be known of a cluster by a process that did not create it."""

    name: str
    index: int
    state: str
    binaries: str
    caller: str | None = None
    init: str | None = None
    kubeconfig: str | None = None
    ready: bool = False

    @property
    def layout(self) -> Layout:
        """The cluster's names, addresses and folders."""
        return Layout(self.name, self.index, Path(self.state), Path(self.binaries))

    @property
    def usable(self) -> bool:
        """Whether creation ended well and the node still runs."""
        return self.ready and processes.alive(self.init)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of this machine; it ends with this process, however that dies."""
    paths.RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (paths.RUN / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def read(name: str) -> Record | None:
    """The record of one cluster, usable or not."""
    try:
        return Record(**json.loads(_path(name).read_text()))
    except FileNotFoundError:
        return None


def read_all() -> list[Record]:
    """The records of all clusters, usable or not, by name."""
    names = sorted(path.name.removesuffix(".cluster.json") for path in paths.RUN.glob("*.cluster.json"))
    return [record for record in map(read, names) if record]


def reserve(name: str, state: Path, binaries: Path, caller: str | None) -> Record:
    """Take the lowest free index for a new cluster."""
    with locked("indexes"):
        taken = {record.index for record in read_all()}
        free = next((index for index in INDEXES if index not in taken), None)
        if free is None:
            raise ClusterError("all cluster indexes are taken: delete some clusters")
        record = Record(name, free, str(state), str(binaries), caller)
        _write(record)
        return record


def complete(record: Record, init: str, kubeconfig: Path | None) -> Record:
    """Note that a cluster is ready for use."""
    done = replace(record, init=init, kubeconfig=str(kubeconfig) if kubeconfig else None, ready=True)
    _write(done)
    return done


def forget(name: str) -> None:
    """Drop a record and so free its index."""
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    return paths.RUN / f"{name}.cluster.json"


def _write(record: Record) -> None:
    draft = _path(record.name).with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(record)))
    draft.replace(_path(record.name))
