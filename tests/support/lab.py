"""The whole lab: cluster, images, Label Studio and operator, started once and shared by tests, demo and benchmark."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import label_studio
from tests.support.backend import Backend
from tests.support.kube import Kube
from tests.support.label_studio import LabelStudio
from tests.support.network import Inside
from tests.support.user import LabelStudioUser
from tests.support.waiting import PATIENCE, StepError, eventually

from labcluster import Cluster

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "build/images"
CHART = ROOT / "charts/labelloop"
OPERATOR_NAMESPACE = "labelloop-system"
OPERATOR = "labelloop-operator"
CONNECTION_SECRET = "label-studio"
OPERATOR_SELECTOR = "app.kubernetes.io/name=labelloop-operator"

Step = Callable[[str], AbstractContextManager[Any]]
"""Tells that a step begins, and by leaving the block that it has ended."""


def _silently(_: str) -> AbstractContextManager[Any]:
    return nullcontext()


@dataclass(frozen=True)
class Release:
    """What is installed of a version: its chart, and its operator's image, by the name and tag of its archive."""

    chart: Path = CHART
    image: str = "operator"
    tag: str = "dev"


CURRENT = Release()


@dataclass(frozen=True)
class Lab:
    """Everything that a story needs."""

    cluster: Cluster
    kube: Kube
    inside: Inside
    label_studio: LabelStudio
    user: LabelStudioUser
    backend_image: str
    settings: Mapping[str, Any]

    @classmethod
    def start(cls, cluster: Cluster, settings: Mapping[str, Any], step: Step = _silently) -> "Lab":
        """Bring images, Label Studio and operator into a cluster; what is already there is kept.

        `settings` are values of the chart, over those that the lab itself needs.
        """
        kube = Kube(cluster)
        with ThreadPoolExecutor() as pool:
            serving = pool.submit(_start_label_studio, kube, step)
            backend_image = pool.submit(_push_backend_image, cluster, step)
            pool.submit(_load, cluster, "operator", step).result()
            _install(kube, backend_image.result(), settings, step)
            studio, user = serving.result()
        return cls(cluster, kube, Inside(cluster), studio, user, backend_image.result(), settings)

    def upgrade(self, release: Release = CURRENT, **changed: Any) -> None:
        """`helm upgrade` with some values changed, or to another version."""
        _load(self.cluster, release.image, _silently)
        _install(self.kube, self.backend_image, dict(self.settings) | changed, _silently, release=release)

    @contextmanager
    def limited_operator(self, namespace: str, **settings: Any) -> Iterator[None]:
        """A second operator, in `namespace`, without anything outside of namespaces; the first one rests meanwhile."""
        self.stop_operator()
        limited = {"crds": {"install": False, "keep": True}, "userRoles": False}
        try:
            _install(self.kube, self.backend_image, {**self.settings, **limited, **settings}, _silently, namespace)
            yield
            self.kube.scale(namespace, OPERATOR, 0)
        finally:
            self.kube.core.delete_namespace(namespace)
            self.start_operator()

    def backend(self, namespace: str, name: str = "intents") -> Backend:
        """A resource, not applied yet."""
        return Backend(self.kube, self.inside, namespace, name)

    def connect(self, namespace: str, name: str = CONNECTION_SECRET, **changed: str) -> None:
        """The connection Secret that a user makes in a namespace of theirs."""
        values = {"url": self.label_studio.internal_url, "token": self.label_studio.token} | changed
        self.kube.apply_secret(namespace, name, **values)

    def personal_token(self) -> str:
        """The administrator's personal access token: Label Studio shows it once and allows one per account."""
        kept = self.cluster.layout.state / "personal-token"
        if not kept.exists():
            kept.write_text(self.user.personal_token(self.label_studio.email, self.label_studio.password))
        return kept.read_text()

    # The operator

    def operator_pods(self) -> list[dict[str, Any]]:
        """The operator's pods."""
        return self.kube.pods(OPERATOR_NAMESPACE, OPERATOR_SELECTOR)

    def stop_operator(self) -> None:
        """Scale the operator down to nothing."""
        self.kube.scale(OPERATOR_NAMESPACE, OPERATOR, 0)

    def start_operator(self) -> None:
        """Bring one operator back and wait until it is ready."""
        self.kube.scale(OPERATOR_NAMESPACE, OPERATOR, 1)

    def ensure_operator(self) -> None:
        """Bring an operator back that a test has stopped, and wait until the one that is there is ready."""
        wanted = self.kube.apps.read_namespaced_deployment_scale(OPERATOR, OPERATOR_NAMESPACE).spec.replicas
        if not wanted:
            self.start_operator()
        self.kube.wait_available(OPERATOR_NAMESPACE, OPERATOR)

    def kill_operator(self) -> None:
        """SIGKILL the operator; kubelet starts it again."""
        before = self._operator_restarts()
        for pod in self.operator_pods():
            self.kube.kill_processes(pod)
        eventually(lambda: self._operator_restarts() > before, PATIENCE, "restart of the killed operator")

    def _operator_restarts(self) -> int:
        return sum(restarts(pod) for pod in self.operator_pods())

    def operator_log(self, lines: int = 200) -> str:
        """The end of what the operator logged, before its last restart included."""
        told = ""
        for pod in self.operator_pods():
            for arguments in (["--previous"], []):
                command = ["-n", OPERATOR_NAMESPACE, "logs", pod["metadata"]["name"], f"--tail={lines}", *arguments]
                try:
                    told += self.cluster.kubectl(*command, stderr=subprocess.DEVNULL)
                except subprocess.CalledProcessError:
                    continue
        return told


