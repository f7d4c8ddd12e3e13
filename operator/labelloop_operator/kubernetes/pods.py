"""What pods tell: why one does not run, and what a finished training left. Pods are read only when that is asked."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.conditions import Reason
from labelloop_operator.kubernetes.client import Kubernetes
from labelloop_operator.kubernetes.kinds import EVENT, JOB, POD
from labelloop_operator.planning.observed import Manifest, PodProblem
from labelloop_operator.planning.ownership import is_ours
from labelloop_operator.policies.job_trouble import FAILED_CREATE

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
_KEPT = 3.0
"""Seconds for which an answer is used again: a roll-out causes many events at once."""
_STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})
_STEPS = ("restore", "train", "verify", "publish", "predict")
_LAST_STEPS = ("publish", "predict")
"""Containers whose message is the result: the last one of a training or rebase, the only one of a prediction Job."""


class Pods:
    """Pods of resources, read by label, and Jobs that no watch shows."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._kept: dict[tuple[str, str], tuple[float, tuple[PodProblem, ...]]] = {}

    async def problems(self, namespace: str, name: str, jobs: Sequence[Manifest]) -> tuple[PodProblem, ...]:
        """Why pods of the resource, and of its `jobs`, do not run; an answer of the last seconds is used again."""
        now = asyncio.get_running_loop().time()
        read_at, found = self._kept.get((namespace, name), (now - _KEPT, ()))
        if now - read_at >= _KEPT:
            refused = [await self.refusal(job) for job in jobs if has_no_pod(job)]
            listed = problems(await self._kubernetes.list(POD, namespace, f"{names.LABEL_BACKEND}={name}"))
            found = (*listed, *(problem for problem in refused if problem is not None))
            self._kept[namespace, name] = (now, found)
        return found

    async def refusal(self, job: Manifest) -> PodProblem | None:
        """Why the Job's controller may not create its pod: only Events tell it."""
        metadata = job["metadata"]
        about = f"regarding.uid={metadata['uid']},reason={FAILED_CREATE}"
        events = await self._kubernetes.list(EVENT, metadata["namespace"], fields=about)
        newest = max(events, key=_last_seen, default=None)
        return None if newest is None else PodProblem(metadata["name"], FAILED_CREATE, str(newest.get("note", "")))

    async def of_job(self, namespace: str, job: str) -> list[dict[str, Any]]:
        """The pods of a Job, as they are now."""
        return await self._kubernetes.list(POD, namespace, f"{JOB_NAME_LABEL}={job}")

    async def job(self, namespace: str, name: str) -> Manifest | None:
        """A Job as it is now, whatever labels it has."""
        return await self._kubernetes.get(JOB, namespace, name)

    def forget(self, namespace: str, name: str) -> None:
        """The resource is gone."""
        self._kept.pop((namespace, name), None)


def problems(pods: Iterable[Manifest]) -> tuple[PodProblem, ...]:
    """Why pods wait or crash; pods that run, start or end are fine."""
    found = (_problem(pod) for pod in pods if pod["metadata"].get("deletionTimestamp") is None)
    return tuple(problem for problem in found if problem is not None)


def finished(job: Manifest) -> bool:
    """Whether the Job is Complete or Failed."""
    return finish_condition(job) is not None


def finish_condition(job: Manifest) -> Mapping[str, Any] | None:
    """The condition that ended the Job."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return next(
        (item for item in conditions if item.get("type") in ("Complete", "Failed") and item.get("status") == "True"),
        None,
    )


def has_no_pod(job: Manifest) -> bool:
    """Whether the Job's controller has begun and made no pod: usually it reports the begin and the pod at once."""
    status = job.get("status") or {}
    counted = ("active", "terminating", "succeeded", "failed", "uncountedTerminatedPods")
    return "startTime" in status and not finished(job) and not any(status.get(name) for name in counted)


def never_had_a_pod(job: Manifest) -> bool:
    """Whether a Job ended at its deadline without any pod: one that it had counts as failed."""
    return _is_late(job) and not (job.get("status") or {}).get("failed")


def outcome(job: Manifest, pods: Iterable[Manifest]) -> Mapping[str, Any] | None:
    """The result a finished Job left in its newest pod's termination messages; None when no pod tells anything.

    Of a failed pod the first container that failed counts; killed containers tell nothing themselves, their state does.
    """
    newest = max(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), default=None)
    deadline = _is_late(job)
    told = None if newest is None else _termination_message(newest)
    if told is not None and not (deadline and told.get("reason") == Reason.UNKNOWN):
        return told
    if deadline:
        limit = (job.get("spec") or {}).get("activeDeadlineSeconds")
        return _failure(Reason.DEADLINE_EXCEEDED, f"the Job took longer than {limit} s: raise spec.training.deadline.")
    return None


def success(job: Manifest, succeeded: Iterable[Manifest]) -> Mapping[str, Any] | None:
    """The result that a succeeded pod of the Job left; None when there is no such pod, or it tells nothing."""
    return outcome(job, (pod for pod in succeeded if is_ours(pod, job["metadata"]["uid"])))


