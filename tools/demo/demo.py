"""The demo from an empty machine to a loop that runs: images, cluster, Label Studio, operator, two rounds."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from examples.tickets.generator import LABELS, Ticket, tickets, unseen_tickets
from kubernetes.client import ApiException
from rich.panel import Panel
from tests.support.backend import Backend
from tests.support.kube import Refused
from tests.support.lab import ROOT, Lab
from tests.support.user import choices_config
from tests.support.waiting import StepError, eventually
from urllib3.exceptions import HTTPError

from labcluster import Cluster, ClusterError
from tools.demo import failure
from tools.demo.progress import Show, Step
from tools.demo.rounds import Results, Scene, play

CLUSTER = "demo"
NAMESPACE = "demo"
PER_ROUND = 100
ROUNDS = 2
SPARE = 400
"""Texts left for the person at the browser."""
UNSEEN = 1000
SETTINGS = {"pollInterval": "5s", "scanInterval": "60s"}
RESOURCE = f"""\
apiVersion: labelloop.dev/v1alpha1
kind: LabelStudioBackend
metadata: {{name: intents, namespace: {NAMESPACE}}}
spec:
  labelStudio: {{connectionSecretRef: {{name: label-studio}}, project: PROJECT}}
  training: {{updatesPerTraining: {PER_ROUND}}}
  serving: {{replicas: 2}}
"""


USUAL = {
    "image operator into the node": "10 to 20 s",
    "image label-studio into the node": "20 to 40 s",
    "base Bento image into the registry": "20 s the first time, 2 s when compressed layers are cached",
    "operator": "5 to 10 s",
    "Label Studio": "10 to 40 s",
}
"""How long the steps of `Lab.start` take on two cores."""
REMOVED = "the cluster was removed from elsewhere; the demo ends"
EXPECTED = (ClusterError, AssertionError, Refused, OSError, subprocess.SubprocessError, ApiException, HTTPError)
"""What a machine, a cluster or a program may do to the demo; anything else is a defect of the demo."""


@dataclass(frozen=True)
class Run:
    """What a demo is called and where it leaves its results."""

    once: bool = False
    cluster: str = CLUSTER
    results: Path = ROOT / "demo.json"

    @property
    def logs(self) -> Path:
        """Where the demo writes what it does not show."""
        return ROOT / "build" / self.cluster


def up(show: Show, run: Run) -> None:
    """Everything, to the end of the second round; then stays (until Ctrl-C) unless `once`. Raises DemoError."""
    _check_free(run.cluster)
    logs = failure.empty_folder(run.logs)
    cluster = None
    try:
        with show.live():
            build_images(show, logs / "images.log")
            cluster = _start_cluster(show, run.cluster, logs / "cluster.log")
            lab = Lab.start(cluster, SETTINGS, lambda what: show.step(what, USUAL.get(what, "")))
            scene = _play_rounds(lab, show)
        _write(scene.results, show, run.results)
        check(scene.results)
        show.fact("[green]every round gave a new version, accuracy never fell, and no request failed[/]")
        if not run.once:
            stay(lab, scene.backend, show)
    except EXPECTED as error:
        raise failure.DemoError(failure.report(error, show.failed, cluster, run.logs)) from error
    finally:
        if cluster:
            down(show, run.cluster)


def _check_free(name: str) -> None:
    """Another demo may run: it stays untouched, and nothing is built in vain."""
    try:
        Cluster.check_free(name)
    except ClusterError as error:
        ending = "; end it with Ctrl-C in its terminal or with `make demo-down`" if name in Cluster.names() else ""
        raise failure.DemoError(f"The demo cannot start: {error}{ending}.") from None


def down(show: Show, name: str = CLUSTER) -> None:
    """Remove everything that `up` started; nothing there is no error."""
    if name in Cluster.names():
        with show.live(), show.step("removal of the cluster", "1 to 60 s"):
            Cluster.get(name).delete()


def build_images(show: Show, log: Path) -> None:
    """Build the images that changed; shows what the program prints up to an error, and keeps everything in `log`."""
    argv = [sys.executable, "-m", "tools.build_images", "backend", "operator", "label-studio"]
    error = ""
    with show.step("images", "4 min the first time, 1 s when nothing changed") as step, log.open("w") as kept:
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
            for line in program.stdout or ():
                kept.write(line)
                error = error or (line.strip() if line.startswith("error:") else "")
                if not error:
                    show.output(step, line.strip())
        if program.returncode:
            raise StepError(error or f"tools.build_images ended with code {program.returncode}", log.read_text())


def _start_cluster(show: Show, name: str, log: Path) -> Cluster:
    usual = "9 min the first time, when Kubernetes and helm are built from Go modules; 10 to 20 s later"
    with show.step("Kubernetes cluster", usual) as step, log.open("w") as kept:
        progress = Progressed(show, step, kept)
        with redirect_stderr(progress):
            return Cluster.create(name)


class Progressed(io.TextIOBase):
    """What the cluster's programs write to stderr: all of it into a file, lines that end with "..." as progress."""

    def __init__(self, show: Show, step: Step, kept: TextIO) -> None:
        self._show = show
        self._step = step
        self._kept = kept
        self._line = ""

    def write(self, text: str) -> int:
        """Take some text, of any number of lines."""
        self._kept.write(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.endswith("..."):
                self._show.output(self._step, line)
        return len(text)


def _play_rounds(lab: Lab, show: Show) -> Scene:
    scene = _prepare(lab, show)
    work = _import(scene)
    scene.measure()
    for number in range(ROUNDS):
        play(scene, number + 1, work[number * PER_ROUND : (number + 1) * PER_ROUND])
    scene.results.seconds_total = round(show.seconds, 1)
    return scene


def _prepare(lab: Lab, show: Show) -> Scene:
    label_config = choices_config(LABELS)
    lab.kube.create_namespace(NAMESPACE)
    lab.connect(NAMESPACE)
    project = lab.user.create_project("Support tickets", label_config)
    show.console.print(Panel(_login(lab, project), title="Label Studio", expand=False), highlight=False)
    resource = RESOURCE.replace("PROJECT", str(project))
    show.console.print(Panel(resource.rstrip(), title="kubectl apply", expand=False), highlight=False)
    backend = lab.backend(NAMESPACE)
    with show.step("backend Ready and registered in Label Studio", "10 to 15 s"):
        lab.kube.apply_text(resource)
        backend.wait_ready()
    unseen = [(ticket.text, ticket.intent) for ticket in unseen_tickets(UNSEEN)]
    return Scene(lab, backend, project, label_config, unseen, show, Results())


def _import(scene: Scene) -> list[tuple[int, Ticket]]:
    made = tickets(ROUNDS * PER_ROUND + SPARE)
    with scene.show.step(f"{len(made)} support tickets imported", "1 s"):
        tasks = scene.lab.user.import_tasks(scene.project, [{"text": ticket.text} for ticket in made])
    return list(zip(tasks, made, strict=True))


def _login(lab: Lab, project: int) -> str:
    studio = lab.label_studio
    return f"{studio.url}/projects/{project}/data\nlogin     {studio.email}\npassword  {studio.password}"


def _write(results: Results, show: Show, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=2) + "\n")
    show.fact(f"{path.name} written; {results.seconds_total:.0f} s in all")


