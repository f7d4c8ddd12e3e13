"""What a retraining costs after ten changes, and how that grows with the size of the project.

`python -m bench.retrain [--sizes 1000 10000 100000] [--rounds 3] [--data FILE.csv]`. For each size a project with so
many labelled tasks; ten changes (six edits, a new annotation, a skip, a deleted annotation, an edited text); then a
retraining that continues from the last snapshot, and one that reads everything. Each is a process of its own, which
does what the Job's containers do. The registry is a real one (Debian's docker-registry) on loopback. Label Studio is
simulated, on loopback too: it answers what the real one does, only faster.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.annotated_project import TOKEN, AnnotatedProject, choices_config, serve
from tests.support.docker_registry import docker_registry

from bench import report
from bench.measuring import alternating, median, ratio
from labelloop.datasets.snapshot import Snapshot
from labelloop.datasets.split import holdout, holdout_fraction
from labelloop.label_studio import Credentials
from labelloop.label_studio.client import LabelStudioClient
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.models.text_classifier.vocabulary import TextCounts
from labelloop.publishing.reference import Reference
from labelloop.publishing.registry import Repository
from labelloop.publishing.snapshot_artifact import FILE_NAME, pull_snapshot, push_snapshot
from labelloop.text.words import Words
from labelloop.training.reading import read_project

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (1_000, 10_000, 100_000)
BASE_SIZE, GOAL = 10_000, 1.5
GOAL_TASKS = 50
CHANGES = 10
HOLDOUT = 0.2
READING = ("restore", "fetch", "examples", "vectorise")
"""Steps whose sum should hardly grow with the project."""
STEPS = (*READING, "store", "fit")
INCREMENTAL, FULL = "incremental", "full"
REAL_ANSWER = 0.1
"""Seconds of one small answer of a real Label Studio (1.23.2, SQLite), at any size of the project."""

Figures = dict[str, Any]


def retrain(url: str, work: Path, snapshots: str, earlier: str | None) -> Figures:
    """One retraining. `snapshots`: the repository; `earlier`: digest of the snapshot to go on from."""
    seconds: dict[str, float] = {}
    processor: dict[str, float] = {}
    path = work / FILE_NAME
    place = Reference.parse(snapshots)
    began, used = time.perf_counter(), time.process_time()

    def done(step: str) -> None:
        nonlocal began, used
        seconds[step], processor[step] = time.perf_counter() - began, time.process_time() - used
        began, used = time.perf_counter(), time.process_time()

    kept = None
    if earlier is not None:
        with Repository(place, plain_http=True) as repository:
            pull_snapshot(repository, place.with_digest(earlier), path)
        Snapshot.read(path)
        kept = Snapshot.read(path)  # twice: the container that restores it checks it, the one that trains reads it
    done("restore")
    with LabelStudioClient(Credentials(url, TOKEN)) as client:
        reading = client.run(read_project(7, url, kept))
    done("fetch")
    found = reading.snapshot.examples(reading.schema)
    training, _ = holdout(found.examples, "7", holdout_fraction(len(found.examples), HOLDOUT))
    done("examples")
    TextCounts(Words.of([example.text for example in training]))
    done("vectorise")
    reading.snapshot.write(path)
    with Repository(place, plain_http=True) as repository:
        digest = push_snapshot(repository, path, ["newest"])
    done("store")
    # The fit counts the words itself: that much of it is in the column before.
    TextClassifier.fit(training, reading.schema, {})
    done("fit")
    for clock in (seconds, processor):
        clock["fit"] = max(0.0, clock["fit"] - clock["vectorise"])
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "mode": reading.mode,
        "why": reading.why,
        "digest": digest,
        "dataset": reading.snapshot.digest,
        "megabytes": _peak_megabytes(),
    }


def _peak_megabytes() -> float:
    """Of this process alone: what getrusage tells may be that of the process which started it."""
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


class Site:
    """A simulated Label Studio with one project of `size` labelled tasks, and a place for its snapshots."""

    def __init__(self, size: int, rows: report.Rows, url: str, project: AnnotatedProject, snapshots: str) -> None:
        self.size, self.rows, self.url, self.project, self.snapshots = size, rows, url, project, snapshots
        self.labels = sorted({label for _, label in rows})
        self.newest: str | None = None
        self.round = 0

    def change(self) -> None:
        """Ten changes, spread over the project."""
        self.project.step_hours(1)
        tasks = sorted(task for task, entry in self.project.tasks.items() if entry["annotations"])
        chosen = [tasks[(self.round * 37 + number * len(tasks) // CHANGES) % len(tasks)] for number in range(CHANGES)]
        for task in chosen[:6]:
            self.project.edit(task, 0, self.labels[self.round % len(self.labels)])
        self.project.annotate(chosen[6], self.labels[0])
        self.project.skip(chosen[7], 0, skipped=True)
        self.project.delete_annotation(chosen[8], 0)
        self.project.edit_data(chosen[9], text=f"edited {self.round}: {self.rows[self.round % len(self.rows)][0]}")
        self.round += 1
        self.project.counters()

    def run(self, mode: str) -> Figures:
        """A retraining in a process of its own; the incremental one continues from the newest snapshot."""
        if mode == INCREMENTAL:
            self.change()
        self.project.requests.clear()
        self.project.tasks_given.clear()
        with tempfile.TemporaryDirectory(prefix="bench-retrain-") as folder:
            earlier = self.newest if mode == INCREMENTAL else None
            command = [sys.executable, "-m", "bench.retrain", "--one", self.url, folder, self.snapshots, earlier or ""]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=report.ROOT, env=environment)
        figures: Figures = json.loads(answer.stdout.splitlines()[-1])
        self.newest = figures["digest"]
        if figures["mode"] != mode and earlier is not None:
            raise RuntimeError(f"a retraining of {self.size} tasks was {figures['mode']}: {figures['why']}")
        given = self.project.tasks_given
        return {
            **figures,
            "requests": self.project.requests.total(),
            "tasks_read": given["full"],
            "tasks_listed": given["listed"] + given["counted"],
        }


@contextmanager
def site(size: int, rows: report.Rows, registry: str) -> Iterator[Site]:
    """A project of that size, served."""
    project = AnnotatedProject(choices_config(sorted({label for _, label in rows})))
    for number, (text, label) in enumerate(islice(cycle(rows), size)):
        # Texts that repeat would make dictionaries of words too small.
        project.add_task({"text": text if number < len(rows) else f"{text} {number}"}, label)
    with serve(project) as url:
        yield Site(size, rows, url, project, f"{registry}/bench-{size}/snapshot")


def measure(sizes: Sequence[int], rounds: int, rows: report.Rows) -> dict[int, dict[str, list[Figures]]]:
    """Figures of each round by size and mode."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-retrain-registry-")))
        registry = stack.enter_context(docker_registry(folder))
        sites = {size: stack.enter_context(site(size, rows, registry.host)) for size in sizes}
        for place in sites.values():
            place.run(FULL)  # the first training, which leaves the first snapshot
        sides: dict[str, Callable[[], Figures]] = {}
        for size, place in sites.items():
            for mode in (INCREMENTAL, FULL):
                sides[f"{size} {mode}"] = lambda place=place, mode=mode: place.run(mode)  # type: ignore[misc]
        found = alternating(rounds, sides)
    return {size: {mode: found[f"{size} {mode}"] for mode in (INCREMENTAL, FULL)} for size in sizes}


