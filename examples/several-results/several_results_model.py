"""Several results per prediction: a choice for the image and rectangles in it, learnt without looking at pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from labelloop import Example, Model, NotEnoughExamplesError, Prediction, Schema, Task, result_of

SIDES = "x", "y", "width", "height"


def mean(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How often a label was given, and the mean rectangle in percent of the image."""
    return {"seen": len(values), "sides": {side: float(np.mean([v.get(side, 0) for v in values])) for side in SIDES}}


class SeveralResults(Model):
    """`facts`: control -> label -> what `mean` tells."""

    CONTROLS = ("Choices", "RectangleLabels")
    OBJECTS = ("Image",)

    def __init__(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        self.facts = facts

    @classmethod
    def fit(cls, examples: Sequence[Example], schema: Schema, parameters: Mapping[str, object]) -> Self:
        seen: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for result in [result for example in examples for result in example.results]:
            for label in result["value"].get(result["type"], ()):
                seen.setdefault(result["from_name"], {}).setdefault(label, []).append(result["value"])
        if not seen:
            raise NotEnoughExamplesError("no image has a label yet")
        return cls({control: {label: mean(values) for label, values in seen[control].items()} for control in seen})

    def save(self, directory: Path) -> None:
        (directory / "facts.json").write_text(json.dumps(self.facts))

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls(json.loads((directory / "facts.json").read_text()))

    def predict(self, tasks: Sequence[Task], schema: Schema, context: object = None) -> list[Prediction]:
        results = []
        for control in schema.controls:
            known = {label: fact for label, fact in self.facts.get(control.name, {}).items() if label in control.labels}
            if control.result_type == "choices" and known:
                results.append(result_of(control, [max(known, key=lambda label: known[label]["seen"])], score=0.7))
            elif control.result_type == "rectanglelabels":
                results += [result_of(control, [label], 0.6, **fact["sides"]) for label, fact in known.items()]
        return [Prediction(result=results) for _ in tasks]
