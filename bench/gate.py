"""How often the gate refuses what it should, and lets pass what it should: simulated rounds on real texts.

`python -m bench.gate [--data FILE.csv ...] [--rounds 200]`. Each round draws texts again, 1,000 of them held out (a
quarter when there are fewer), and trains an incumbent on some of the rest. Then it judges

- a candidate of the same texts, 30 % of whose labels are shuffled (to be refused),
- one that has seen more texts, and one of as many other texts (to pass),
- one trained on what annotators made of the incumbent's pre-selections, of which they let 30 % of the wrong ones stand;
  the held-out labels lean in the same way. Where it is truly better by the true labels, it is to pass.
"""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.report import Rows, arguments, data_sets, table, write
from labelloop.datasets.examples import Example
from labelloop.datasets.rows import Origin
from labelloop.label_config.schema import Choice, Control, Schema
from labelloop.models.model import TextModel
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.training.gate import GateRules, compare

HELD_OUT = 1000
SIZES = (1000, 2000, 3000, 4000)
SHUFFLED, ACCEPTED = 0.3, 0.3
CONTROL = "label"
SHARES = {
    "shuffled labels: refused": "at least 95 %",
    "more texts: passed": "at least 99 %",
    "as many other texts: passed": "at least 99 %",
    "leaning labels, truly better: passed": "at least 95 %",
    "leaning labels, shuffled: refused": "-",
}


@dataclass
class Simulation:
    """Rounds on one data set; `found` collects a 0 or 1 for each question a round answers."""

    rows: Rows
    random: np.random.Generator
    schema: Schema
    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def round(self) -> None:
        """Train and judge once."""
        order = [self.rows[index] for index in self.random.permutation(len(self.rows))]
        held_out, pool = order[: self.held_out], order[self.held_out :]
        size = int(self.random.choice([size for size in SIZES if size <= len(pool) // 2] or [len(pool) // 2]))
        known = pool[:size]
        incumbent, shuffled = self.fit(known), self.fit(self.shuffled(known))
        true = examples(held_out)
        self.note("shuffled labels: refused", not self.accepted(incumbent, shuffled, true))
        more = self.fit(pool[: size + max(200, size // 10)])
        self.note("more texts: passed", self.accepted(incumbent, more, true))
        other = self.fit(pool[size : 2 * size])
        self.note("as many other texts: passed", self.accepted(incumbent, other, true))
        self.lean(incumbent, shuffled, known, pool[size : size + max(500, size // 2)], held_out)

    def lean(self, incumbent: TextModel, shuffled: TextModel, known: Rows, new: Rows, held_out: Rows) -> None:
        """Annotators see what the incumbent would choose."""
        stored = self.annotated(incumbent, held_out)
        candidate = self.fit(known, self.annotated(incumbent, new))
        truth = [label for _, label in held_out]
        gain = np.mean([a == b for a, b in zip(answers(candidate, held_out), truth, strict=True)]) - np.mean(
            [a == b for a, b in zip(answers(incumbent, held_out), truth, strict=True)]
        )
        verdict = compare(incumbent, candidate, stored, self.schema, GateRules())
        if gain > 0:
            self.note("leaning labels, truly better: passed", verdict.accepted)
        difference = verdict.figures["difference"]
        assert isinstance(difference, float)
        self.found["estimate less truth"].append(difference - float(gain))
        self.note("leaning labels, shuffled: refused", not self.accepted(incumbent, shuffled, stored))

    @property
    def held_out(self) -> int:
        """How many texts are held out in each round."""
        return min(HELD_OUT, len(self.rows) // 4)

    def fit(self, rows: Rows, more: Sequence[Example] = ()) -> TextModel:
        return TextClassifier.fit([*examples(rows), *more], self.schema, {})

    def accepted(self, incumbent: TextModel, candidate: TextModel, held_out: Sequence[Example]) -> bool:
        return compare(incumbent, candidate, held_out, self.schema, GateRules()).accepted

    def note(self, what: str, yes: bool) -> None:
        self.found[what].append(float(yes))

    def shuffled(self, rows: Rows) -> Rows:
        """The same texts, the labels of some of them given to one another."""
        chosen = self.random.choice(len(rows), int(SHUFFLED * len(rows)), replace=False)
        changed = list(rows)
        for here, there in zip(chosen, self.random.permutation(chosen), strict=True):
            changed[here] = (rows[here][0], rows[there][1])
        return changed

    def annotated(self, incumbent: TextModel, rows: Rows) -> list[Example]:
        """What annotators store who see the incumbent's choice."""
        made = []
        for number, ((text, label), shown) in enumerate(zip(rows, answers(incumbent, rows), strict=True)):
            keeps = shown == label or self.random.random() < ACCEPTED
            origin: Origin = "prediction" if keeps else "prediction-changed"
            made.append(Example(-1 - number, text, {CONTROL: (shown if keeps else label,)}, origin))
        return made


def examples(rows: Rows) -> list[Example]:
    """Labelled without help."""
    return [Example(number, text, {CONTROL: (label,)}) for number, (text, label) in enumerate(rows)]


def answers(model: TextModel, rows: Rows) -> list[str]:
    """The most probable label of each text."""
    columns = model.probabilities(CONTROL, [text for text, _ in rows]).argmax(axis=1)
    return [model.labels[CONTROL][column] for column in columns]


def simulate(rows: Rows, rounds: int, seed: int) -> Simulation:
    """All rounds on one data set."""
    labels = sorted({label for _, label in rows})
    choices = tuple(Choice(label, path=(label,)) for label in labels)
    schema = Schema((Control(CONTROL, "text", "Text", "text", choices, multiple=False),), "bench")
    simulation = Simulation(rows, np.random.default_rng(seed), schema)
    for number in range(rounds):
        simulation.round()
        if (number + 1) % 10 == 0:
            print(f"{number + 1} of {rounds} rounds", flush=True)
    return simulation


def main(argv: list[str] | None = None) -> int:
    """Returns 0; whether the goals are met is read off the page."""
    parser = arguments(__doc__, rounds=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(argv)
    lines: list[str] = []
    data: dict[str, object] = {"rounds": chosen.rounds, "seed": chosen.seed, "ratios": {}}
    for name, rows in data_sets(chosen).items():
        simulation = simulate(rows, chosen.rounds, chosen.seed)
        shares = {
            what: (float(np.mean(simulation.found[what])), len(simulation.found[what]))
            for what in SHARES
            if simulation.found[what]
        }
        lean = float(np.mean(simulation.found["estimate less truth"]))
        told = [(what, f"{100 * share:.1f} %", count, SHARES[what]) for what, (share, count) in shares.items()]
        lines += [f"## {name}", "", f"{chosen.rounds} rounds, {simulation.held_out} texts held out in each.", ""]
        lines += table(("candidate", "share", "rounds", "goal"), told)
        lines += [f"Gain as estimated from leaning labels, less the true gain: {lean:+.4f} on average.", ""]
        data[name] = {"shares": {what: share for what, (share, _) in shares.items()}, "estimate_less_truth": lean}
    page = write("gate", "What the gate refuses and lets pass", lines, data, target=chosen.out)
    print(page.read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