def reading_seconds(figures: Figures, answer: float = 0.0, clock: str = "seconds") -> float:
    """Restore, fetch, examples and vectorise; with `answer` seconds more for each request to Label Studio."""
    seconds: Mapping[str, float] = figures[clock]
    return sum(seconds[step] for step in READING) + answer * int(figures["requests"])


def lines(found: Mapping[int, Mapping[str, Sequence[Figures]]]) -> list[str]:
    """The page below the plot."""
    columns = ["labelled tasks", "read", "requests", "tasks read", *(f"{step} s" for step in STEPS), "peak RSS MB"]
    table = []
    for size, modes in found.items():
        for mode, rounds in modes.items():
            steps = [f"{median([each['seconds'][step] for each in rounds]):.3f}" for step in STEPS]
            counted = [round(median([each[name] for each in rounds])) for name in ("requests", "tasks_read")]
            memory = round(median([each["megabytes"] for each in rounds]))
            table.append([f"{size:,}", mode, *counted, *steps, memory])
    told = (
        "Ten changes, then a retraining that continues from the last snapshot (incremental) or reads everything "
        "(full); medians of interleaved rounds, each a process of its own. The registry is real and on loopback. "
        "**Label Studio is simulated**, on loopback: it answers what the real one does, in milliseconds."
    )
    steps_told = (
        "`examples`: what a model learns from, derived from the rows. `vectorise`: texts split into words, words and "
        "pairs of words counted per text. `store`: snapshot written and pushed. `fit`: the rest of the fit, which "
        "weighs and learns from all texts every time."
    )
    return [told, "", *report.table(columns, table), *_goals(found), steps_told]


