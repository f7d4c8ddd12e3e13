"""Learning curves: accuracy, log loss and calibration by number of labels, next to the peer with the same labels.

`python -m bench.curves --data FILE.csv ... [--label-column label] [--seeds 5] [--labels 0 100 300 ...] [--cache DIR]`

Ours pays for the texts it holds out: they are among its labels. Each cell (data, side, labels, seed) is kept in
--cache, so that a run can be resumed; ours are measured again when the code has changed.
"""

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import labelloop
from bench import labelled_data, learning, report
from bench.labelled_data import DataSet
from bench.learning import Answerer, Rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = (0, 100, 300, 500, 1000, 3000)
SIDES = ("ours", "peer")
Figures = dict[str, float]
_EXPLAINED = """\
Ours is the default model as a training makes it; the texts it holds out for its own figures are among the labels
counted here. The peer is the estimator of label-studio-ml's sklearn_text_classifier (TF-IDF of word 1-3-grams,
logistic regression by lbfgs, C=10), which learns from all of them, and before any label from the label names.
Both learn from the same labels in {seeds} random orders; means over the orders, gains in points of accuracy.
Accuracy in percent on untouched texts; ECE: expected calibration error of the best class in 15 equal-mass bins;
AUROC: best score of texts of some class against texts of none."""


@dataclass(frozen=True)
class Cell:
    """One measurement: `number` labels of the seed's order."""

    data: DataSet
    side: str
    number: int
    seed: int

    def key(self, code: str) -> str:
        """Names what decides about the result."""
        # The peer's solution does not depend on the texts' order, so all of them are the same for each seed.
        same = self.side == "peer" and self.data.test is not None and self.number in (0, len(self.data.rows))
        parts = [self.data.digest, self.side, str(self.number), "any" if same else str(self.seed)]
        return "-".join([*parts, *([code] if self.side == "ours" else [])])

    def measured(self, cache: Path | None, code: str) -> Figures:
        """From the cache when it is there."""
        path = cache / f"{self.key(code)}.json" if cache else None
        if path and path.exists():
            return json.loads(path.read_text())
        figures = self._measure()
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(figures))
        return figures

    def _measure(self) -> Figures:
        rows, test = self.data.split(self.seed)
        texts, truths = [text for text, _ in test], [label for _, label in test]
        began = time.perf_counter()
        answer = _learn(self.side, rows[: self.number], self.data.labels, self.seed)
        seconds = time.perf_counter() - began
        answers = answer(texts)
        figures = {
            "accuracy": learning.accuracy(answers, truths),
            "log_loss": learning.log_loss(answers, truths),
            "ece": learning.calibration_error(answers, truths),
            "seconds": seconds,
        }
        if self.data.outside:
            figures["auroc"] = learning.separation(answers, answer(self.data.outside))
        return figures


def main(argv: list[str] | None = None) -> int:
    """Measure what is not in the cache and write the report."""
    parser = report.arguments(f"{__doc__}{labelled_data.FILES}", rounds=1)
    parser.add_argument("--labels", type=int, nargs="+", default=list(LABELS), help="all of them are always added")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="folder for measured cells")
    chosen = parser.parse_args(argv)
    code = _code()
    curves = {
        data.name: _curve(data, chosen.labels, chosen.seeds, chosen.cache, code)
        for data in labelled_data.data_sets(chosen)
    }
    report.write(
        "curves",
        "Learning curves",
        _lines(curves, chosen.seeds),
        {"seeds": chosen.seeds, "curves": curves, "ratios": {}},
        lambda figure: _plot(figure, curves),
        target=chosen.out,
    )
    return 0


Curve = list[dict[str, object]]


def _curve(data: DataSet, wanted: Sequence[int], seeds: int, cache: Path | None, code: str) -> Curve:
    """One entry per number of labels: the figures of each seed, by side."""
    everything = len(data.split(0)[0])
    curve: Curve = []
    for number in [*sorted(number for number in set(wanted) if number < everything), everything]:
        cells = {side: [Cell(data, side, number, s).measured(cache, code) for s in range(seeds)] for side in SIDES}
        curve.append({"labels": number, **cells})
        ours, peers = (statistics.mean(cell["accuracy"] for cell in cells[side]) for side in SIDES)
        print(f"{data.name}: {number} labels, accuracy {ours:.3f}, peer {peers:.3f}", file=sys.stderr, flush=True)
    return curve


