"""What README and docs tell to type, on the real cluster: kubectl, helm, and Label Studio's own start command."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.story import Story
from tests.support import label_studio
from tests.support.documents import ROOT, Block, blocks, pages, programs, stored, substituted
from tests.support.lab import Lab
from tests.support.user import LabelStudioUser, choices_config
from tests.support.waiting import PATIENCE, eventually

Json = dict[str, Any]
NAMESPACES = ("team-a", "tools")
"""Those that the pages make."""
NODE_PORT = 30085
TOKEN = "0123456789abcdef0123456789abcdef01234567"
ACCOUNT = {
    "LABEL_STUDIO_USERNAME": "admin@example.com",
    "LABEL_STUDIO_PASSWORD": "Labelloop-123",
    "LABEL_STUDIO_USER_TOKEN": TOKEN,
}
LABELS = ("warm", "cold")
TEXTS = ("red sunset over red hills", "blue water under blue sky", "more red hills")


def of_cluster(page: str) -> list[Block]:
    """Blocks of a page that a cluster's administrator types or applies."""
    found = blocks(page)
    typed = any({"kubectl", "helm"} & set(block.words()) for block in found if block.is_shell())
    return [block for block in found if block.is_shell() or is_resource(block)] if typed else []


def is_resource(block: Block) -> bool:
    return block.language == "yaml" and "kind: LabelStudioBackend" in block.text


@pytest.fixture
def made_namespaces(lab: Lab) -> Iterator[None]:
    """Remove the namespaces that a page makes, and what it leaves in them."""
    yield
    kubectl = lab.cluster.kubectl
    for namespace in NAMESPACES:
        # The address of Label Studio in the pages is nobody's: there is nothing to take back from it.
        kubectl("-n", namespace, "annotate", "lsb", "--all", "labelloop.dev/skip-deregistration=true")
        kubectl("-n", namespace, "delete", "lsb", "--all")
        kubectl("delete", "namespace", namespace, "--ignore-not-found")


@pytest.mark.usefixtures("made_namespaces")
@pytest.mark.parametrize("page", [page for page in pages() if of_cluster(page)])
def test_what_an_administrator_types_is_taken(page: str, lab: Lab, tmp_path: Path) -> None:
    kubectl, helm = lab.cluster.program("kubectl"), lab.cluster.program("helm")
    # `helm install NAME CHART ...` as the API server would take it: the lab's own release owns the real objects.
    apply = f'"{kubectl}" apply --server-side --force-conflicts --dry-run=server -f -'
    rendered = f'shift; "{helm}" template --kube-version 1.34.0 "$@" | {apply}'
    path = programs(tmp_path / "programs", kubectl=f'exec "{kubectl}" "$@"', helm=f"set -o pipefail; {rendered}")
    folder = tmp_path / "page"
    folder.mkdir()
    for name in ("charts", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    environment = {"PATH": f"{path}:/usr/bin:/bin", "HOME": str(tmp_path), "KUBECONFIG": str(lab.cluster.kubeconfig)}
    changed = {"REGISTRY/": f"{lab.cluster.registry}/", "sha256:...": f"sha256:{64 * '0'}", "labelloop serve": "true"}
    for block in of_cluster(page):
        if is_resource(block):
            (folder / "backend.yaml").write_text(block.text)
            stored(block, folder, {})
        elif {"kubectl", "helm"} & set(block.words()):
            typed = substituted(block.commands, changed)
            command = ["/bin/bash", "-euo", "pipefail", "-c", typed]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
            )
            assert done.returncode == 0, f"{block.page}:{block.line}\n{typed}\n{done.stdout}{done.stderr}"


def test_every_resource_in_the_pages_is_taken_by_the_api_server(lab: Lab) -> None:
    for block in (block for page in pages() for block in blocks(page) if is_resource(block)):
        for document in yaml.safe_load_all(block.text):
            document["metadata"]["namespace"] = "default"
            arguments = ("apply", "--server-side", "--dry-run=server", "-f", "-")
            lab.cluster.kubectl(*arguments, input=yaml.safe_dump(document))


