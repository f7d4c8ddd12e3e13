"""Roll-outs and roll-backs, one after another, under constant load: every request must be answered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.support.backend import Backend, Json
from tests.support.lab import Lab
from tests.support.load import LoadReport, load
from tests.support.waiting import PATIENCE, eventually

INTERVAL = 0.02
"""Seconds between two pairs of requests: /setup, then /predict, each on a connection of its own."""


@dataclass
class Soak:
    """What was done, and what the load saw meanwhile."""

    report: LoadReport = field(default_factory=LoadReport)
    rollouts: list[float] = field(default_factory=list)
    """Seconds from the change of the resource until the Service answers with the other version."""
    rollbacks: list[float] = field(default_factory=list)
    seconds: float = 0.0


def soak(
    lab: Lab,
    backend: Backend,
    spec: Json,
    label_config: str,
    versions: Sequence[str],
    rollouts: int,
    rollbacks: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Soak:
    """Switch between `versions` of the history, and go back in the middle of some roll-outs' ends.

    A roll-back comes right after a switch, while the pods of the version it goes back to are still to be drained.
    """
    done = Soak()
    project = spec["labelStudio"]["project"]
    every = max(1, rollouts // max(1, rollbacks))
    with load(lab.cluster, backend.address, f"{project}.1", label_config, INTERVAL) as done.report:
        began = time.monotonic()
        current = backend.version
        for number in range(rollouts):
            before, current = current, next(version for version in versions if version != current)
            assert current is not None
            done.rollouts.append(switch(backend, spec, current))
            if number % every == every - 1 and len(done.rollbacks) < rollbacks:
                assert before is not None
                done.rollbacks.append(switch(backend, spec, before))
                current = before
            else:
                settled(backend)
            tell(f"{len(done.rollouts)} roll-outs, {len(done.rollbacks)} roll-backs")
        settled(backend)
        done.seconds = time.monotonic() - began
    return done


def switch(backend: Backend, spec: Json, version: str) -> float:
    """Pin a version; the seconds until it is active and answers."""
    began = time.monotonic()
    backend.apply(spec | {"model": {"pinnedVersion": version}})
    eventually(lambda: backend.version == version and backend.answering == version, PATIENCE, backend.told, 0.2)
    return time.monotonic() - began


def settled(backend: Backend) -> None:
    """Wait until nothing is left of the version before."""
    eventually(lambda: len(backend.deployments) == 1, PATIENCE, backend.told)
