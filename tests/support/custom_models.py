"""Custom models that do what their tasks say: right, or one of the things that go wrong."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import Schema
from labelloop.models import Model, Prediction, custom, result_of
from labelloop.models.model import Task

IMAGE_CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="kind" toName="image">'
    '<Choice value="car"/><Choice value="plane"/></Choices></View>'
)
ROOT = Path(__file__).parents[2]
MEGABYTE = 2**20
MODULE = __name__
VERSION = "model-0123456789ab"


class Obedient(Model):
    """Says the choice that it has seen most; what a task's `do` says otherwise, it does."""

    CONTROLS = ("Choices",)
    OBJECTS = ("Image",)

    def __init__(self, most: str = "car") -> None:
        self.most = most

    @classmethod
    def fit(cls, examples: Sequence[Example], schema: Schema, parameters: Mapping[str, object]) -> Self:
        obey(str(parameters.get("do", "")), "fit")
        said = [example.labels["kind"][0] for example in examples if "kind" in example.labels]
        assert all(example.data["image"].startswith("http") for example in examples)
        made = cls(max(sorted(set(said)), key=said.count))
        made.saves = str(parameters.get("saves", "json"))
        return made

    saves = "json"

    def save(self, directory: Path) -> None:
        obey(self.saves, "save")
        (directory / "most.json").write_text(json.dumps(self.most))
        if self.saves == "pickle":
            (directory / "most.bin").write_bytes(b"\x80\x04N.")
        if self.saves == "nothing":
            (directory / "most.json").unlink()

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls(json.loads((directory / "most.json").read_text()))

    def predict(
        self, tasks: Sequence[Task], schema: Schema, context: Mapping[str, object] | None = None
    ) -> list[Prediction]:
        orders = [str(task["data"].get("do", "")) for task in tasks]
        for order in orders:
            obey(order, "predict")
        predictions = [Prediction(result=[_result(order, self.most, schema)], score=0.9) for order in orders]
        return predictions[:-1] if "few" in orders else predictions


class Untrained(Obedient):
    """Answers before any training."""

    FIXED_VERSION = "fixed-1"

    @classmethod
    def untrained(cls, schema: Schema) -> Self:
        return cls("plane")


class Broken(Obedient):
    """Cannot be loaded."""

    @classmethod
    def load(cls, directory: Path) -> Self:
        raise RuntimeError("some text of a task")


def stored(folder: Path) -> Path:
    """The folder, with a model in it that says "plane"."""
    model = Obedient("plane")
    model.version = VERSION
    custom.save(model, folder)
    return folder


def obey(order: str, where: str) -> None:
    """Go wrong as ordered."""
    if order == "raise":
        raise ValueError("some text of a task")
    if order == "exit":
        sys.exit(3)
    if order == "die":
        os._exit(3)
    if order == "hang":
        import threading

        threading.Event().wait(200)
    if order == "memory":
        np.ones(2000 * MEGABYTE, np.uint8)
    if order == "wait-for-file":  # until a test lets go
        import time

        while not Path(os.environ["LET_GO"]).exists():
            time.sleep(0.01)


def _result(order: str, label: str, schema: Schema) -> Mapping[str, object]:
    if order == "unknown":
        return result_of(schema.control, ["submarine"], 0.5)
    if order == "nan":
        return result_of(schema.control, [label], float("nan"))
    if order == "numpy":
        return result_of(schema.control, [label], np.float32(0.25))  # type: ignore[arg-type]
    if order == "control":
        return {**result_of(schema.control, [label], 0.5), "from_name": "other"}
    return result_of(schema.control, [label], 0.5)
