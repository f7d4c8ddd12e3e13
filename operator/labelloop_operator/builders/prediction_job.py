"""The Job that writes a version's predictions into Label Studio (docs/internals/interfaces.md section 3.2).

It runs the image that serves, so the predictions are those of the Service. It holds Label Studio's token and no
registry credentials.
"""

from dataclasses import dataclass
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.containers import blind_holdout, model_class_variable, variable
from labelloop_operator.builders.job_parts import (
    ca_mounts,
    ca_volumes,
    job_container,
    job_manifest,
    label_studio_environment,
)
from labelloop_operator.builders.metadata import Owner


@dataclass(frozen=True)
class PredictionTask:
    """One version whose predictions are written."""

    version: str
    image: str
    """The image that serves it, by digest."""
    inputs: str
    """Digest of project and settings (planning/predictions.py)."""
    attempt: int = 0
    has_ca: bool = False
    address_policy: str = ""


def prediction_job(owner: Owner, spec: Spec, task: PredictionTask) -> dict[str, Any]:
    """Job `NAME-ml-pred-HASH10`."""
    annotations = {
        names.ANNOTATION_ATTEMPT: str(task.attempt),
        names.ANNOTATION_BASE_IMAGE: task.image,
        names.ANNOTATION_INPUTS: task.inputs,
        names.ANNOTATION_MODEL_VERSION: task.version,
    }
    environment = [
        *label_studio_environment(spec, task.has_ca, task.address_policy),
        variable("LABELLOOP_MODEL_VERSION", task.version),
        variable("LABELLOOP_PREDICTIONS_SCOPE", spec.predictions.scope),
        variable("LABELLOOP_PREDICTIONS_LIMIT", str(spec.predictions.limit)),
        variable("LABELLOOP_PREDICTIONS_KEEP_VERSIONS", str(spec.predictions.keep_versions)),
        *([blind_holdout(spec)] if spec.evaluation.hide_holdout_predictions else []),
        *model_class_variable(spec.model.type),
    ]
    container = job_container(spec, task.image, "predict", "batch-predict", environment, ca_mounts(task.has_ca))
    volumes = ca_volumes(spec, task.has_ca)
    return job_manifest(owner, spec, _name(owner, task), names.COMPONENT_PREDICTION, annotations, [container], volumes)


def _name(owner: Owner, task: PredictionTask) -> str:
    """The same predictions have the same name: creating the Job twice is a no-op, a retry is a new Job."""
    inputs = {
        "uid": owner.uid,
        "version": task.version,
        "image": task.image,
        "inputs": task.inputs,
        "attempt": task.attempt,
    }
    return names.prediction_job_name(owner.name, inputs)
