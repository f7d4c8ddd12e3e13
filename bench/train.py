"""How long training takes and how good the model is, next to the peer's estimator in the same run.

`python -m bench.train --data FILE.csv [--label-column label] [--rounds 3]`

Both sides get all texts with their labels and give a model that answers: vectorising, fitting and, for ours,
calibration included. Nothing is held out on either side.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bench import labelled_data, learning, report
from bench.labelled_data import DataSet
from bench.learning import Answerer
from bench.measuring import interleaved, ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EXPLAINED = """\
The peer is the estimator of label-studio-ml's sklearn_text_classifier: TF-IDF of word 1-3-grams and logistic
regression by lbfgs, C=10. Ours is the default model: n-grams of words and pairs of words, logistic regression of the
same C, calibrated. Wall-clock seconds, median of {rounds} interleaved rounds, vectorising and calibration included;
the ratio is the median of the rounds' own. Accuracy, log loss and calibration error (ECE) on untouched texts."""
SIDES: dict[str, Callable[[learning.Rows, tuple[str, ...]], Answerer]] = {
    "ours": lambda rows, labels: learning.ours(rows, labels, "", limit=0),
    "peer": learning.peer,
}


def measure(data: DataSet, rounds: int) -> dict[str, object]:
    """Seconds of each round, and what the last model of each side says about untouched texts."""
    rows, test = data.split(0)
    learned: dict[str, Answerer] = {}

    def learn(side: str) -> Callable[[], None]:
        def once() -> None:
            learned[side] = SIDES[side](rows, data.labels)

        return once

    seconds = interleaved(rounds, {side: learn(side) for side in SIDES})
    texts, truths = [text for text, _ in test], [label for _, label in test]
    found: dict[str, object] = {"texts": len(rows), "labels": len(data.labels), "tested on": len(test)}
    for side, answer in learned.items():
        answers = answer(texts)
        found[side] = {
            "seconds": seconds[side],
            "accuracy": learning.accuracy(answers, truths),
            "log_loss": learning.log_loss(answers, truths),
            "ece": learning.calibration_error(answers, truths),
        }
    found["ratio"] = ratio(seconds["peer"], seconds["ours"])
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure and write docs/benchmarks/train.{md,json,svg}."""
    chosen = report.arguments(f"{__doc__}{labelled_data.FILES}", rounds=3).parse_args(argv)
    found = {}
    for data in labelled_data.data_sets(chosen):
        found[data.name] = measure(data, chosen.rounds)
        print(f"{data.name}: {found[data.name]['ratio']:.1f} times faster than the peer", file=sys.stderr, flush=True)
    write(found, chosen.rounds, chosen.out)
    return 0


def write(found: dict[str, dict[str, object]], rounds: int, target: Path) -> None:
    """The page, the numbers and the plot."""
    lines = [_EXPLAINED.format(rounds=rounds), ""]
    rows = []
    for name, entry in found.items():
        for side in SIDES:
            part = entry[side]
            assert isinstance(part, dict)
            rows.append(
                [
                    f"{name}, {entry['texts']:,} texts, {entry['labels']} labels: {side}",
                    f"{statistics.median(part['seconds']):.2f}",
                    f"{part['accuracy']:.4f}",
                    f"{part['log_loss']:.3f}",
                    f"{part['ece']:.3f}",
                    f"{entry['ratio']:.1f}" if side == "ours" else "",
                ]
            )
    columns = ("", "seconds", "accuracy", "log loss", "ECE", "times faster")
    data = {
        "rounds": rounds,
        "data": found,
        "ratios": {f"{name}: training": entry["ratio"] for name, entry in found.items()},
    }
    title = "Training"
    report.write(
        "train", title, [*lines, *report.table(columns, rows)], data, lambda figure: _plot(figure, found), target=target
    )


def _plot(figure: "Figure", found: dict[str, dict[str, object]]) -> None:
    axes = figure.add_subplot()
    for place, entry in enumerate(found.values()):
        for shift, (side, colour) in enumerate(zip(SIDES, (report.OURS, report.PEER), strict=True)):
            part = entry[side]
            assert isinstance(part, dict)
            height = statistics.median(part["seconds"])
            axes.bar(place + 0.4 * shift, height, 0.38, color=colour, label=side if place == 0 else None)
            axes.text(place + 0.4 * shift, height, f"{height:.2f} s", ha="center", va="bottom")
    axes.set_yscale("log")
    axes.set_ylabel("seconds")
    axes.set_xticks([place + 0.2 for place in range(len(found))], list(found))
    axes.legend()


if __name__ == "__main__":
    raise SystemExit(main())
