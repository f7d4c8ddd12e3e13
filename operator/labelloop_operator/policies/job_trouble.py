"""Why the pod of a Job does not run, as Kubernetes says it, with what a person can do."""

from dataclasses import dataclass

from labelloop_operator.api.conditions import Reason
from labelloop_operator.policies.serving_checks import CONFIG_REASONS, DETAIL_MAX_LENGTH, PodTrouble, is_pull_failure

FAILED_CREATE = "FailedCreate"
"""Reason of the Event that a Job's controller writes when it may not create the pod."""


@dataclass(frozen=True)
class JobTrouble:
    """Reason and message of the condition."""

    reason: Reason
    message: str


def explain(job: str, image: str | None, found: PodTrouble) -> JobTrouble | None:
    """None: the pod runs, or ran; then its containers say what is wrong."""
    told = f"{found.reason}: {found.message[:DETAIL_MAX_LENGTH].rstrip('. ')}" if found.message else found.reason
    if found.reason == FAILED_CREATE:
        message = (
            f"Kubernetes refuses the pod of Job {job} ({told}); "
            "check the namespace's quota, limits and PodSecurity level, and spec.training.resources"
        )
        return JobTrouble(Reason.POD_CREATION_FAILED, message)
    if found.reason == "Unschedulable":
        message = (
            f"no node takes the pod of Job {job} ({told}); "
            "check spec.training.resources, spec.training.podTemplate and the nodes' free capacity"
        )
        return JobTrouble(Reason.UNSCHEDULABLE, message)
    if is_pull_failure(found.reason):
        message = f"Job {job} cannot pull image {image} ({found.reason}); check spec.image and the registry"
        return JobTrouble(Reason.IMAGE_PULL_FAILED, message)
    if found.reason in CONFIG_REASONS:
        message = (
            f"a container of Job {job} cannot be configured ({told}); check the Secrets named in spec.labelStudio "
            "and spec.training.podTemplate, and their keys"
        )
        return JobTrouble(Reason.CONTAINER_CONFIG_INVALID, message)
    return None


STUCK = frozenset(
    {Reason.POD_CREATION_FAILED, Reason.UNSCHEDULABLE, Reason.IMAGE_PULL_FAILED, Reason.CONTAINER_CONFIG_INVALID}
)
"""Reasons of a Job whose pod does not run."""
