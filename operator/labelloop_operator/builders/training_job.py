"""The training Job: restore, train, publish (docs/internals/interfaces.md section 3).

The container that talks to Label Studio holds no registry credentials, those that talk to the registry hold no token.
"""

import json
from dataclasses import dataclass
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import EvaluationSpec, Spec
from labelloop_operator.api.status import Cut
from labelloop_operator.api.times import format_time
from labelloop_operator.builders.containers import model_class_variable, variable
from labelloop_operator.builders.job_parts import (
    ca_mounts,
    ca_volumes,
    job_container,
    job_manifest,
    job_variables,
    label_studio_environment,
    registry_environment,
    registry_mounts,
)
from labelloop_operator.builders.metadata import Owner


@dataclass(frozen=True)
class Training:
    """What one training is made of, besides the spec."""

    cut: Cut
    label_config_digest: str
    base_image: str
    repository: str
    plain_http: bool
    active_version: str | None = None
    active_image: str | None = None
    """The image of the active version, when it was trained: the gate compares with its model."""
    snapshot: str | None = None
    attempt: int = 0
    request_id: str = ""
    has_ca: bool = False
    address_policy: str = ""
    """Where Label Studio may be, as JSON; no part of what the training is."""
    after: str = ""
    """The training before it: name of its Job and when it ended."""
    inputs: str = ""
    """Digest of what the Job is made of, apart from the data (planning/job_inputs.py)."""
    project_created_at: str = ""
    """Tells the project from another one with the same id."""


def job_name(owner: Owner, spec: Spec, training: Training) -> str:
    """The same training has the same name, so that creating it twice is a no-op. No two trainings share one, since each
    follows another: not a retry, nor one whose data are those of an earlier training again."""
    inputs: dict[str, Any] = {
        "uid": owner.uid,
        "cut": cut_text(training.cut),
        "project": spec.label_studio.project,
        "parameters": dict(spec.model.parameters),
        "holdout": spec.evaluation.holdout,
        "evaluation": gate_rules(spec.evaluation),
        "label_config": training.label_config_digest,
        "base_image": training.base_image,
        "attempt": training.attempt,
        "request_id": training.request_id,
        "after": training.after,
        "project_created_at": training.project_created_at,
    }
    if spec.model.type is not None:
        inputs["model_type"] = spec.model.type
    return names.job_name(owner.name, inputs)


def gate_rules(evaluation: EvaluationSpec) -> dict[str, Any]:
    """What the gate goes by, as in LABELLOOP_EVALUATION; what is not set is left to the library."""
    rules = {
        "metric": evaluation.metric,
        "tolerance": evaluation.tolerance,
        "minAccuracy": evaluation.min_accuracy,
        "mode": evaluation.mode,
    }
    return {name: value for name, value in rules.items() if value is not None}


def cut_text(cut: Cut) -> str:
    """The cut as in result.json, compact and stable."""
    moment = format_time(cut.updated_at) if cut.updated_at else None
    return json.dumps({"size": cut.size, "updated_at": moment}, sort_keys=True, separators=(",", ":"))


def job(owner: Owner, spec: Spec, training: Training) -> dict[str, Any]:
    """Job `NAME-ml-train-HASH10`."""
    name, image = job_name(owner, spec, training), training.base_image
    annotations = {
        names.ANNOTATION_ATTEMPT: str(training.attempt),
        names.ANNOTATION_CUT: cut_text(training.cut),
        names.ANNOTATION_BASE_IMAGE: training.base_image,
        names.ANNOTATION_INPUTS: training.inputs,
    }
    if training.project_created_at:
        annotations[names.ANNOTATION_PROJECT_CREATED_AT] = training.project_created_at
    if training.request_id:
        annotations[names.ANNOTATION_REQUEST_ID] = training.request_id
    mounts = registry_mounts(spec)
    containers = [
        job_container(spec, image, "restore", "restore", _restore_environment(spec, training), mounts),
        job_container(spec, image, "train", "train", _train_environment(spec, training), ca_mounts(training.has_ca)),
        job_container(spec, image, "publish", "publish", _publish_environment(spec, training, name), mounts),
    ]
    volumes = ca_volumes(spec, training.has_ca)
    return job_manifest(owner, spec, name, names.COMPONENT_TRAINING, annotations, containers, volumes)


def _restore_environment(spec: Spec, training: Training) -> list[dict[str, Any]]:
    kept = training.snapshot if spec.training.keeps_snapshots else None
    snapshot = [variable("LABELLOOP_SNAPSHOT", kept)] if kept else []
    active = [variable("LABELLOOP_ACTIVE_IMAGE", training.active_image)] if training.active_image else []
    return [*snapshot, *active, *registry_environment(spec, training.repository, training.plain_http)]


def _train_environment(spec: Spec, training: Training) -> list[dict[str, Any]]:
    found = label_studio_environment(spec, training.has_ca, training.address_policy)
    found.append(variable("LABELLOOP_PARAMETERS", json.dumps(dict(spec.model.parameters), sort_keys=True)))
    found.append(variable("LABELLOOP_HOLDOUT", f"{spec.evaluation.holdout:g}"))
    found.append(variable("LABELLOOP_EVALUATION", json.dumps(gate_rules(spec.evaluation), sort_keys=True)))
    found += model_class_variable(spec.model.type)
    if training.active_version:
        found.append(variable("LABELLOOP_ACTIVE_VERSION", training.active_version))
    if not spec.training.keeps_snapshots:
        found.append(variable("LABELLOOP_STORE_SNAPSHOT", "false"))
    return found


def _publish_environment(spec: Spec, training: Training, name: str) -> list[dict[str, Any]]:
    return [
        variable("LABELLOOP_BASE_IMAGE", training.base_image),
        *registry_environment(spec, training.repository, training.plain_http),
        *job_variables(name),
    ]