def started_by_the_guide(story: Story, backend_url: str) -> list[Json]:
    """Label Studio by the command that the pages give, in a pod."""
    lines = [block.commands for page in pages() for block in blocks(page) if "label-studio" in block.words()]
    found = {line.partition("label-studio start ")[2] for text in lines for line in text.splitlines()} - {""}
    (arguments,) = found  # every page tells the same command
    words = arguments.replace("http://localhost:9090", backend_url).split()
    address = story.lab.cluster.node_address
    manifests = label_studio.manifests(story.namespace, "guide", address, NODE_PORT, ACCOUNT)
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["template"]["spec"]["containers"][0]["args"] = words
    return manifests


def plain_backend(story: Story, label_studio_url: str) -> list[Json]:
    """The image as any container runtime runs it: no operator, no arguments, a custom user, a volume."""
    environment = {
        "LABEL_STUDIO_HOST": label_studio_url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "START_TRAINING_EACH_N_UPDATES": "2",
        "MODEL_DIR": "/models",
        "WORKERS": "2",
    }
    container = {
        "name": "backend",
        "image": story.lab.backend_image,
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9090}, "periodSeconds": 1, "failureThreshold": 600},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "models", "mountPath": "/models"}, {"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 12345,
            "runAsGroup": 12345,
            "fsGroup": 12345,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "models", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }
    metadata = {"name": "backend", "namespace": story.namespace, "labels": {"app": "backend"}}
    service = {"selector": {"app": "backend"}, "ports": [{"port": 9090}]}
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
    ]


def predictions(user: LabelStudioUser, task: int) -> list[tuple[str, str]]:
    """Version and choice of what opening a task shows."""
    told = user.task(task)["predictions"]
    return [(entry["model_version"], entry["result"][0]["value"]["choices"][0]) for entry in told]


def test_the_guides_command_and_the_image_without_an_operator(story: Story) -> None:
    kube, namespace = story.lab.kube, story.namespace
    kube.apply(*plain_backend(story, f"http://guide.{namespace}.svc.cluster.local:8080"))
    kube.apply(*started_by_the_guide(story, f"http://backend.{namespace}.svc.cluster.local:9090"))
    kube.wait_available(namespace, "guide")
    user = LabelStudioUser(f"http://{story.lab.cluster.node_address}:{NODE_PORT}", TOKEN)

    def its_project() -> Json | None:
        try:
            found: list[Json] = user.call("GET", "/api/projects")["results"]
        except OSError as error:
            raise AssertionError(error) from error
        return found[0] if found else None

    project = eventually(its_project, PATIENCE, "the project that `label-studio start` makes")
    number = int(project["id"])
    assert project["title"] == "my_project"
    user.change_project(number, label_config=choices_config(LABELS))
    tasks = user.import_tasks(number, [{"text": text} for text in TEXTS])

    def connected() -> bool:
        return [entry["state"] for entry in user.backends(number)] == ["CO"]

    eventually(connected, PATIENCE, lambda: f"connected: {user.backends(number)} {kube.story(namespace)}")
    user.annotate_all(list(zip(tasks, LABELS, strict=False)))

    def version() -> str | None:
        told = str(user.backends(number)[0]["model_version"])
        return told if told.startswith("model-") else None

    trained = eventually(version, PATIENCE, lambda: f"a trained version: {kube.story(namespace)}")
    assert predictions(user, tasks[2]) == [(trained, "warm")]

    (before,) = kube.pods(namespace, "app=backend")
    kube.kill_processes(before)

    def restarted() -> bool:
        (pod,) = kube.pods(namespace, "app=backend")
        (status,) = pod["status"]["containerStatuses"]
        return status["restartCount"] > 0 and status["ready"]

    eventually(restarted, PATIENCE, lambda: kube.story(namespace))
    eventually(lambda: version() == trained, PATIENCE, "the trained version after a restart")
