"""Load on a backend's Service while it changes: start the client, stop it, judge what it saw."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labcluster import Cluster

_SCRIPT = Path(__file__).with_name("load_client.py")
_STOP_TIMEOUT = 30


@dataclass(frozen=True)
class Disagreement:
    """Neighbouring pairs whose two answers told different versions."""

    seconds: float
    pairs: int
    versions: frozenset[str]


@dataclass
class LoadReport:
    """What the client saw."""

    pairs: int = 0
    failures: list[str] = field(default_factory=list)
    disagreements: list[Disagreement] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    """In order of first appearance."""
    first_seen: dict[str, float] = field(default_factory=dict)
    """Wall-clock time at which a prediction first told a version."""
    longest: float = 0.0
    """Seconds of the slowest pair."""

    @property
    def disagreement_seconds(self) -> float:
        """The longest time for which pairs disagreed at one switch."""
        return max((disagreement.seconds for disagreement in self.disagreements), default=0.0)


def judge(pairs: Iterable[dict[str, Any]]) -> LoadReport:
    """Make a report of pairs in the order in which they started."""
    report = LoadReport()
    open_disagreement: list[dict[str, Any]] = []

    def close() -> None:
        if open_disagreement:
            seconds = max(pair["end"] for pair in open_disagreement) - open_disagreement[0]["start"]
            versions = frozenset(str(pair[answer]) for pair in open_disagreement for answer in ("setup", "predict"))
            report.disagreements.append(Disagreement(seconds, len(open_disagreement), versions))
            open_disagreement.clear()

    for pair in sorted(pairs, key=lambda pair: float(pair["start"])):
        report.pairs += 1
        report.longest = max(report.longest, pair["end"] - pair["start"])
        if pair["error"]:
            report.failures.append(pair["error"])
            continue
        if pair["predict"] not in report.first_seen:
            report.versions.append(pair["predict"])
        report.first_seen[pair["predict"]] = min(pair["end"], report.first_seen.get(pair["predict"], pair["end"]))
        if pair["setup"] == pair["predict"]:
            continue
        # One switch gives one window, even when agreeing pairs lie between disagreeing ones.
        known = {str(other[answer]) for other in open_disagreement for answer in ("setup", "predict")}
        if known and known != {pair["setup"], pair["predict"]}:
            close()
        open_disagreement.append(pair)
    close()
    return report


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
