"""What users add to our pods, put under what is ours: nothing of ours can be replaced but resources."""

from collections.abc import Mapping
from typing import Any

from labelloop_operator.api.pod_template import ContainerTemplate, PodTemplate


def with_template(pod: Mapping[str, Any], given: PodTemplate) -> dict[str, Any]:
    """The template of a pod (metadata and spec), merged with what the user added."""
    metadata, spec = pod["metadata"], pod["spec"]
    annotations = {**given.annotations, **metadata.get("annotations", {})}
    containers = {
        kind: [_container(item, given.containers.get(item["name"])) for item in spec[kind]]
        for kind in ("initContainers", "containers")
        if kind in spec
    }
    return {
        "metadata": {
            "labels": {**given.labels, **metadata["labels"]},
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {
            **given.scheduling,
            **spec,
            **containers,
            "volumes": [*spec["volumes"], *(dict(volume) for volume in given.volumes)],
        },
    }


def _container(ours: Mapping[str, Any], given: ContainerTemplate | None) -> dict[str, Any]:
    if given is None:
        return dict(ours)
    resources = {
        kind: {**ours["resources"].get(kind, {}), **given.resources.get(kind, {})}
        for kind in ("requests", "limits")
        if kind in ours["resources"] or kind in given.resources
    }
    return {
        **ours,
        "env": [*ours["env"], *(dict(variable) for variable in given.env)],
        "volumeMounts": [*ours["volumeMounts"], *(dict(mount) for mount in given.volume_mounts)],
        "resources": resources,
    }