def _goals(found: Mapping[int, Mapping[str, Sequence[Figures]]]) -> list[str]:
    largest = max(found)
    if BASE_SIZE not in found or largest == BASE_SIZE:
        return []
    small, large = found[BASE_SIZE][INCREMENTAL], found[largest][INCREMENTAL]
    most = max(each["tasks_read"] for each in large)
    growth = ratio([reading_seconds(each) for each in large], [reading_seconds(each) for each in small])
    real = ratio(
        [reading_seconds(each, REAL_ANSWER) for each in large], [reading_seconds(each, REAL_ANSWER) for each in small]
    )
    used = [[reading_seconds(each, clock="processor_seconds") for each in rounds] for rounds in (large, small)]
    fit = ratio([each["seconds"]["fit"] for each in large], [each["seconds"]["fit"] for each in small])
    times = largest / BASE_SIZE
    reading = (
        f"- Restore, fetch, examples and vectorise at {largest:,} tasks: {growth:.2f} times that at {BASE_SIZE:,} "
        f"(goal: at most {GOAL}); {real:.2f} times when each answer takes {REAL_ANSWER} s as a real one does "
        "(computed: that much is added for each request)."
    )
    return [
        f"- Tasks read from Label Studio for ten changes among {largest:,}: {most} (goal: at most {GOAL_TASKS}).",
        reading,
        f"- In processor time, steadier next to other work: {median(used[0]):.2f} s and {median(used[1]):.2f} s.",
        f"- Fit: {fit:.1f} times, for {times:.0f} times the texts (goal: at most linear).",
        "",
    ]


def draw(figure: "Figure", found: Mapping[int, Mapping[str, Sequence[Figures]]]) -> None:
    """Seconds over size: reading either way, and the fit."""
    axes = figure.add_subplot()
    sizes = list(found)
    for mode, colour in ((INCREMENTAL, report.OURS), (FULL, report.PEER)):
        seconds = [median([reading_seconds(each) for each in found[size][mode]]) for size in sizes]
        axes.plot(sizes, seconds, marker="o", color=colour, label=f"reading, {mode}")
    fit = [median([each["seconds"]["fit"] for each in found[size][INCREMENTAL]]) for size in sizes]
    axes.plot(sizes, fit, marker="s", color="grey", linestyle="--", label="fit")
    axes.set(xscale="log", yscale="log", xlabel="labelled tasks", ylabel="seconds")
    axes.legend()


def main(argv: list[str] | None = None) -> int:
    """Measure and write docs/benchmarks/retrain.{md,json,svg}."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["--one"]:
        url, folder, snapshots, earlier = arguments[1:]
        print(json.dumps(retrain(url, Path(folder), snapshots, earlier or None)))
        return 0
    parser = report.arguments(__doc__, rounds=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="labelled tasks")
    chosen = parser.parse_args(arguments)
    (rows,) = report.data_sets(chosen).values()
    found = measure(sorted(chosen.sizes), chosen.rounds, rows)
    largest = found[max(found)]
    faster = ratio(*([reading_seconds(each) for each in largest[mode]] for mode in (FULL, INCREMENTAL)))
    data = {
        "rounds": chosen.rounds,
        "label_studio": "simulated",
        "sizes": {str(size): modes for size, modes in found.items()},
        "ratios": {f"reading {max(found):,} labelled tasks again after {CHANGES} changes": faster},
    }
    title = "Retraining as the project grows"
    report.write("retrain", title, lines(found), data, lambda figure: draw(figure, found), target=chosen.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
