"""Containers of our Jobs: one command of `labelloop` each, in an emptyDir that they share."""

from typing import Any

from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.containers import container_security, resource_requirements, variable

WORK_DIRECTORY = "/work"


def job_container(
    spec: Spec,
    image: str,
    name: str,
    command: str,
    environment: list[dict[str, Any]],
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    """Container `name` that runs `labelloop COMMAND` with the training's resources and a message of its end."""
    common = [
        variable("LABELLOOP_WORK_DIR", WORK_DIRECTORY),
        variable("HOME", WORK_DIRECTORY),
        variable("TMPDIR", f"{WORK_DIRECTORY}/tmp"),  # noqa: S108 - in the emptyDir
    ]
    return {
        "name": name,
        "image": image,
        "command": ["python", "-m", "labelloop", command],
        "env": [*common, *environment],
        "resources": resource_requirements(spec.training.resources),
        "securityContext": container_security(),
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "work", "mountPath": WORK_DIRECTORY}, *mounts],
    }
