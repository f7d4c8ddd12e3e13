"""Live objects as the policies see them: typed, tolerant of what is missing."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.times import parse_time
from labelloop_operator.planning.observed import Children, Manifest, Observed, PodProblem
from labelloop_operator.planning.ownership import is_ours
from labelloop_operator.policies.job_trouble import JobTrouble, explain
from labelloop_operator.policies.serving_checks import PodTrouble, ServingInput


@dataclass(frozen=True)
class Child:
    """Identity of one live object."""

    kind: str
    name: str
    uid: str
    annotations: Mapping[str, str]
    created: str
    terminating: bool
    """It is being deleted."""


def child(kind: str, manifest: Manifest) -> Child:
    """Identity of a manifest."""
    metadata = manifest.get("metadata", {})
    return Child(
        kind=kind,
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        annotations=metadata.get("annotations", {}),
        created=metadata.get("creationTimestamp", ""),
        terminating=metadata.get("deletionTimestamp") is not None,
    )


def training_jobs(children: Children, uid: str) -> list[Child]:
    """Training Jobs of the resource, oldest first."""
    others = (names.COMPONENT_REBASE, names.COMPONENT_PREDICTION)
    return _jobs(item for item in children.jobs if is_ours(item, uid) and job_component(item) not in others)


def rebase_jobs(children: Children, uid: str) -> list[Child]:
    """Jobs that put the active version on another base image, oldest first."""
    return _jobs(item for item in children.jobs if is_ours(item, uid) and job_component(item) == names.COMPONENT_REBASE)


def our_prediction_jobs(children: Children, uid: str) -> list[Child]:
    """Jobs that write predictions into Label Studio, oldest first."""
    ours = (item for item in children.jobs if is_ours(item, uid))
    return _jobs(item for item in ours if job_component(item) == names.COMPONENT_PREDICTION)


def _jobs(manifests: Iterable[Manifest]) -> list[Child]:
    return sorted(map(_job, manifests), key=lambda item: (item.created, item.name))


def _job(manifest: Manifest) -> Child:
    """With the annotations of its pods: nobody can change those. Jobs of earlier versions have them only themselves."""
    found = child("Job", manifest)
    template = manifest["spec"]["template"].get("metadata", {}).get("annotations") or {}
    return replace(found, annotations={**found.annotations, **template})


def job_component(manifest: Manifest) -> str:
    """What a Job is for. By its pods' labels: nobody can change those."""
    labels = manifest["spec"]["template"].get("metadata", {}).get("labels") or {}
    return str(labels.get(names.LABEL_COMPONENT, ""))


def attempt_of(job: Child, otherwise: int) -> int:
    """How many failures came before this Job; `otherwise` when it does not tell."""
    attempt = job.annotations.get(names.ANNOTATION_ATTEMPT, "")
    return int(attempt) if attempt.isdecimal() else otherwise


def result_of(observed: Observed, job: Child) -> Mapping[str, Any] | None:
    """What a finished Job reported; None while it runs."""
    return next((item.result for item in observed.outcomes if item.job == job.name), None)


def job_trouble(children: Children, job: Child) -> JobTrouble | None:
    """Why the pod of the Job does not run."""
    image = job.annotations.get(names.ANNOTATION_BASE_IMAGE)
    mine = (PodTrouble(item.reason, item.message) for item in children.pod_problems if item.owner == job.name)
    return next((found for item in mine if (found := explain(job.name, image, item)) is not None), None)


def our_deployments(children: Children, uid: str) -> dict[str, Manifest]:
    """Deployments of the resource by revision."""
    return {_revision(item): item for item in children.deployments if is_ours(item, uid)}


def selects(children: Children, uid: str, name: str, version: str) -> bool:
    """Whether the live Service, which must be ours, selects the pods of `version` and nothing else."""
    service = children.service
    if service is None or not is_ours(service, uid):
        return False
    return bool(service.get("spec", {}).get("selector") == names.serving_selector(name, version))


def route_of(children: Children, uid: str) -> str:
    """What decides who answers through the Service: its spec, and the state of each Deployment. A short digest."""
    service = children.service or {}
    deployments = [
        (child("Deployment", item).uid, image_of(item), item.get("metadata", {}).get("generation"), *_counts(item))
        for item in our_deployments(children, uid).values()
    ]
    text = json.dumps([service.get("spec"), service.get("metadata", {}).get("uid"), sorted(deployments, key=str)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _counts(deployment: Manifest) -> list[Any]:
    status = deployment.get("status", {})
    wanted = ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return [status.get(name, 0) for name in wanted]


def progressed_at(deployment: Manifest) -> datetime | None:
    """When a new ReplicaSet of the Deployment last progressed; None when it does not tell."""
    conditions = deployment.get("status", {}).get("conditions") or []
    return next((parse_time(item.get("lastUpdateTime")) for item in conditions if item["type"] == "Progressing"), None)


def serving_input(
    version: str, image: str, wanted: int, deployment: Manifest | None, problems: Sequence[PodProblem]
) -> ServingInput:
    """How far a version's Deployment has come."""
    if deployment is None or child("Deployment", deployment).terminating:
        return ServingInput(version, image, exists=False, current=False, wanted=wanted, updated=0, available=0)
    status = deployment.get("status", {})
    asked = deployment.get("spec", {}).get("replicas", 1)
    owner = deployment.get("metadata", {}).get("name")
    return ServingInput(
        version=version,
        image=image,
        exists=True,
        current=is_observed(deployment) and asked == wanted,
        wanted=wanted,
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        refused=_replica_failure(status),
        troubles=[PodTrouble(item.reason, item.message) for item in problems if item.owner == owner],
    )


def is_observed(deployment: Manifest) -> bool:
    """Whether its status is about its present spec."""
    observed = deployment.get("status", {}).get("observedGeneration", 0)
    return bool(observed >= deployment.get("metadata", {}).get("generation", 0))


def replicas_of(deployment: Manifest | None) -> int:
    """Pods that exist, for the scale subresource."""
    found = deployment.get("status", {}).get("replicas", 0) if deployment is not None else 0
    return found if isinstance(found, int) else 0


def image_of(deployment: Manifest) -> str | None:
    """The image that a Deployment of ours asks for."""
    pod = deployment.get("spec", {}).get("template", {}).get("spec", {})
    return next((item.get("image") for item in pod.get("containers", [])), None)


def _revision(manifest: Manifest) -> str:
    return str(manifest.get("metadata", {}).get("labels", {}).get(names.LABEL_REVISION, ""))


def _replica_failure(status: Mapping[str, Any]) -> str | None:
    for item in status.get("conditions", []):
        if item.get("type") == "ReplicaFailure" and item.get("status") == "True":
            return str(item.get("message", ""))
    return None
