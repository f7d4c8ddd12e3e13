"""`spec.serving.podTemplate` and `spec.training.podTemplate`: what of a pod users may add to, and nothing else.

An allow-list: a field that Kubernetes invents tomorrow is refused until somebody has thought about it. Whoever may make
a LabelStudioBackend may not be allowed to make pods, so nothing here gives a pod more rights than ours have, nor a
Secret whose keeper has not labelled it for this use.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labelloop_operator.api.fields import Fields

LABEL_USE = "labelloop.dev/use"
"""On a Secret, with the value "true": pod templates may mount it."""
SERVING_CONTAINERS = ("backend",)
TRAINING_CONTAINERS = ("restore", "train", "publish", "predict")
SCHEDULING_MAPS = ("nodeSelector", "affinity")
SCHEDULING_LISTS = ("tolerations", "topologySpreadConstraints")
_SCHEDULING = (*SCHEDULING_MAPS, *SCHEDULING_LISTS, "priorityClassName")
_OUR_VOLUMES = ("tmp", "work", "label-studio-ca", "registry")
_OUR_PATHS = ("/tmp", "/work", "/etc/labelloop", "/opt/labelloop", "/dev", "/proc", "/sys", "/run", "/var/run")  # noqa: S108
_OUR_PREFIXES = ("LABELLOOP_", "LABEL_STUDIO_", "BASIC_AUTH_", "BENTOML_", "PYTHON", "LD_")
_OUR_VARIABLES = ("HOME", "TMPDIR", "PORT", "PATH")
_FREE_VARIABLES = ("LABELLOOP_REGISTRY_CA_FILE",)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_MOST = 64
"""Entries of one list."""

_RESTRICTED = "Labelloop's pods are restricted, and this cannot be changed: leave it out"
_NO_CREDENTIALS = "Labelloop's pods hold no Kubernetes credentials, and this cannot be changed: leave it out"
_ISOLATED = "Labelloop's pods share nothing with their node, and this cannot be changed: leave it out"
_POD_REFUSALS = {
    "securityContext": _RESTRICTED,
    "serviceAccountName": _NO_CREDENTIALS,
    "serviceAccount": _NO_CREDENTIALS,
    "automountServiceAccountToken": _NO_CREDENTIALS,
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"), _ISOLATED),
    "initContainers": "no containers can be added; those of Labelloop are changed under containers, by name",
    "ephemeralContainers": "no containers can be added: leave it out",
    "imagePullSecrets": "name the Secret in spec.registry.pullSecretRef",
}
_CONTAINER_REFUSALS = {
    "securityContext": _RESTRICTED,
    "image": "name it in spec.image",
    "envFrom": "list the variables one by one in env",
    "ports": "the container listens on Labelloop's port only: leave it out",
}
_VOLUME_REFUSALS = {
    "hostPath": _ISOLATED,
    "projected": "it may hold service-account tokens: use configMap or secret",
    "csi": "drivers may reach what pods may not: use persistentVolumeClaim",
    "ephemeral": "make a claim, and use persistentVolumeClaim",
}
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "emptyDir": ("medium", "sizeLimit"),
    "configMap": ("name", "items", "defaultMode", "optional"),
    "secret": ("secretName", "items", "defaultMode", "optional"),
    "persistentVolumeClaim": ("claimName", "readOnly"),
}


@dataclass(frozen=True)
class ContainerTemplate:
    """What is added to one of our containers, as in its manifest."""

    env: tuple[Mapping[str, Any], ...] = ()
    volume_mounts: tuple[Mapping[str, Any], ...] = ()
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`requests` and `limits` that replace ours name by name."""


@dataclass(frozen=True)
class SecretUse:
    """A Secret that the template mounts, and the field that names it."""

    field: str
    name: str


