"""The short form of `make fuzz`, and the proof that it finds something: a fault seeded on purpose."""

import json

import pytest
from tests.fuzz.routes import RoutesTarget
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str) -> None:
    target = TARGETS[name]()
    report = target.run(target.short, seed=0)
    assert not report.findings, report.told()
    assert report.cases == target.short
    assert len(report.seen) > 1, report.told()


def test_a_seeded_fault_is_found_and_told_with_a_request_that_shows_it() -> None:
    report = RoutesTarget(("-m", "tests.fuzz.faulty_serve"), ("/predict",)).run(200, seed=0)
    found = next(finding for finding in report.findings if finding.problem.startswith("status 500"))
    assert isinstance(found.case, dict)
    assert (found.case["method"], found.case["target"]) == ("POST", "/predict")
    # What shows the fault is left, and little else: a task with a list in its data.
    tasks = json.loads(found.case["body"])["tasks"]
    assert any(isinstance(value, list) for task in tasks for value in task["data"].values())
    assert len(found.case["body"]) < 300
