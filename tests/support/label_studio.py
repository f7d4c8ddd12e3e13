"""Label Studio as a restricted pod: the manifests of examples/label-studio, for one or several of them."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.support.kube import Kube
from tests.support.user import LabelStudioUser
from tests.support.waiting import PATIENCE, eventually

Json = dict[str, Any]

EXAMPLE = Path(__file__).parents[2] / "examples/label-studio/label-studio.yaml"
NAMESPACE = "label-studio"
NAME = "label-studio"
PORT = 8080
_GUARD = ("LABEL_STUDIO_ML_BLOCK_LOCAL_IP", "LABEL_STUDIO_SSRF_PROTECTION_ENABLED")


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


def manifests(
    namespace: str, name: str, node_address: str, node_port: int, account: dict[str, str], guarded: bool = False
) -> list[Json]:
    """The example's Secret, Deployment and Service under other names, and a Service on a port of the node for people.

    `guarded` leaves the guard against private addresses closed, as it is by default since 1.23.1.
    """
    secret, deployment, service = (
        found for found in yaml.safe_load_all(EXAMPLE.read_text()) if found["kind"] != "Namespace"
    )
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": name}
    for manifest, suffix in ((secret, "-account"), (deployment, ""), (service, "")):
        manifest["metadata"] = {"name": name + suffix, "namespace": namespace, "labels": labels}
    secret["stringData"] = account
    deployment["spec"]["selector"]["matchLabels"] = labels
    deployment["spec"]["template"]["metadata"]["labels"] = labels
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings = {entry["name"]: entry["value"] for entry in container["env"]}
    settings["LABEL_STUDIO_HOST"] = f"http://{node_address}:{node_port}"
    kept = {key: value for key, value in settings.items() if not (guarded and key in _GUARD)}
    container["env"] = [{"name": key, "value": value} for key, value in kept.items()]
    container["envFrom"] = [{"secretRef": {"name": secret["metadata"]["name"]}}]
    service["spec"]["selector"] = labels
    browser = deepcopy(service)
    browser["metadata"]["name"] += "-browser"
    browser["spec"] |= {"type": "NodePort", "ports": [{**service["spec"]["ports"][0], "nodePort": node_port}]}
    return [secret, deployment, service, browser]


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
