"""The Deployment of one model version. Versions stand side by side; the Service chooses."""

from math import ceil
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.containers import (
    blind_holdout,
    container_security,
    model_class_variable,
    pod_defaults,
    resource_requirements,
    secret_variable,
    variable,
)
from labelloop_operator.builders.metadata import Owner, metadata
from labelloop_operator.builders.pod_template_merge import with_template
from labelloop_operator.builders.relay_secret import RELAY_KEY, WEBHOOK_KEY

PRE_STOP_SECONDS = 3
"""kube-proxy forgets a pod 1-2 s after its end was announced: until then it must go on answering."""
TERMINATION_SECONDS = 30
BASIC_AUTH_KEYS = ("username", "password")


def deployment(owner: Owner, spec: Spec, version: str, image: str, relay_url: str) -> dict[str, Any]:
    """Deployment `NAME-ml-HASH` with `spec.serving.replicas` pods of `image`, ready once they serve `version`."""
    labels = {names.LABEL_REVISION: names.revision(version)}
    annotations = {names.ANNOTATION_MODEL_VERSION: version}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(
            owner, names.deployment_name(owner.name, version), names.COMPONENT_SERVING, labels, annotations
        ),
        "spec": {
            "replicas": spec.serving.replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": ceil(spec.progress_deadline),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": names.serving_selector(owner.name, version)},
            "template": with_template(
                {
                    "metadata": {
                        "labels": {**names.common_labels(owner.name, names.COMPONENT_SERVING), **labels},
                        "annotations": annotations,
                    },
                    "spec": {
                        **pod_defaults(spec.registry.pull_secret),
                        "terminationGracePeriodSeconds": TERMINATION_SECONDS,
                        "containers": [_container(owner, spec, version, image, relay_url)],
                        "volumes": [{"name": "tmp", "emptyDir": {}}],
                    },
                },
                spec.serving.pod_template,
            ),
        },
    }


def _container(owner: Owner, spec: Spec, version: str, image: str, relay_url: str) -> dict[str, Any]:
    return {
        "name": "backend",
        "image": image,
        "command": ["python", "-m", "labelloop", "serve"],
        "ports": [
            {"name": names.SERVING_PORT_NAME, "containerPort": names.SERVING_PORT, "protocol": "TCP"},
        ],
        "env": _environment(owner, spec, version, relay_url),
        "resources": resource_requirements(spec.serving.resources),
        # Slow answers are better than none: only what hangs for long leaves the Service.
        "readinessProbe": _probe("/readyz", period=1, timeout=5, failures=3),
        "livenessProbe": _probe("/livez", period=10, timeout=5, failures=6),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(PRE_STOP_SECONDS)]}}},
        "securityContext": container_security(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - an emptyDir
    }


def _probe(path: str, period: int, timeout: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": names.SERVING_PORT_NAME},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _environment(owner: Owner, spec: Spec, version: str, relay_url: str) -> list[dict[str, Any]]:
    """In a fixed order: another order would be a roll-out."""
    relay = names.relay_secret_name(owner.name)
    found = [
        variable("LABELLOOP_MODEL_VERSION", version),
        variable("LABELLOOP_RELAY_URL", f"{relay_url.rstrip('/')}/v1/backends/{owner.namespace}/{owner.name}"),
        secret_variable("LABELLOOP_RELAY_SECRET", relay, RELAY_KEY),
        secret_variable("LABELLOOP_WEBHOOK_SECRET", relay, WEBHOOK_KEY),
    ]
    if spec.serving.basic_auth_secret:
        user, password = BASIC_AUTH_KEYS
        found.append(secret_variable("BASIC_AUTH_USER", spec.serving.basic_auth_secret, user))
        found.append(secret_variable("BASIC_AUTH_PASS", spec.serving.basic_auth_secret, password))
    if spec.evaluation.hide_holdout_predictions:
        found += [blind_holdout(spec), variable("LABELLOOP_PROJECT", str(spec.label_studio.project))]
    found += model_class_variable(spec.model.type)
    found.append(variable("PORT", str(names.SERVING_PORT)))
    found.append(variable("HOME", "/tmp"))  # noqa: S108 - an emptyDir
    found.append(variable("BENTOML_HOME", "/tmp/bentoml"))  # noqa: S108
    return found
