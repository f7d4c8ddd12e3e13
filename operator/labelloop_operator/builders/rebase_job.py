"""The Job that puts a model on another base image: restore, verify, push (docs/internals/interfaces.md 3.1).

No container sees anything of Label Studio; `verify`, where a model's own code may run, has no credentials at all.
"""

from dataclasses import dataclass
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.containers import model_class_variable, variable
from labelloop_operator.builders.job_parts import (
    job_container,
    job_manifest,
    job_variables,
    registry_environment,
    registry_mounts,
)
from labelloop_operator.builders.metadata import Owner


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
    """Job `NAME-ml-base-HASH10`."""
    name, image = _name(owner, task), task.base_image
    annotations = {
        names.ANNOTATION_ATTEMPT: str(task.attempt),
        names.ANNOTATION_BASE_IMAGE: task.base_image,
        names.ANNOTATION_MODEL_VERSION: task.version,
    }
    registry = [
        variable("LABELLOOP_ACTIVE_IMAGE", task.image),
        *registry_environment(spec, task.repository, task.plain_http),
    ]
    push = [variable("LABELLOOP_BASE_IMAGE", task.base_image), *registry, *job_variables(name)]
    mounts = registry_mounts(spec)
    containers = [
        job_container(spec, image, "restore", "restore", registry, mounts),
        job_container(spec, image, "verify", "verify", model_class_variable(spec.model.type), []),
        job_container(spec, image, "publish", "rebase", push, mounts),
    ]
    return job_manifest(owner, spec, name, names.COMPONENT_REBASE, annotations, containers, volumes=[])


def _name(owner: Owner, task: RebaseTask) -> str:
    """The same rebase has the same name: creating it twice is a no-op, a retry is a new Job. A name may come back with
    the same model and base, which give the same image; its tag in the registry does not, for that has the Job's uid."""
    inputs = {
        "uid": owner.uid,
        "version": task.version,
        "image": task.image,
        "base_image": task.base_image,
        "attempt": task.attempt,
    }
    return names.rebase_job_name(owner.name, inputs)
