"""Where the time of one round goes: from the annotation that completes the N to the new version at the Service."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.timeline import Timeline

Json = dict[str, Any]


def round_steps(timeline: Timeline, began: float, version: str, first_answer: float) -> dict[str, float]:
    """Seconds of each step of a round, in order; they add up to about the whole, `total`.

    `began` and `first_answer` are the wall-clock times of the last annotation's answer and of the first prediction
    with `version`. Steps that were not seen are left out. `fetch`, `fit` and `evaluate` are reported by the trainer and
    lie within `train`.
    """
    marks = _marks(timeline, began, version)
    marks["answered"] = first_answer
    steps: dict[str, float] = {}
    before = began
    for name, step in (
        ("job", "noticed, Job created"),
        ("pod", "pod started"),
        ("restored", "restore"),
        ("trained", "train"),
        ("published", "publish"),
        ("deployed", "Deployment created"),
        ("ready", "pods pulled, started, ready"),
        ("switched", "switch"),
        ("answered", "first answer"),
    ):
        at = marks.get(name)
        if at is not None:
            steps[step] = round(at - before, 3)
            before = at
    steps["total"] = round(first_answer - began, 3)
    if "titled" in marks:
        steps["title, after the last annotation"] = round(marks["titled"] - began, 3)
    steps |= {f"in train: {name}": seconds for name, seconds in _told_by_trainer(timeline, began).items()}
    return steps


def _marks(timeline: Timeline, began: float, version: str) -> dict[str, float]:
    """Wall-clock times at which things were seen."""

    def first(kind: str, matches: Any) -> float | None:
        seen = timeline.first(kind, began, matches)
        return seen.at if seen else None

    found = {
        "job": first("Job", lambda job: "-ml-train-" in job["metadata"]["name"]),
        "pod": first("Pod", lambda pod: _is_training(pod) and _state(pod, "restore") != "waiting"),
        "restored": first("Pod", lambda pod: _is_training(pod) and _state(pod, "restore") == "terminated"),
        "trained": first("Pod", lambda pod: _is_training(pod) and _state(pod, "train") == "terminated"),
        "published": first("Pod", lambda pod: _is_training(pod) and _state(pod, "publish") == "terminated"),
        "deployed": first("Deployment", lambda found: _version(found) == version),
        "ready": first("Deployment", lambda found: _version(found) == version and _all_ready(found)),
        "titled": first(
            "LabelStudioBackend",
            lambda found: ((found.get("status") or {}).get("labelStudio") or {}).get("title") == version,
        ),
    }
    deployment = timeline.first("Deployment", began, lambda found: _version(found) == version)
    if deployment:
        revision = deployment.object["metadata"]["labels"].get("labelloop.dev/revision")
        found["switched"] = first(
            "Service", lambda service: service["spec"].get("selector", {}).get("labelloop.dev/revision") == revision
        )
    return {name: at for name, at in found.items() if at is not None}


def _version(thing: Mapping[str, Any]) -> str | None:
    annotations = thing["metadata"].get("annotations") or {}
    return annotations.get("labelloop.dev/model-version")


def _all_ready(deployment: Mapping[str, Any]) -> bool:
    return bool(deployment.get("status", {}).get("readyReplicas", 0) == deployment["spec"]["replicas"])


def _is_training(pod: Mapping[str, Any]) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component") == "training")


def _statuses(pod: Mapping[str, Any]) -> dict[str, Json]:
    status = pod.get("status", {})
    every = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return {container["name"]: container.get("state") or {} for container in every}


def _state(pod: Mapping[str, Any], container: str) -> str:
    return next(iter(_statuses(pod).get(container, {})), "waiting")


def _told_by_trainer(timeline: Timeline, began: float) -> dict[str, float]:
    for seen in timeline.changes("Pod", began):
        ended = _statuses(seen.object).get("publish", {}).get("terminated") or {}
        if _is_training(seen.object) and ended.get("message"):
            try:
                seconds = json.loads(ended["message"]).get("seconds", {})
            except ValueError:
                return {}
            return {str(name): float(value) for name, value in seconds.items()}
    return {}
