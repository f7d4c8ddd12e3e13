"""One round of the demo: annotations, a training, a roll-out under load, and how much better it got."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.tickets.generator import Ticket
from tests.support.backend import Backend
from tests.support.lab import Lab
from tests.support.load import load
from tests.support.rounds import round_steps
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, StepError, eventually

from tools.demo.progress import Show

Json = Mapping[str, Any]
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
        with self.show.step(f"accuracy of {version} on {len(self.unseen)} unseen texts", "1 s"):
            accuracy = self.backend.accuracy(self.unseen, self.project, self.label_config)
        self.results.versions.append(version)
        self.results.accuracy[version] = round(accuracy, 4)
        return accuracy


def play(scene: Scene, number: int, todo: Sequence[tuple[int, Ticket]]) -> None:
    """Send annotations for `todo` and follow what they lead to."""
    show, backend, before = scene.show, scene.backend, scene.backend.status
    version_before = backend.version
    labelled = [(task, ticket.label) for task, ticket in todo]
    show.console.rule(f"Round {number}")
    with show.step(f"{len(labelled) - LAST} annotations sent to Label Studio", "10 to 30 s"):
        scene.lab.user.annotate_all(labelled[:-LAST])
    identity = f"{scene.project}.1795325720"
    with (
        Timeline(scene.lab.kube, backend.namespace) as timeline,
        load(scene.lab.cluster, backend.address, identity, scene.label_config) as report,
    ):
        with show.step(f"{LAST} more, from now on under load", "2 to 5 s"):
            scene.lab.user.annotate_all(labelled[-LAST:])
        began = time.time()
        version = _follow(scene, before, version_before)
    scene.results.failed_requests += len(report.failures)
    seconds = report.first_seen[version] - began
    scene.results.seconds_to_serving.append(round(seconds, 2))
    steps = round_steps(timeline, began, version, report.first_seen[version])
    show.fact(f"first prediction of {version} [bold]{seconds:.1f} s[/] after the last annotation")
    del steps["total"]
    show.fact("where the seconds went: " + ", ".join(f"{name} {took:.1f}" for name, took in steps.items()))
    show.fact(f"{report.pairs} request pairs meanwhile, {len(report.failures)} failed")
    accuracy = scene.measure()
    show.fact(f"accuracy {scene.results.accuracy[version_before or '']:.1%} before, [bold]{accuracy:.1%}[/] after")


def _follow(scene: Scene, before: Json, version_before: str | None) -> str:
    """Show Job, image and switch as they come; gives the new version. `before` is the status before the round."""
    show, backend = scene.show, scene.backend
    with show.step("training Job", "5 to 10 s"):
        job = eventually(lambda: started_job(backend.status, before), PATIENCE, "a training Job", details=backend.told)
        show.fact(f"Job {job}")
        wanted = f"the outcome of Job {job} in status.training"
        outcome = eventually(lambda: recorded_outcome(backend.status, job), PATIENCE, wanted, details=backend.told)
    if outcome != "Trained":
        told = backend.condition("TrainingSucceeded").get("message", "")
        raise StepError(f"Job {job} ended with {outcome} instead of Trained: {told}", backend.told())
    with show.step("roll-out and switch", "5 to 10 s"):
        version = backend.wait_version_other_than(version_before)
    show.fact(f"image {backend.status['model']['active']['image']}")
    with show.step("old version removed", "5 to 15 s"):
        eventually(lambda: len(backend.deployments) == 1, PATIENCE, "a single Deployment", details=backend.told)
    with show.step("its predictions for all tasks without annotations, written by a Job", "5 to 10 s"):
        written = eventually(
            lambda: predictions_written(backend.status, version), PATIENCE, "written predictions", details=backend.told
        )
        show.fact(written)
    return version


def predictions_written(status: Json, version: str) -> str | None:
    """What the Job reported that wrote the predictions of this version; None while it runs."""
    predictions = status.get("predictions") or {}
    done = predictions.get("version") == version and predictions.get("outcome") == "Predicted"
    return str(predictions.get("message")) if done else None


def started_job(status: Json, before: Json) -> str | None:
    """The training Job that the operator has recorded since the status `before`."""
    job = (status.get("training") or {}).get("job")
    return job if job != (before.get("training") or {}).get("job") else None


def recorded_outcome(status: Json, job: str) -> str | None:
    """The outcome that the operator has recorded for its newest Job, None while it runs.

    The Job itself does not show its end: the operator acts on the succeeded pod, and may delete the Job before
    Kubernetes gives it a condition.
    """
    training = status.get("training") or {}
    return training.get("lastOutcome") if training.get("job") == job else None