def check(results: Results) -> None:
    """The demo went well only if it shows what it promises; raises StepError with what it did not."""
    wrong = []
    if len(set(results.versions)) != ROUNDS + 1:
        wrong.append(f"{ROUNDS} rounds should give {ROUNDS} new versions, not {results.versions}")
    if results.failed_requests:
        wrong.append(f"{results.failed_requests} requests failed during the roll-outs")
    gained = [results.accuracy[version] for version in results.versions]
    if gained != sorted(gained):
        wrong.append(f"accuracy went down: {results.accuracy}")
    if wrong:
        raise StepError("; ".join(wrong))


def stay(lab: Lab, backend: Backend, show: Show) -> None:
    """Tell what the person at the browser sets off, until Ctrl-C or `make demo-down`."""
    project = (backend.read() or {})["spec"]["labelStudio"]["project"]
    show.console.print(Panel(_login(lab, project), title="Now annotate yourself", expand=False), highlight=False)
    for line in (
        f"kubectl: export KUBECONFIG={lab.cluster.kubeconfig}",
        f"A training starts after every {PER_ROUND} annotation updates, or with Start Training. Ctrl-C ends.",
    ):
        show.console.print(line, highlight=False, soft_wrap=True)
    seen = ""
    while seen != REMOVED:
        seen = eventually(lambda seen=seen: _news(lab, backend, seen), float("inf"), "news", interval=1)  # type: ignore[misc]
        show.fact(seen)


def _news(lab: Lab, backend: Backend, seen: str) -> str:
    """What there is to see now, empty when that was seen already."""
    try:
        now = _state(backend)
    except (ApiException, HTTPError, OSError):
        now = "the API server does not answer" if lab.cluster.name in Cluster.names() else REMOVED
    return now if now != seen else ""


def _state(backend: Backend) -> str:
    status = backend.status
    training = status.get("training") or {}
    now = f"serving {backend.version}, {training.get('pendingUpdates') or 0} pending updates"
    if training.get("job") and not training.get("lastOutcome"):
        now += f", Job {training['job']} runs"
    return now
