"""Load on a backend's Service while it changes: start the client, stop it, judge what it saw."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from labcluster import Cluster

_SCRIPT = Path(__file__).with_name("load_client.py")
_STOP_TIMEOUT = 120


@dataclass
class LoadReport:
    """What the client saw."""

    pairs: int = 0
    failures: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    """In order of first appearance."""
    first_seen: dict[str, float] = field(default_factory=dict)
    """Wall-clock time at which a prediction first reported a version."""
    longest: float = 0.0
    """Seconds of the slowest pair."""
    side_by_side: float = 0.0
    """The longest time in seconds for which a version went on answering new requests after its successor had begun to:
    pairs sent later than that agree on one version. Requests under way at the switch do not count, however slow."""


def judge(pairs: Iterable[dict[str, Any]]) -> LoadReport:
    """Make a report of pairs in the order in which they started."""
    report = LoadReport()
    requests: list[tuple[float, float, str]] = []
    for pair in sorted(pairs, key=lambda pair: float(pair["start"])):
        report.pairs += 1
        report.longest = max(report.longest, pair["end"] - pair["start"])
        if pair["error"]:
            report.failures.append(pair["error"])
            continue
        if pair["predict"] not in report.first_seen:
            report.versions.append(pair["predict"])
        report.first_seen[pair["predict"]] = min(pair["end"], report.first_seen.get(pair["predict"], pair["end"]))
        requests += [
            (pair["start"], pair["asked"], pair["setup"]),
            (pair["asked"], pair["end"], pair["predict"]),
        ]
    report.side_by_side = _side_by_side(requests)
    return report


def _side_by_side(requests: Iterable[tuple[float, float, str]]) -> float:
    """`requests` are times of sending and of the answer, and the version reported."""
    first_answer: dict[str, float] = {}
    last_sent: dict[str, float] = {}
    for sent, answered, version in requests:
        first_answer[version] = min(answered, first_answer.get(version, answered))
        last_sent[version] = max(sent, last_sent.get(version, sent))
    order = sorted(first_answer, key=lambda version: first_answer[version])
    return max(
        (last_sent[old] - first_answer[new] for old, new in pairwise(order) if last_sent[old] > first_answer[new]),
        default=0.0,
    )


@contextmanager
def load(
    cluster: Cluster, address: str, project: str, label_config: str, interval: float = 0.01
) -> Iterator[LoadReport]:
    """Load on `address`, a pair every `interval` seconds, for the length of the block; it fills in the report."""
    report = LoadReport()
    argv = [sys.executable, "-I", str(_SCRIPT), "--host", address, "--project", project, "--interval", str(interval)]
    with tempfile.TemporaryFile("w+") as seen:
        client = subprocess.Popen(cluster.inside_argv(argv), stdin=subprocess.PIPE, stdout=seen, text=True)
        assert client.stdin is not None
        client.stdin.write(label_config)
        client.stdin.close()
        try:
            yield report
        finally:
            client.terminate()
            code = client.wait(_STOP_TIMEOUT)
            seen.seek(0)
            vars(report).update(vars(judge(json.loads(line) for line in seen)))
    assert code == 0, f"the load client failed with exit code {code}"
