"""The first command of a new user, as `make demo ONCE=1` runs it, on a cluster of its own."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from tests.support.waiting import PATIENCE

from labcluster import Cluster

ROOT = Path(__file__).parents[3]
SEARCH = ("bento_service", "operator", "tests/cluster", ".")
"""PYTHONPATH of the Makefile."""


def test_the_demo_ends_by_itself_and_shows_what_it_promises(tmp_path: Path) -> None:
    cluster = f"demo-{os.getpid()}"  # a person may watch a demo on this machine
    results = tmp_path / "demo.json"
    command = [sys.executable, "-m", "tools.demo", "--cluster", cluster, "up", "--once", "--results", str(results)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(SEARCH)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}{done.stderr}"
    assert cluster not in Cluster.names()

    told = json.loads(results.read_text())
    cold, first, second = told["versions"]
    assert cold.startswith("cold-")
    assert first.startswith("model-")
    assert second.startswith("model-")
    assert set(told["accuracy"]) == set(told["versions"])
    assert all(before < after for before, after in pairwise(told["accuracy"][version] for version in told["versions"]))
    assert told["failed_requests"] == 0
    assert len(told["seconds_to_serving"]) == 2
    assert 0 < sum(told["seconds_to_serving"]) < told["seconds_total"]

    lines = done.stdout.splitlines()
    for step in ("images", "Kubernetes cluster", "Label Studio", "operator", "training Job", "roll-out and switch"):
        begun = next(number for number, line in enumerate(lines) if f"… {step} (usually " in line)
        assert next(number for number, line in enumerate(lines) if f"✓ {step} " in line) > begun
