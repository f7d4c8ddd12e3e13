"""Predictions for fixed texts that show whether a model works."""

import logging
from collections.abc import Mapping

from labelloop.label_config.schema import Choice, Control, Schema
from labelloop.prediction.answer_checks import checked
from labelloop.prediction.predictor import Entry, Predictor

GOLDEN_TEXTS = (
    "Where is my order? It should have arrived last week.",
    "Die Rechnung stimmt nicht, bitte prüfen Sie den Betrag.",
    "请问我的退款什么时候到账",
    "👍🏽",
    "0",
    "word " * 2000,
)
EXAMPLE_LABELS = {"label": ("order", "invoice", "refund")}

log = logging.getLogger(__name__)


def self_check(predictor: Predictor) -> str | None:
    """Predict golden texts for the model's own labels; why the answers are wrong, or None when they are right."""
    schema = schema_of_labels(predictor.labels or EXAMPLE_LABELS)
    tasks = [{"data": {"text": text}} for text in GOLDEN_TEXTS]
    try:
        entries = predictor.predict(tasks, schema)
    except Exception as error:  # whatever a model may do wrong must end as "not ready"
        log.exception("The model failed its self-check")
        return f"The model fails on golden texts ({type(error).__name__}): train it again or serve an older version."
    if len(entries) == len(tasks) and all(_is_sound(entry, predictor.version, schema) for entry in entries):
        return None
    return "The model gives no valid answers to golden texts: train it again or serve an older version."


def _is_sound(entry: Entry, version: str, schema: Schema) -> bool:
    (found,) = checked([entry], 1, schema)
    return entry["model_version"] == version and "result" in entry and not found.faults


def schema_of_labels(labels: Mapping[str, tuple[str, ...]]) -> Schema:
    """A labelling configuration for exactly these controls and labels, on a text under the key `text`."""
    controls = (
        Control(name, "text", "Text", "text", tuple(Choice(label) for label in classes), multiple=False)
        for name, classes in labels.items()
    )
    return Schema(tuple(controls), "self-check")