@dataclass(frozen=True)
class PodTemplate:
    """What users add to our pods; everything in it may be used as it is."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    scheduling: Mapping[str, Any] = field(default_factory=dict)
    volumes: tuple[Mapping[str, Any], ...] = ()
    containers: Mapping[str, ContainerTemplate] = field(default_factory=dict)
    secrets: tuple[SecretUse, ...] = ()


def pod_template(parent: Fields, containers: tuple[str, ...]) -> PodTemplate:
    """`podTemplate` of a section; `containers` are those of our pod."""
    root = parent.section("podTemplate")
    _only(root, ("metadata", "spec"))
    metadata, spec = root.section("metadata"), root.section("spec")
    _only(metadata, ("labels", "annotations"))
    _only(spec, (*_SCHEDULING, "volumes", "containers"), _POD_REFUSALS)
    secrets: list[SecretUse] = []
    volumes = _volumes(spec, secrets)
    names = [str(volume["name"]) for volume in volumes]
    return PodTemplate(
        labels=_labels(metadata.section("labels")),
        annotations=_annotations(metadata.section("annotations")),
        scheduling=_scheduling(spec),
        volumes=volumes,
        containers=_containers(spec, containers, names, secrets),
        secrets=tuple(secrets),
    )


def _only(fields: Fields, allowed: Iterable[str], refusals: Mapping[str, str] | None = None) -> None:
    allowed = tuple(allowed)
    for name in fields.data:
        if name not in allowed:
            fields.fault(name, (refusals or {}).get(name, f"may not be set here; what may be: {', '.join(allowed)}"))


def _items(parent: Fields, name: str) -> list[Fields]:
    """The objects of a list."""
    value = parent.data.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST:
        parent.fault(name, f"must be a list of at most {_MOST} objects")
        return []
    return [Fields(item, f"{parent.path}.{name}[{number}]", parent.faults) for number, item in enumerate(value)]


def _name(fields: Fields, key: str, pattern: re.Pattern[str] = _NAME) -> str:
    value = fields.data.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        fields.fault(key, "must be a name")
        return ""
    return value


def _labels(fields: Fields) -> dict[str, str]:
    found = {}
    for key, value in fields.data.items():
        prefix = key.rpartition("/")[0]
        if not _KEY.fullmatch(key) or not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            fields.fault(key, "is no label: name and value hold letters, digits, '-', '_' and '.', at most 63")
        elif prefix.endswith(("labelloop.dev", "kubernetes.io", "k8s.io")) or key in _CONTROLLER_LABELS:
            fields.fault(key, "is set by Labelloop or Kubernetes: use a label of your own")
        else:
            found[key] = value
    return found


_CONTROLLER_LABELS = ("pod-template-hash", "controller-uid", "job-name", "controller-revision-hash")


def _annotations(fields: Fields) -> dict[str, str]:
    found = {}
    for key, value in fields.data.items():
        prefix = key.rpartition("/")[0]
        if not _KEY.fullmatch(key) or not isinstance(value, str):
            fields.fault(key, "is no annotation: the name holds letters, digits, '-', '_' and '.', the value is a text")
        elif prefix.endswith("labelloop.dev"):
            fields.fault(key, "is set by Labelloop: use an annotation of your own")
        elif ".security." in f".{prefix}.":
            fields.fault(key, _RESTRICTED)
        else:
            found[key] = value
    return found


def _scheduling(spec: Fields) -> dict[str, Any]:
    """Verbatim; whether it makes sense is the API server's to say."""
    found: dict[str, Any] = {}
    for name in SCHEDULING_MAPS:
        value = spec.shallow_object(name)
        if value:
            found[name] = dict(value)
    for name in SCHEDULING_LISTS:
        items = [item for item in _items(spec, name) if item.is_shallow()]
        if items:
            found[name] = [dict(item.data) for item in items]
    if spec.data.get("priorityClassName") is not None:
        priority = _name(spec, "priorityClassName")
        if priority.startswith("system-"):
            spec.fault("priorityClassName", "is reserved for the cluster's own pods: use another class")
        found["priorityClassName"] = priority
    return found


