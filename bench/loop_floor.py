"""What each step of a round costs when the programs do nothing: the floor that the cluster sets.

The same image, pods of the same shape; `python -c pass` in place of restore, train and publish, and in place of the
backend the standard library's web server, asked by the same readiness probe.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.kube import Kube
from tests.support.rounds import round_steps
from tests.support.timeline import Timeline
from tests.support.waiting import PATIENCE, eventually

from labelloop_operator.builders.containers import container_security, pod_defaults

VERSION = "floor"
_LABELS = {"app": "floor"}
_TRAINING = "app.kubernetes.io/component=training"
_SERVE = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port=9090)"


def floor(kube: Kube, namespace: str, image: str) -> dict[str, float]:
    """Seconds of the steps of one such round in a namespace of its own, named as in `round_steps`."""
    kube.create_namespace(namespace)
    with Timeline(kube, namespace) as timeline:
        began = time.time()
        kube.apply(_job(namespace, image))
        _until(lambda: any(pod["status"].get("phase") == "Succeeded" for pod in kube.pods(namespace, _TRAINING)))
        kube.apply(_served(namespace, image))
        kube.wait_available(namespace, "floor")
        _until(lambda: timeline.first("Deployment", began, _ready) is not None)
        steps = round_steps(timeline, began, VERSION, time.time())
    kube.core.delete_namespace(namespace)
    return {name: seconds for name, seconds in steps.items() if name not in ("total", "first answer", "switch")}


def _until(reached: Callable[[], bool]) -> None:
    eventually(reached, PATIENCE, "a pod that does nothing")


def _ready(deployment: Mapping[str, Any]) -> bool:
    return bool((deployment.get("status") or {}).get("readyReplicas"))


def _job(namespace: str, image: str) -> dict[str, Any]:
    labels = dict([_TRAINING.split("=")])
    steps = [_container(name, image, "python", "-c", "pass") for name in ("restore", "train", "publish")]
    pod = {**pod_defaults(None), "restartPolicy": "Never", "initContainers": steps[:2], "containers": steps[2:]}
    spec = {"backoffLimit": 0, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": _metadata(namespace), "spec": spec}


def _served(namespace: str, image: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/", "port": 9090}, "periodSeconds": 1}
    container = {**_container("server", image, "python", "-c", _SERVE), "workingDir": "/tmp", "readinessProbe": probe}
    template = {"metadata": {"labels": _LABELS}, "spec": {**pod_defaults(None), "containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**_metadata(namespace), "annotations": {"labelloop.dev/model-version": VERSION}},
        "spec": {"replicas": 1, "selector": {"matchLabels": _LABELS}, "template": template},
    }


def _container(name: str, image: str, *command: str) -> dict[str, Any]:
    return {"name": name, "image": image, "command": list(command), "securityContext": container_security()}


def _metadata(namespace: str) -> dict[str, Any]:
    return {"name": "floor", "namespace": namespace, "labels": _LABELS}