def _learn(side: str, rows: Rows, labels: Sequence[str], seed: int) -> Answerer:
    return learning.peer(rows, labels) if side == "peer" else learning.ours(rows, labels, str(seed))


def _code() -> str:
    """Changes with everything that decides about our cells."""
    library = Path(labelloop.__file__).parent
    files = [
        *sorted((library / "models").rglob("*.py")),
        *sorted((library / "text").glob("*.py")),
        library / "datasets/split.py",
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _mean(entry: dict[str, object], side: str, name: str) -> float | None:
    cells = entry[side]
    values = [cell[name] for cell in cells if name in cell] if isinstance(cells, list) else []
    return statistics.mean(values) if values else None


def _gains(entry: dict[str, object]) -> list[float]:
    """Accuracy above the peer's in points, for each seed: the same texts on both sides."""
    ours, peers = entry["ours"], entry["peer"]
    assert isinstance(ours, list)
    assert isinstance(peers, list)
    return [100 * (one["accuracy"] - other["accuracy"]) for one, other in zip(ours, peers, strict=True)]


def _lines(curves: dict[str, Curve], seeds: int) -> list[str]:
    lines = [_EXPLAINED.format(seeds=seeds), ""]
    columns = ("labels", "accuracy", "peer", "gain", "worst gain", "log loss", "peer", "ECE", "peer", "AUROC", "peer")
    for name, curve in curves.items():
        rows = []
        for entry in curve:
            gains = _gains(entry)
            cells = [
                entry["labels"],
                _percent(_mean(entry, "ours", "accuracy")),
                _percent(_mean(entry, "peer", "accuracy")),
            ]
            cells += [f"{statistics.mean(gains):+.1f}", f"{min(gains):+.1f}"]
            for figure in ("log_loss", "ece", "auroc"):
                cells += [_told(_mean(entry, side, figure)) for side in SIDES]
            rows.append(cells)
        lines += [f"## {name}", "", *report.table(columns, rows)]
    return [*lines, *_over_all(curves)]


def _over_all(curves: dict[str, Curve]) -> list[str]:
    """The mean gain over the data sets where all labels are used, and at 500."""
    lines = []
    middle = [statistics.mean(_gains(entry)) for curve in curves.values() for entry in curve if entry["labels"] == 500]
    if middle:
        lines.append(
            f"At 500 labels: {statistics.mean(middle):+.1f} points above the peer, mean of {len(middle)} sets."
        )
    last = [statistics.mean(_gains(curve[-1])) for curve in curves.values()]
    return [*lines, f"At all labels: {statistics.mean(last):+.1f} points above the peer, mean of {len(last)} sets."]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _plot(figure: "Figure", curves: dict[str, Curve]) -> None:
    width = 2 if len(curves) > 1 else 1
    height = -(-len(curves) // width)
    figure.set_size_inches(3.6 * width, 2.6 * height)
    for place, (name, curve) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(height, width, place)
        for side, colour in zip(SIDES, (report.OURS, report.PEER), strict=True):
            # Zero labels have a place on a logarithmic axis, too.
            numbers = [max(30, entry["labels"]) for entry in curve if isinstance(entry["labels"], int)]
            axes.plot(
                numbers,
                [100 * (_mean(entry, side, "accuracy") or 0) for entry in curve],
                "o-",
                color=colour,
                label=side,
                markersize=3,
            )
        axes.set_xscale("log")
        ticks = [entry["labels"] for entry in curve]
        axes.set_xticks(numbers, [f"{tick:,}" for tick in ticks], rotation=45)
        axes.minorticks_off()
        axes.set_title(name)
        axes.set_xlabel("labels")
        axes.set_ylabel("accuracy, %")
        axes.set_ylim(0, 100)
        axes.legend(loc="lower right")


if __name__ == "__main__":
    raise SystemExit(main())