def _volumes(spec: Fields, secrets: list[SecretUse]) -> tuple[Mapping[str, Any], ...]:
    found: dict[str, Mapping[str, Any]] = {}
    for item in _items(spec, "volumes"):
        name = _name(item, "name")
        if name in _OUR_VOLUMES or name in found:
            item.fault("name", "is taken: use another name")
        sources = [key for key in item.data if key != "name"]
        _only(item, ("name", *_SOURCES), _VOLUME_REFUSALS)
        if len(sources) != 1:
            item.fault("name", f"must have one source, of {', '.join(_SOURCES)}")
        for source in sources:
            if source in _SOURCES:
                _check_source(item.section(source), source, secrets)
        found[name] = dict(item.data)
    return tuple(found.values())


def _check_source(source: Fields, kind: str, secrets: list[SecretUse]) -> None:
    _only(source, _SOURCES[kind])
    source.is_shallow()
    name = {"configMap": "name", "secret": "secretName", "persistentVolumeClaim": "claimName"}.get(kind)
    if name is None:
        return
    value = _name(source, name)
    if kind == "secret" and value:
        secrets.append(SecretUse(f"{source.path}.{name}", value))


def _containers(
    spec: Fields, allowed: tuple[str, ...], volumes: list[str], secrets: list[SecretUse]
) -> dict[str, ContainerTemplate]:
    found: dict[str, ContainerTemplate] = {}
    for item in _items(spec, "containers"):
        name = item.data.get("name")
        if name not in allowed or name in found:
            item.fault("name", f"must be one of Labelloop's containers, each once: {', '.join(allowed)}")
            continue
        _only(item, ("name", "env", "volumeMounts", "resources"), _CONTAINER_REFUSALS)
        found[str(name)] = ContainerTemplate(_env(item, secrets), _mounts(item, volumes), _resources(item))
    return found


def _env(container: Fields, secrets: list[SecretUse]) -> tuple[Mapping[str, Any], ...]:
    found: dict[str, Mapping[str, Any]] = {}
    for item in _items(container, "env"):
        name = _name(item, "name", _VARIABLE)
        ours = name.startswith(_OUR_PREFIXES) or name in _OUR_VARIABLES
        if ours and name not in _FREE_VARIABLES:
            item.fault("name", "is set by Labelloop: use the field of spec that stands for it")
        if name in found:
            item.fault("name", "is there twice: leave one out")
        _only(item, ("name", "value", "valueFrom"))
        if "value" in item.data and not isinstance(item.data["value"], str):
            item.fault("name", "must have a text as value: write numbers in quotes")
        if item.data.get("valueFrom") is not None:
            _check_value_source(item.section("valueFrom"), secrets)
        found[name] = dict(item.data)
    return tuple(found.values())


def _check_value_source(source: Fields, secrets: list[SecretUse]) -> None:
    _only(source, ("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"))
    source.is_shallow()
    for kind in ("secretKeyRef", "configMapKeyRef"):
        if source.data.get(kind) is not None:
            reference = source.section(kind)
            _only(reference, ("name", "key", "optional"))
            name = _name(reference, "name")
            if kind == "secretKeyRef" and name:
                secrets.append(SecretUse(f"{reference.path}.name", name))


def _mounts(container: Fields, volumes: list[str]) -> tuple[Mapping[str, Any], ...]:
    found: dict[str, Mapping[str, Any]] = {}
    for item in _items(container, "volumeMounts"):
        _only(item, ("name", "mountPath", "subPath", "readOnly"))
        if item.data.get("name") not in volumes:
            item.fault("name", f"must be one of the template's own volumes: {', '.join(volumes) or 'there is none'}")
        path = item.data.get("mountPath")
        if not isinstance(path, str) or not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+/?", path) or ".." in path:
            item.fault("mountPath", "must be an absolute path")
            continue
        path = path.rstrip("/")
        if any(_overlap(path, ours) for ours in _OUR_PATHS) or path in found:
            item.fault("mountPath", "is taken: mount it elsewhere, as under /mnt")
        item.is_shallow()
        found[path] = dict(item.data)
    return tuple(found.values())


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _resources(container: Fields) -> dict[str, Mapping[str, str]]:
    resources = container.section("resources")
    _only(resources, ("requests", "limits"))
    both = {name: resources.quantities(name) for name in ("requests", "limits")}
    return {name: quantities for name, quantities in both.items() if quantities}
