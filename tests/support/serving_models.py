"""Models for tests: one with given probabilities, one really trained on a few texts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.support.models import AnsweringModel

from labelloop.datasets.examples import Example
from labelloop.label_config.schema import parse_label_config
from labelloop.models.text_classifier.text_classifier import TextClassifier

TEXT = '<Text name="text" value="$text"/>'
LABEL_CONFIG = (
    f'<View>{TEXT}<Choices name="label" toName="text"><Choice value="billing"/>'
    '<Choice value="Delivery" alias="delivery"/><Choice value="login"/></Choices></View>'
)
TRAINED_VERSION = "model-0123456789ab"


class FixedModel(AnsweringModel):
    """Gives the same probabilities to every text."""

    def __init__(self, probabilities: Mapping[str, Mapping[str, float]], version: str = "model-1") -> None:
        self.version = version
        self.labels = {control: tuple(shares) for control, shares in probabilities.items()}
        self._rows = {control: np.array([*shares.values()], np.float32) for control, shares in probabilities.items()}

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(self._rows[control], (len(texts), 1))


def train(directory: Path, label_config: str = LABEL_CONFIG, version: str = TRAINED_VERSION) -> TextClassifier:
    """Train on a few texts for each label and save it as a model directory."""
    schema = parse_label_config(label_config)
    words = {
        "billing": "invoice charge refund card",
        "delivery": "parcel late courier",
        "login": "password reset account",
    }
    texts = [
        (f"{first} {second} {number}", label)
        for label in schema.control.labels
        for first in words.get(label, label).split()
        for second in words.get(label, label).split()
        for number in (1, 2)
    ]
    examples = [Example(n, text, {schema.control.name: (label,)}) for n, (text, label) in enumerate(texts)]
    model = TextClassifier.fit(examples, schema, {})
    model.version = version
    model.save(directory)
    return model


def task(text: object, number: int = 1) -> dict[str, object]:
    return {"id": number, "data": {"text": text}}
