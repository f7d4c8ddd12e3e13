"""The dummy image classifier of Label Studio's guide: always the first choice, fixed scores, a fixed version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from labelloop import Example, Model, Prediction, Schema, Task, result_of


class DummyImageClassifier(Model):
    """`<Choices>` on `<Image>`; it never learns, so that it answers from the start and keeps its version."""

    CONTROLS = ("Choices",)
    OBJECTS = ("Image",)
    FIXED_VERSION = "delorean-20151021"

    @classmethod
    def untrained(cls, schema: Schema) -> Self:
        return cls()

    @classmethod
    def fit(cls, examples: Sequence[Example], schema: Schema, parameters: Mapping[str, object]) -> Self:
        return cls()

    def save(self, directory: Path) -> None:
        """There is nothing to keep."""

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls()

    def predict(self, tasks: Sequence[Task], schema: Schema, context: object = None) -> list[Prediction]:
        control = schema.control
        region = result_of(control, [control.choices[0].stored], score=0.5)
        return [Prediction(result=[region], score=0.987) for _ in tasks]
