"""The demo from an empty machine to a loop that runs: images, cluster, Label Studio, operator, two rounds."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from examples.tickets.generator import LABELS, Ticket, tickets, unseen_tickets
from rich.panel import Panel
from tests.support.backend import Backend
from tests.support.lab import ROOT, Lab
from tests.support.user import choices_config
from tests.support.waiting import eventually

from labcluster import Cluster
from tools.demo.progress import Show
from tools.demo.rounds import Results, Scene, play

CLUSTER = "demo"
NAMESPACE = "demo"
PER_ROUND = 100
ROUNDS = 2
SPARE = 400
"""Texts left for the person at the browser."""
UNSEEN = 1000
SETTINGS = {"pollInterval": "5s", "scanInterval": "60s"}
RESULTS = ROOT / "demo.json"
RESOURCE = f"""\
apiVersion: labelloop.dev/v1alpha1
kind: LabelStudioBackend
metadata: {{name: intents, namespace: {NAMESPACE}}}
spec:
  labelStudio: {{connectionSecretRef: {{name: label-studio}}, project: PROJECT}}
  training: {{everyUpdates: {PER_ROUND}}}
  serving: {{replicas: 2}}
"""


def up(show: Show, once: bool) -> None:
    """Everything, to the end of the second round; then stays (until Ctrl-C) unless `once`."""
    results = Results()
    with show.live():
        _build_images(show)
        with show.step("Kubernetes cluster"):
            cluster = Cluster.create(CLUSTER)  # refuses while another demo runs, whose cluster then stays untouched
    try:
        with show.live():
            lab = Lab.start(cluster, SETTINGS, show.step)
            scene = _prepare(lab, show, results)
            work = _import(scene)
            scene.measure()
            for number in range(ROUNDS):
                play(scene, number + 1, work[number * PER_ROUND : (number + 1) * PER_ROUND])
        results.seconds_total = round(show.seconds, 1)
        _write(results, show, RESULTS)
        _check(results)
        if not once:
            _stay(lab, scene.backend, show)
    finally:
        down(show)


def down(show: Show) -> None:
    """Remove everything that `up` started; nothing there is no error."""
    if CLUSTER in Cluster.names():
        with show.step("cluster removed"):
            Cluster.get(CLUSTER).delete()


def _build_images(show: Show) -> None:
    argv = [sys.executable, "-m", "tools.build_images", "backend", "operator", "label-studio"]
    with show.step("images (built when something changed)"):
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv[1:])} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def _prepare(lab: Lab, show: Show, results: Results) -> Scene:
    label_config = choices_config(LABELS)
    lab.kube.create_namespace(NAMESPACE)
    lab.connect(NAMESPACE)
    project = lab.user.create_project("Support tickets", label_config)
    show.console.print(Panel(_login(lab, project), title="Label Studio", expand=False), highlight=False)
    resource = RESOURCE.replace("PROJECT", str(project))
    show.console.print(Panel(resource.rstrip(), title="kubectl apply", expand=False), highlight=False)
    backend = lab.backend(NAMESPACE)
    with show.step("backend Ready and registered in Label Studio"):
        lab.kube.apply_text(resource)
        backend.wait_ready()
    unseen = [(ticket.text, ticket.intent) for ticket in unseen_tickets(UNSEEN)]
    return Scene(lab, backend, project, label_config, unseen, show, results)


def _import(scene: Scene) -> list[tuple[int, Ticket]]:
    made = tickets(ROUNDS * PER_ROUND + SPARE)
    with scene.show.step(f"{len(made)} support tickets imported"):
        tasks = scene.lab.user.import_tasks(scene.project, [{"text": ticket.text} for ticket in made])
    return list(zip(tasks, made, strict=True))


def _login(lab: Lab, project: int) -> str:
    studio = lab.label_studio
    return f"{studio.url}/projects/{project}/data\nlogin     {studio.email}\npassword  {studio.password}"


def _write(results: Results, show: Show, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=2) + "\n")
    show.fact(f"{path.name} written; {results.seconds_total:.0f} s in all")


def _check(results: Results) -> None:
    """The demo went well only if it shows what it promises."""
    wrong = []
    if len(set(results.versions)) != ROUNDS + 1:
        wrong.append(f"{ROUNDS} rounds should give {ROUNDS} new versions, not {results.versions}")
    if results.failed_requests:
        wrong.append(f"{results.failed_requests} requests failed during the roll-outs")
    gained = [results.accuracy[version] for version in results.versions]
    if gained != sorted(gained):
        wrong.append(f"accuracy went down: {results.accuracy}")
    if wrong:
        raise SystemExit("; ".join(wrong))


def _stay(lab: Lab, backend: Backend, show: Show) -> None:
    """Tell what the person at the browser sets off, until Ctrl-C."""
    project = (backend.read() or {})["spec"]["labelStudio"]["project"]
    show.console.print(Panel(_login(lab, project), title="Now annotate yourself", expand=False), highlight=False)
    show.console.print(f"kubectl: export KUBECONFIG={lab.cluster.kubeconfig}")
    show.console.print(
        f"A training starts after every {PER_ROUND} annotation updates, or with Start Training. Ctrl-C ends."
    )
    before = ""
    while True:
        before = eventually(lambda before=before: _news(backend, before), float("inf"), "news", interval=1)  # type: ignore[misc]
        show.fact(before)


def _news(backend: Backend, before: str) -> str:
    status = backend.status
    training = status.get("training") or {}
    now = f"serving {backend.version}, {training.get('pendingUpdates') or 0} pending updates"
    if training.get("job") and not training.get("lastOutcome"):
        now += f", Job {training['job']} runs"
    return now if now != before else ""
