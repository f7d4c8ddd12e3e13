"""What our Jobs have in common: one pod that is not tried again, whose containers run one command of `labelloop` each
and share an emptyDir; those that talk to the registry know how."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from labelloop_operator.api import names
from labelloop_operator.api.spec import Spec
from labelloop_operator.builders.containers import (
    container_security,
    pod_defaults,
    resource_requirements,
    secret_file_volume,
    secret_variable,
    variable,
)
from labelloop_operator.builders.metadata import Owner, metadata
from labelloop_operator.builders.pod_template_merge import with_template

WORK_DIRECTORY = "/work"
_DISRUPTED = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
"""An evicted pod is gone before its Job has failed: by this rule the Job tells why, and a pod that is being deleted may
still end well."""
JOB_UID = "$(LABELLOOP_JOB_UID)"
"""What kubelet replaces with the variable of that name."""
REGISTRY_DIRECTORY = "/etc/labelloop/registry"
CA_DIRECTORY = "/etc/labelloop/label-studio"


def job_manifest(
    owner: Owner,
    spec: Spec,
    name: str,
    component: str,
    annotations: Mapping[str, str],
    containers: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
) -> dict[str, Any]:
    """A Job of these containers, one after another, with these volumes next to those that all Jobs have.

    Most of it is immutable, so it is created, never applied. The operator deletes it, and makes another one to try
    again.
    """
    *first, last = containers
    shared: list[dict[str, Any]] = [{"name": "work", "emptyDir": {}}, *volumes]
    if spec.registry.push_secret:
        shared.append(secret_file_volume("registry", spec.registry.push_secret, ".dockerconfigjson", "config.json"))
    pod = {
        **pod_defaults(spec.registry.pull_secret),
        "restartPolicy": "Never",
        **({"initContainers": first} if first else {}),
        "containers": [last],
        "volumes": shared,
    }
    # In the template too: there nobody can change them while the Job runs.
    labels = names.common_labels(owner.name, component)
    template = {"metadata": {"labels": labels, "annotations": dict(annotations)}, "spec": pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(owner, name, component, annotations=annotations),
        "spec": {
            **job_settings(spec),
            "podFailurePolicy": {"rules": [_DISRUPTED]},
            "template": with_template(template, spec.training.pod_template),
        },
    }


def job_settings(spec: Spec) -> dict[str, Any]:
    """What of a Job's spec can be changed while it runs."""
    deadline = ceil(spec.training.deadline)
    return {"suspend": False, "parallelism": 1, "backoffLimit": 0, "activeDeadlineSeconds": deadline}


def job_as_wanted(owner: Owner, spec: Spec, name: str, uid: str, component: str) -> dict[str, Any]:
    """Of a Job that runs what can be changed. With the uid: what is gone is not made of this."""
    labels = names.common_labels(owner.name, component)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": owner.namespace, "uid": uid, "labels": labels},
        "spec": job_settings(spec),
    }


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


def job_variables(name: str) -> list[dict[str, Any]]:
    """The tag under which the Job pushes: its name, and its uid, which its controller puts on the pod as a label."""
    uid = {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}}
    return [
        {"name": "LABELLOOP_JOB_UID", "valueFrom": uid},
        variable("LABELLOOP_JOB", names.job_tag(name, JOB_UID)),
    ]


def pushed_tag(job: Mapping[str, Any]) -> str:
    """The tag that a live Job was given to push under; empty when it was given none."""
    return environment(job, "LABELLOOP_JOB").replace(JOB_UID, job["metadata"]["uid"])


def environment(job: Mapping[str, Any], name: str) -> str:
    """What this very Job was given: the spec may have changed since."""
    for container in job["spec"]["template"]["spec"]["containers"]:
        for item in container.get("env") or []:
            if item["name"] == name:
                return str(item.get("value", ""))
    return ""


def registry_environment(spec: Spec, repository: str, plain_http: bool) -> list[dict[str, Any]]:
    """Which repository, and how to log in."""
    found = [
        variable("LABELLOOP_REPOSITORY", repository),
        variable("LABELLOOP_REGISTRY_PLAIN_HTTP", str(plain_http).lower()),
    ]
    if spec.registry.push_secret:
        found.append(variable("LABELLOOP_REGISTRY_CONFIG", f"{REGISTRY_DIRECTORY}/config.json"))
    return found


def registry_mounts(spec: Spec) -> list[dict[str, Any]]:
    """The log-in's file, when there is one."""
    if not spec.registry.push_secret:
        return []
    return [{"name": "registry", "mountPath": REGISTRY_DIRECTORY, "readOnly": True}]


def label_studio_environment(spec: Spec, has_ca: bool, address_policy: str) -> list[dict[str, Any]]:
    """Where Label Studio is, how to log in, and which project is read."""
    secret = spec.label_studio.connection_secret
    found = [
        secret_variable("LABEL_STUDIO_URL", secret, "url"),
        secret_variable("LABEL_STUDIO_API_KEY", secret, "token"),
    ]
    if has_ca:
        found.append(variable("LABEL_STUDIO_CA_FILE", f"{CA_DIRECTORY}/ca.crt"))
    if address_policy:
        found.append(variable("LABELLOOP_ADDRESS_POLICY", address_policy))
    return [*found, variable("LABELLOOP_PROJECT", str(spec.label_studio.project))]


def ca_volumes(spec: Spec, has_ca: bool) -> list[dict[str, Any]]:
    """The volume with Label Studio's CA certificates, when the connection Secret has any."""
    secret = spec.label_studio.connection_secret
    return [secret_file_volume("label-studio-ca", secret, "ca.crt", "ca.crt")] if has_ca else []


def ca_mounts(has_ca: bool) -> list[dict[str, Any]]:
    """Where that volume is mounted."""
    return [{"name": "label-studio-ca", "mountPath": CA_DIRECTORY, "readOnly": True}] if has_ca else []
