"""Records of test clusters: distinct indexes, and no cluster taken for running that is not."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from labcluster import paths, processes, records
from labcluster.errors import ClusterError
from labcluster.layout import INDEXES


@pytest.fixture(autouse=True)
def run_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUN", tmp_path)


def reserve(name):
    return records.reserve(name, Path("/state") / name, Path("/binaries"), None)


def test_many_at_once_get_an_index_each():
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(reserve, (f"c{number}" for number in range(16))))
    assert sorted(record.index for record in taken) == list(range(1, 17))


def test_a_forgotten_cluster_frees_its_index():
    for name in ("a", "b", "c"):
        reserve(name)
    records.forget("b")
    assert reserve("d").index == 2


def test_all_indexes_taken_is_told():
    for number in INDEXES:
        reserve(f"c{number}")
    with pytest.raises(ClusterError, match="all cluster indexes"):
        reserve("one-more")


def test_a_record_is_usable_only_when_complete_and_its_node_runs():
    record = reserve("a")
    assert not record.usable
    assert records.complete(record, processes.identity(os.getpid()), None).usable
    assert records.read("a") == replace(record, init=processes.identity(os.getpid()), ready=True)

    ended = subprocess.Popen(["sleep", "60"])
    identity = processes.identity(ended.pid)
    ended.kill()
    ended.wait()
    assert not records.complete(record, identity, None).usable


def test_a_pid_used_again_is_another_process():
    pid, _, started = processes.identity(os.getpid()).partition(":")
    assert processes.alive(f"{pid}:{started}")
    assert not processes.alive(f"{pid}:{int(started) - 1}")


def test_names_with_dots_are_listed():
    reserve("v1.34")
    assert [record.name for record in records.read_all()] == ["v1.34"]
