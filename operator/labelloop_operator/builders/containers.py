"""What all containers of ours have in common: PodSecurity `restricted`, environment, resources."""

from collections.abc import Mapping
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import Resources, Spec

READABLE_BY_GROUP = 0o440


def pod_security() -> dict[str, Any]:
    """Pod level of PodSecurity `restricted`; the user is the one of BentoML images."""
    return {
        "runAsNonRoot": True,
        "runAsUser": names.RUN_AS,
        "runAsGroup": names.RUN_AS,
        "fsGroup": names.RUN_AS,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> dict[str, Any]:
    """Container level of PodSecurity `restricted`, with a read-only root file system besides."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def pod_defaults(pull_secret: str | None) -> dict[str, Any]:
    """No Kubernetes credentials in our pods, and no variables of other people's Services."""
    found: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security(),
    }
    if pull_secret:
        found["imagePullSecrets"] = [{"name": pull_secret}]
    return found


def variable(name: str, value: str) -> dict[str, Any]:
    """One variable of the environment."""
    return {"name": name, "value": value}


def model_class_variable(type_: str | None) -> list[dict[str, Any]]:
    """Which custom model the container runs, if any."""
    return [] if type_ is None else [variable("LABELLOOP_MODEL_CLASS", type_)]


def blind_holdout(spec: Spec) -> dict[str, Any]:
    """The share of texts that get no prediction: those that the next training holds out."""
    return variable("LABELLOOP_BLIND_HOLDOUT", f"{spec.evaluation.holdout:g}")


def secret_variable(name: str, secret: str, key: str) -> dict[str, Any]:
    """One variable of the environment, from a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def resource_requirements(resources: Resources) -> Mapping[str, Mapping[str, str]]:
    """Requests and limits, without empty ones."""
    both = {"requests": dict(resources.requests), "limits": dict(resources.limits)}
    return {name: quantities for name, quantities in both.items() if quantities}


def secret_file_volume(name: str, secret: str, key: str, path: str) -> dict[str, Any]:
    """A volume with one key of a Secret as file.

    Optional, since a pod that waits for a Secret says nothing: the program in it tells which file is missing.
    """
    items = [{"key": key, "path": path}]
    source = {"secretName": secret, "items": items, "defaultMode": READABLE_BY_GROUP, "optional": True}
    return {"name": name, "secret": source}
