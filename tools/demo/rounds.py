"""One round of the demo: annotations, a training, a roll-out under load, and how much better it got."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.tickets.generator import Ticket
from tests.support.backend import Backend
from tests.support.lab import Lab
from tests.support.load import load
from tests.support.rounds import round_steps
from tests.support.timeline import Timeline
from tests.support.waiting import eventually

from tools.demo.progress import Show

ROUND_TIMEOUT = 180.0
LAST = 10
"""Annotations sent while the load runs: the round's clock starts after the last of them."""


@dataclass
class Results:
    """What goes into demo.json."""

    versions: list[str] = field(default_factory=list)
    accuracy: dict[str, float] = field(default_factory=dict)
    failed_requests: int = 0
    seconds_to_serving: list[float] = field(default_factory=list)
    seconds_total: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Where the rounds are played."""

    lab: Lab
    backend: Backend
    project: int
    label_config: str
    unseen: Sequence[tuple[str, str]]
    show: Show
    results: Results

    def measure(self) -> float:
        """Accuracy of the served version on texts that never entered Label Studio, noted in the results."""
        version = self.backend.version or ""
        with self.show.step(f"accuracy of {version} on {len(self.unseen)} unseen texts"):
            accuracy = self.backend.accuracy(self.unseen, self.project, self.label_config)
        self.results.versions.append(version)
        self.results.accuracy[version] = round(accuracy, 4)
        return accuracy


def play(scene: Scene, number: int, todo: Sequence[tuple[int, Ticket]]) -> None:
    """Send annotations for `todo` and follow what they lead to."""
    show, backend, before = scene.show, scene.backend, scene.backend.version
    labelled = [(task, ticket.label) for task, ticket in todo]
    show.console.rule(f"Round {number}")
    with show.step(f"{len(labelled) - LAST} annotations sent to Label Studio"):
        scene.lab.user.annotate_all(labelled[:-LAST])
    identity = f"{scene.project}.1795325720"
    with (
        Timeline(scene.lab.kube, backend.namespace) as timeline,
        load(scene.lab.cluster, backend.address, identity, scene.label_config) as report,
    ):
        with show.step(f"{LAST} more, from now on under load"):
            scene.lab.user.annotate_all(labelled[-LAST:])
        began = time.time()
        version = _follow(scene, timeline, began, before)
    scene.results.failed_requests += len(report.failures)
    seconds = report.first_seen[version] - began
    scene.results.seconds_to_serving.append(round(seconds, 2))
    steps = round_steps(timeline, began, version, report.first_seen[version])
    show.fact(f"first prediction of {version} [bold]{seconds:.1f} s[/] after the last annotation")
    show.fact("seconds: " + ", ".join(f"{name} {took:.1f}" for name, took in steps.items() if name != "total"))
    show.fact(f"{report.pairs} request pairs meanwhile, {len(report.failures)} failed")
    accuracy = scene.measure()
    show.fact(f"accuracy {scene.results.accuracy[before or '']:.1%} before, [bold]{accuracy:.1%}[/] after")


def _follow(scene: Scene, timeline: Timeline, began: float, before: str | None) -> str:
    """Tell of Job, image and switch as they come; gives the new version."""
    show = scene.show
    with show.step("Job"):
        job = eventually(lambda: timeline.first("Job", began, lambda _: True), ROUND_TIMEOUT, scene.backend.told)
        show.fact(f"Job {job.name}")
        eventually(lambda: timeline.first("Job", began, _ended), ROUND_TIMEOUT, scene.backend.told)
    with show.step("roll-out and switch"):
        version = scene.backend.wait_version_other_than(before, timeout=ROUND_TIMEOUT)
    show.fact(f"image {scene.backend.status['model']['active']['image']}")
    with show.step("old version gone"):
        eventually(lambda: len(scene.backend.deployments) == 1, ROUND_TIMEOUT, scene.backend.told)
    return version


def _ended(job: dict[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(found["type"] in ("Complete", "Failed") and found["status"] == "True" for found in conditions)
