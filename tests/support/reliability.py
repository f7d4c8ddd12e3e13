"""Tests of a chaos case carry its number, and store their results for docs/internals/reliability.md.

`@pytest.mark.chaos_case("7", "13")`; results go to build/reliability/results.json, from which `python -m
tools.reliability` makes the page. Imported by tests/conftest.py, whose hooks these are.
"""

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parents[2] / "build/reliability/results.json"
_SEEN: dict[str, dict[str, Any]] = defaultdict(lambda: {"tests": 0, "failed": 0, "seconds": 0.0})


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "chaos_case(*numbers): shows a case of tests/chaos/cases.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A report knows its test's name only; whether it counts goes along."""
    for item in items:
        if item.get_closest_marker("chaos_case"):
            item.user_properties.append(("chaos", item.nodeid.partition("[")[0]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Set-up and clean-up count too."""
    name = dict(report.user_properties).get("chaos")
    if name is not None:
        entry = _SEEN[str(name)]
        entry["tests"] += report.when == "call"
        entry["failed"] += report.failed
        entry["seconds"] += report.duration


def pytest_sessionfinish() -> None:
    """Add this session's results to those of the others."""
    if not _SEEN:
        return
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for name, entry in _SEEN.items():
        known[name] = {**entry, "seconds": round(entry["seconds"], 1), "date": today}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    fresh = RESULTS.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    fresh.replace(RESULTS)
