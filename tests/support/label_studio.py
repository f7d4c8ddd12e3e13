"""Label Studio as a restricted pod, with the settings that a cluster needs."""

from dataclasses import dataclass
from typing import Any

from tests.support.kube import Kube
from tests.support.user import LabelStudioUser
from tests.support.waiting import PATIENCE, eventually

Json = dict[str, Any]

IMAGE = "docker.io/labelloop/label-studio:dev"
NAMESPACE = "label-studio"
NAME = "label-studio"
PORT = 8080
_UID = 1001
_LABELS = {"app.kubernetes.io/name": NAME}


@dataclass(frozen=True)
class LabelStudio:
    """A running Label Studio: where it is and who may log in."""

    namespace: str
    name: str
    url: str
    """For people and tests: a port of the node."""
    internal_url: str
    """For pods."""
    email: str
    password: str
    token: str

    def user(self) -> LabelStudioUser:
        """The administrator, at the API."""
        return LabelStudioUser(self.url, self.token)


def settings(url: str, guarded: bool) -> dict[str, str]:
    """Label Studio's environment, apart from the account and what the image sets (tests/label_studio/Dockerfile).

    `url` is where browsers reach it: pages load their scripts from there.
    `guarded` leaves the guard against private addresses closed, as it is by default since 1.23.1.
    """
    opened = (
        {} if guarded else {"LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false", "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false"}
    )
    return opened | {
        "LABEL_STUDIO_HOST": url,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }


def manifests(
    namespace: str, name: str, node_address: str, node_port: int, account: dict[str, str], guarded: bool = False
) -> list[Json]:
    """Secret with the account, Deployment, Service for pods, Service on a port of the node for people."""
    labels = _LABELS | {"app.kubernetes.io/instance": name}
    environment = settings(f"http://{node_address}:{node_port}", guarded)
    container = {
        "name": "label-studio",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "envFrom": [{"secretRef": {"name": f"{name}-account"}}],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1, "failureThreshold": 600},
        "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/label-studio/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    ports = [{"name": "http", "port": PORT, "targetPort": "http"}]

    def named(kind: str, version: str, suffix: str = "", **rest: Any) -> Json:
        metadata = {"name": name + suffix, "namespace": namespace, "labels": labels}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}

    return [
        named("Secret", "v1", "-account", stringData=account),
        named(
            "Deployment",
            "apps/v1",
            spec={
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        ),
        named("Service", "v1", spec={"selector": labels, "ports": ports}),
        named(
            "Service",
            "v1",
            "-browser",
            spec={"type": "NodePort", "selector": labels, "ports": [{**ports[0], "nodePort": node_port}]},
        ),
    ]


def remove(kube: Kube, label_studio: LabelStudio) -> None:
    """Remove one Label Studio with all it holds; does not wait."""
    for manifest in manifests(label_studio.namespace, label_studio.name, "", 0, {}):
        kind, name = manifest["kind"].lower(), manifest["metadata"]["name"]
        kube.cluster.kubectl("-n", label_studio.namespace, "delete", kind, name, "--wait=false", "--ignore-not-found")


def start(kube: Kube, name: str = NAME, node_port: int = 30080, guarded: bool = False) -> LabelStudio:
    """Apply Label Studio in its namespace; `wait` waits for it, so that other parts can start meanwhile."""
    account = {
        "LABEL_STUDIO_USERNAME": "admin@example.com",
        "LABEL_STUDIO_PASSWORD": "Labelloop-123",
        "LABEL_STUDIO_USER_TOKEN": "0123456789abcdef0123456789abcdef01234567",
    }
    kube.create_namespace(NAMESPACE)
    kube.apply(*manifests(NAMESPACE, name, kube.cluster.node_address, node_port, account, guarded))
    return LabelStudio(
        NAMESPACE,
        name,
        f"http://{kube.cluster.node_address}:{node_port}",
        f"http://{name}.{NAMESPACE}.svc.cluster.local:{PORT}",
        account["LABEL_STUDIO_USERNAME"],
        account["LABEL_STUDIO_PASSWORD"],
        account["LABEL_STUDIO_USER_TOKEN"],
    )


def wait(kube: Kube, label_studio: LabelStudio) -> LabelStudioUser:
    """Wait until Label Studio answers its users; it starts in seconds."""
    kube.wait_available(label_studio.namespace, label_studio.name)
    user = label_studio.user()

    def answers() -> bool:
        try:
            user.call("GET", "/api/projects")
        except OSError as error:
            raise AssertionError(error) from error
        return True

    eventually(answers, PATIENCE, f"answer of Label Studio at {label_studio.url}")
    return user
