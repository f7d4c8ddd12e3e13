"""Names that the operator sets or reads: group, labels, annotations, objects (docs/internals/interfaces.md 5)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

GROUP = "labelloop.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "LabelStudioBackend"
PLURAL = "labelstudiobackends"
FIELD_MANAGER = "labelloop"
ADDED_BY_OTHERS = "addedByOthers"
"""Key of a cached child: paths of the fields that other clients added, with their managers."""
FINALIZER = f"{GROUP}/cleanup"

APP_NAME = "labelloop-backend"
LABEL_APP = "app.kubernetes.io/name"
LABEL_INSTANCE = "app.kubernetes.io/instance"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_BACKEND = f"{GROUP}/backend"
LABEL_REVISION = f"{GROUP}/revision"
MANAGED_BY = "labelloop"

COMPONENT_SERVING = "serving"
COMPONENT_TRAINING = "training"
COMPONENT_REBASE = "rebase"
COMPONENT_PREDICTION = "prediction"
COMPONENT_RELAY = "relay"

ANNOTATION_MODEL_VERSION = f"{GROUP}/model-version"
ANNOTATION_ATTEMPT = f"{GROUP}/attempt"
ANNOTATION_REQUEST_ID = f"{GROUP}/request-id"
ANNOTATION_CUT = f"{GROUP}/cut"
ANNOTATION_PROJECT_CREATED_AT = f"{GROUP}/project-created-at"
ANNOTATION_BASE_IMAGE = f"{GROUP}/base-image"
ANNOTATION_INPUTS = f"{GROUP}/inputs"
"""On a Job: digest of what it was made of, apart from the data (planning/job_inputs.py, planning/predictions.py)."""
ANNOTATION_RECORD = f"{GROUP}/record"
"""On the Service: what a wiped status is restored from (planning/recovery.py)."""
ANNOTATION_TRAIN_REQUESTED_AT = f"{GROUP}/train-requested-at"
ANNOTATION_RECONCILE_REQUESTED_AT = f"{GROUP}/reconcile-requested-at"
ANNOTATION_SKIP_DEREGISTRATION = f"{GROUP}/skip-deregistration"

SERVING_PORT = 9090
SERVING_PORT_NAME = "http"
RUN_AS = 1034
"""User and group of BentoML images."""

COLD_PREFIX = "cold-"
NAME_MAX_LENGTH = 43
"""`NAME-ml-train-HASH10` is a label value of the Job's pods: at most 63 characters."""


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def service_name(name: str) -> str:
    """Service of the resource `name`."""
    return f"{name}-ml"


def relay_secret_name(name: str) -> str:
    """Secret with the bearers of relay and webhook."""
    return f"{name}-ml-relay"


def revision(model_version: str) -> str:
    """First 8 hex digits of the SHA-256 of a model version: label value and part of the Deployment's name."""
    return _digest(model_version, 8)


def deployment_name(name: str, model_version: str) -> str:
    """Deployment that serves `model_version`."""
    return f"{service_name(name)}-{revision(model_version)}"


def cold_version(image: str) -> str:
    """Version served before any training: `cold-` and 12 hex digits of the image reference's SHA-256."""
    return COLD_PREFIX + _digest(image, 12)


def is_cold(model_version: str) -> bool:
    """Whether `model_version` is one from before any training."""
    return model_version.startswith(COLD_PREFIX)


def job_name(name: str, inputs: Mapping[str, Any]) -> str:
    """Training Job: the same inputs give the same name, so that creating it twice is a no-op."""
    return f"{service_name(name)}-train-{_digest(json.dumps(inputs, sort_keys=True), 10)}"


def rebase_job_name(name: str, inputs: Mapping[str, Any]) -> str:
    """Job that puts a model on another base image; as long as a training Job's name at most."""
    return f"{service_name(name)}-base-{_digest(json.dumps(inputs, sort_keys=True), 10)}"


def prediction_job_name(name: str, inputs: Mapping[str, Any]) -> str:
    """Job that writes predictions into Label Studio; as long as a training Job's name."""
    return f"{service_name(name)}-pred-{_digest(json.dumps(inputs, sort_keys=True), 10)}"


def job_tag(job: str, uid: str) -> str:
    """Tag of what a Job pushes: no other Job has it, in whatever cluster, and after whatever was restored."""
    return f"{job}-{uid}"


def is_job_tag(name: str, tag: str) -> bool:
    """Whether the tag is one of a Job of the resource `name`."""
    return tag.startswith((f"{service_name(name)}-train-", f"{service_name(name)}-base-"))


def service_url(name: str, namespace: str, cluster_domain: str) -> str:
    """`status.url`. Fully qualified: Label Studio makes no webhook for shorter names."""
    return f"http://{service_name(name)}.{namespace}.svc.{cluster_domain}:{SERVING_PORT}"


def common_labels(name: str, component: str) -> dict[str, str]:
    """Labels on every child and pod of the resource `name`."""
    return {
        LABEL_APP: APP_NAME,
        LABEL_INSTANCE: name,
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_COMPONENT: component,
        LABEL_BACKEND: name,
    }


def serving_selector(name: str, model_version: str) -> dict[str, str]:
    """What Service and Deployment of a version select pods by."""
    return {LABEL_BACKEND: name, LABEL_REVISION: revision(model_version)}