def service_account(namespace: str = OPERATOR_NAMESPACE) -> str:
    """The user that an operator in `namespace` is to the API server."""
    return f"system:serviceaccount:{namespace}:{OPERATOR}"


def restarts(pod: Mapping[str, Any]) -> int:
    """How often a pod's containers were started again."""
    return sum(container["restartCount"] for container in pod["status"].get("containerStatuses", []))


def _start_label_studio(kube: Kube, step: Step) -> tuple[LabelStudio, LabelStudioUser]:
    _load(kube.cluster, "label-studio", step)
    with step("Label Studio"):
        studio = label_studio.start(kube)
        return studio, label_studio.wait(kube, studio)


def _load(cluster: Cluster, image: str, step: Step) -> None:
    """Load an image into the node, unless it has the same one already."""
    archive = IMAGES / f"{image}.tar"
    loaded = cluster.layout.state / f"loaded-{image}"
    if not archive.exists():
        raise StepError(f"{archive} is missing: run `make image image-label-studio` first")
    mark = _mark(archive)
    if loaded.exists() and loaded.read_text() == mark:
        return
    with step(f"image {image} into the node"):
        cluster.load_archive(archive)
    loaded.write_text(mark)


def _mark(archive: Path) -> str:
    """What tells one build of an image from the next."""
    return str(archive.stat().st_mtime_ns)


def _push_backend_image(cluster: Cluster, step: Step) -> str:
    """Push the base Bento image to the cluster's registry, where roll-outs and trainings find it."""
    repository = f"{cluster.registry}/labelloop/backend"
    with step("base Bento image into the registry"):
        argv = [
            sys.executable,
            "-m",
            "tools.push_image",
            "--plain-http",
            str(IMAGES / "backend.tar"),
            f"{repository}:dev",
        ]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepError(f"the push to {repository} failed: {done.stderr.strip()}")
    return f"{repository}@{done.stdout.strip()}"


def _install(
    kube: Kube,
    backend_image: str,
    settings: Mapping[str, Any],
    step: Step,
    namespace: str = OPERATOR_NAMESPACE,
    release: Release = CURRENT,
) -> None:
    """`helm upgrade --install` of the chart as a user would do it."""
    cluster = kube.cluster
    own = {
        "image": {"repository": "docker.io/labelloop/operator", "tag": release.tag, "pullPolicy": "Never"},
        # The tag stays the same, so a new archive under it must change something of the pod.
        "podAnnotations": {"labelloop.dev/archive": _mark(IMAGES / f"{release.image}.tar")},
        "replicas": 1,  # stories about several say so
        "backend": {"image": backend_image},
        "registry": {"prefix": f"{cluster.registry}/trained", "plainHTTP": True},
    }
    with step("operator"):
        kube.create_namespace(namespace)
        values = cluster.layout.state / "values.json"
        values.write_text(json.dumps(own | dict(settings)))
        home = cluster.layout.state / "helm"
        environment = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(home)}
        environment |= {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        upgrade = ["upgrade", "--install", "labelloop", str(release.chart), "--namespace", namespace]
        waiting = ["--wait", "--timeout", f"{PATIENCE:.0f}s"]
        argv = [str(cluster.program("helm")), *upgrade, "--values", str(values), *waiting]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            details = f"{kube.story(namespace)}\n{_last_words(cluster, namespace)}"
            raise StepError(f"helm upgrade: {done.stderr.strip()}", details)


def _last_words(cluster: Cluster, namespace: str) -> str:
    """The end of an operator's log; empty when no container of it has started."""
    try:
        return cluster.kubectl("-n", namespace, "logs", f"deploy/{OPERATOR}", "--tail=20", stderr=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        return ""
