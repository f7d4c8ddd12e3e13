"""A wiped status is restored from what the cluster still shows, before anything is counted or planned.

Every write of the Service carries a record of what cannot be derived otherwise: cut, handled request, snapshot,
active and candidate model, history. Selector and record change in the same write, so they always agree. Without a
usable record the Service's selector and the Deployment it names tell the active version, and counting starts at the
epoch: everything is trained once more, nothing is lost.
"""

import json
from dataclasses import replace
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.status import Cut, ModelStatus, ModelVersion, Status, TrainingStatus
from labelloop_operator.planning.children import image_of
from labelloop_operator.planning.observed import Children, Manifest, Resource
from labelloop_operator.planning.ownership import is_ours


def recovered(resource: Resource, children: Children) -> Status:
    """The resource's status, restored when it was wiped; always with a cut. Engine and `plan` both start from it."""
    status = resource.status
    if status.training.cut is None:
        status = _restored(status, resource, children)
    return status


def record(status: Status) -> str:
    """What the Service's annotation `labelloop.dev/record` holds; stable text."""
    training = status.training
    kept = {
        "training": TrainingStatus(
            cut=training.cut,
            handled_request=training.handled_request,
            snapshot=training.snapshot,
            finished_at=training.finished_at,
        ).to_dict(),
        "model": ModelStatus(
            active=status.model.active, candidate=status.model.candidate, history=status.model.history
        ).to_dict(),
    }
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def _restored(status: Status, resource: Resource, children: Children) -> Status:
    service = children.service
    deployments = [item for item in children.deployments if is_ours(item, resource.uid)]
    if service is None or not is_ours(service, resource.uid):
        return replace(status, training=replace(status.training, cut=Cut()))
    kept = _read_record(service)
    selected = service.get("spec", {}).get("selector", {}).get(names.LABEL_REVISION)
    known = {names.revision(item.version) for item in (kept.model.active, kept.model.candidate) if item}
    if kept.training.cut and kept.model.active and selected in known:
        training = replace(kept.training, consecutive_failures=0)
        return replace(status, training=training, model=replace(status.model, **_versions(kept.model)))
    found = next((item for item in deployments if _revision_of(item) == selected), None)
    return replace(
        status,
        training=replace(status.training, cut=Cut()),
        model=replace(status.model, active=status.model.active or (_version_of(found) if found else None)),
    )


def _versions(model: ModelStatus) -> dict[str, Any]:
    return {"active": model.active, "candidate": model.candidate, "history": model.history}


def _read_record(service: Manifest) -> Status:
    text = service.get("metadata", {}).get("annotations", {}).get(names.ANNOTATION_RECORD, "")
    try:
        return Status.from_dict(json.loads(text))
    except ValueError:
        return Status()


def _revision_of(deployment: Manifest) -> str | None:
    found = deployment.get("metadata", {}).get("labels", {}).get(names.LABEL_REVISION)
    return found if isinstance(found, str) else None


def _version_of(deployment: Manifest) -> ModelVersion | None:
    """Version and image that a Deployment of ours serves."""
    version = deployment.get("metadata", {}).get("annotations", {}).get(names.ANNOTATION_MODEL_VERSION)
    return ModelVersion.from_dict({"version": version, "image": image_of(deployment)})