def never_started(job: Manifest, refusal: PodProblem) -> Mapping[str, Any]:
    """The outcome of a Job whose pod was refused until its deadline."""
    name, limit = job["metadata"]["name"], (job.get("spec") or {}).get("activeDeadlineSeconds")
    message = (
        f"Kubernetes refused the pod of Job {name} ({refusal.message.rstrip('. ')}) until the deadline of {limit} s "
        "(spec.training.deadline): check the namespace's quota, limits and PodSecurity level, "
        "and spec.training.resources."
    )
    return _failure(Reason.POD_CREATION_FAILED, message)


def lost(job: Manifest, pods: Sequence[Manifest] = ()) -> Mapping[str, Any]:
    """The outcome when neither a pod nor the registry tells one."""
    name = job["metadata"]["name"]
    if pods:
        return _failure(Reason.UNKNOWN, f"the pod of Job {name} left no result that can be read: see its log.")
    if (finish_condition(job) or {}).get("reason") == "PodFailurePolicy":  # our rule: see builders/job_parts.py
        message = (
            f"the pod of Job {name} was evicted: its node was drained or lost, or something more important took its "
            "place. Nothing needs to be done."
        )
        return _failure(Reason.EVICTED, message)
    message = (
        f"the pod of Job {name} is gone and left no result: somebody deleted it, or its node. Nothing needs to be done."
    )
    return _failure(Reason.POD_DELETED, message)


def _is_late(job: Manifest) -> bool:
    return (finish_condition(job) or {}).get("reason") == "DeadlineExceeded"


def _last_seen(event: Manifest) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(series or event.get("deprecatedLastTimestamp") or event.get("eventTime") or "")


def _termination_message(pod: Manifest) -> Mapping[str, Any] | None:
    status = pod.get("status") or {}
    states = {
        item["name"]: (item.get("state") or {}).get("terminated")
        for item in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    }
    for step in _STEPS:
        terminated = states.get(step)
        if terminated and terminated.get("exitCode") != 0:
            return _step_failure(step, terminated, status)
    if (why := _evicted(status)) is not None:
        return why
    last = next((states[step] for step in _LAST_STEPS if states.get(step)), None)
    return None if last is None else _message(last)


def _step_failure(step: str, terminated: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
    if terminated.get("reason") == "OOMKilled":
        return _failure(
            Reason.OUT_OF_MEMORY, f"container {step} ran out of memory: raise spec.training.resources.limits.memory."
        )
    told = _message(terminated)
    if told is not None:
        return told
    if (why := _evicted(status)) is not None:
        return why
    code = terminated.get("exitCode")
    message = (
        f"container {step} ended with exit code {code} and left no result; its log tells more, where logs are kept."
    )
    return _failure(Reason.UNKNOWN, message)


def _evicted(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Ended by kubelet for want of memory or disk on the node, drained, preempted, or its node was lost."""
    if status.get("reason") == "Evicted":
        return _failure(Reason.EVICTED, f"the pod was evicted: {status.get('message', '').strip()}")
    for item in status.get("conditions") or []:
        if item.get("type") == "DisruptionTarget" and item.get("status") == "True":
            message = f"the pod was ended from outside: {item.get('reason', '')}: {item.get('message', '')}"
            return _failure(Reason.EVICTED, message)
    return None


def _message(terminated: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        told = json.loads(terminated.get("message") or "")
    except ValueError:
        return None
    return told if isinstance(told, dict) and "outcome" in told else None


def _failure(reason: Reason, message: str) -> Mapping[str, Any]:
    return {"format": 1, "outcome": "Failed", "reason": str(reason), "message": message}


def _problem(pod: Manifest) -> PodProblem | None:
    owner = _owner(pod)
    status = pod.get("status") or {}
    if owner is None:
        return None
    for item in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (item.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason", "") not in _STARTING:
            return PodProblem(owner, waiting["reason"], waiting.get("message", ""))
        if (crash := _crash(item)) is not None:
            return PodProblem(owner, *crash)
    for item in status.get("conditions") or []:
        if (
            item.get("type") == "PodScheduled"
            and item.get("status") == "False"
            and item.get("reason") == "Unschedulable"
        ):
            return PodProblem(owner, "Unschedulable", item.get("message", ""))
    return None


def _crash(container: Mapping[str, Any]) -> tuple[str, str] | None:
    """Reason and message of a container that was started again and does not serve yet: between two crashes it runs."""
    last = (container.get("lastState") or {}).get("terminated")
    if container.get("ready") or not container.get("restartCount") or not last or last.get("exitCode") == 0:
        return None
    return last.get("reason") or "Error", f"exit code {last.get('exitCode')}, started again"


def _owner(pod: Manifest) -> str | None:
    """Name of the Job or Deployment that the pod belongs to, by its labels."""
    labels = pod["metadata"].get("labels") or {}
    if JOB_NAME_LABEL in labels:
        return str(labels[JOB_NAME_LABEL])
    if names.LABEL_BACKEND in labels and names.LABEL_REVISION in labels:
        return f"{names.service_name(labels[names.LABEL_BACKEND])}-{labels[names.LABEL_REVISION]}"
    return None
