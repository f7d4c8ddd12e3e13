"""The Job that puts a model on another base image: restore, verify, push (docs/interfaces.md 3.1).

No container sees anything of Label Studio; `verify`, where a model's own code may run, has no credentials at all.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.containers import (
    model_class_variable,
    pod_defaults,
    secret_file_volume,
    variable,
)
from labelloop_operator.builders.job import REGISTRY_DIRECTORY
from labelloop_operator.builders.job_container import job_container
from labelloop_operator.builders.metadata import Owner, metadata
from labelloop_operator.builders.pod_template import with_template


@dataclass(frozen=True)
class RebaseTask:
    """One version that is to stand on another base image."""

    version: str
    image: str
    """The image that serves, by digest."""
    base_image: str
    repository: str
    plain_http: bool
    attempt: int = 0


def rebase_job(owner: Owner, spec: Spec, task: RebaseTask) -> dict[str, Any]:
    """Job `NAME-ml-base-HASH10`; immutable, so it is created, never applied."""
    name = _name(owner, task)
    annotations = {
        names.ANNOTATION_ATTEMPT: str(task.attempt),
        names.ANNOTATION_BASE_IMAGE: task.base_image,
        names.ANNOTATION_MODEL_VERSION: task.version,
    }
    labels = names.common_labels(owner.name, names.COMPONENT_REBASE)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(owner, name, names.COMPONENT_REBASE, annotations=annotations),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": ceil(spec.training.deadline),
            "template": with_template(
                {"metadata": {"labels": labels}, "spec": _pod(spec, task, name)}, spec.training.pod_template
            ),
        },
    }


def _name(owner: Owner, task: RebaseTask) -> str:
    """The same rebase has the same name: creating it twice is a no-op, a retry is a new Job."""
    inputs = {
        "uid": owner.uid,
        "version": task.version,
        "image": task.image,
        "base_image": task.base_image,
        "attempt": task.attempt,
    }
    return names.rebase_job_name(owner.name, inputs)


def _pod(spec: Spec, task: RebaseTask, name: str) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [{"name": "work", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = []
    registry = [
        variable("LABELLOOP_ACTIVE_IMAGE", task.image),
        variable("LABELLOOP_REPOSITORY", task.repository),
        variable("LABELLOOP_REGISTRY_PLAIN_HTTP", str(task.plain_http).lower()),
    ]
    if spec.registry.push_secret:
        volumes.append(secret_file_volume("registry", spec.registry.push_secret, ".dockerconfigjson", "config.json"))
        mounts.append({"name": "registry", "mountPath": REGISTRY_DIRECTORY, "readOnly": True})
        registry.append(variable("LABELLOOP_REGISTRY_CONFIG", f"{REGISTRY_DIRECTORY}/config.json"))
    push = [variable("LABELLOOP_BASE_IMAGE", task.base_image), *registry, variable("LABELLOOP_JOB", name)]
    return {
        **pod_defaults(spec.registry.pull_secret),
        "restartPolicy": "Never",
        "initContainers": [
            job_container(spec, task.base_image, "restore", "restore", registry, mounts),
            job_container(spec, task.base_image, "verify", "verify", model_class_variable(spec.model.type), []),
        ],
        "containers": [job_container(spec, task.base_image, "publish", "rebase", push, mounts)],
        "volumes": volumes,
    }
