"""Estimators that learn from the same labelled texts, and how good their probabilities are.

The peer is the estimator of label-studio-ml's sklearn example (sklearn_text_classifier/model.py): TF-IDF of word
1-3-grams and logistic regression by lbfgs with C=10, fitted on the label names before there is any label.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelloop.datasets.examples import Example
from labelloop.datasets.split import holdout, holdout_fraction
from labelloop.label_config.schema import Choice, Control, Schema
from labelloop.models.text_classifier.cold_start import ColdStart
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.training.training_settings import DEFAULT_HOLDOUT

Rows = Sequence[tuple[str, str]]

CONTROL = "label"
SMALLEST_PROBABILITY = 1e-7
BINS = 15


@dataclass(frozen=True)
class Answers:
    """Probabilities of shape (texts, classes), and the classes in the order of the columns."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]


Answerer = Callable[[Sequence[str]], Answers]


def peer(rows: Rows, labels: Sequence[str]) -> Answerer:
    """Without rows it is fitted on the names, as the example does before any training."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, targets = zip(*(rows or [(name, name) for name in labels]), strict=True)
    pipeline = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 3), token_pattern=r"(?u)\b\w\w+\b|\w"), LogisticRegression(C=10)
    )
    pipeline.fit(texts, targets)
    return lambda texts: Answers(tuple(pipeline.classes_), np.asarray(pipeline.predict_proba(texts), np.float64))


def ours(rows: Rows, labels: Sequence[str], salt: str, limit: float = DEFAULT_HOLDOUT) -> Answerer:
    """The default model as a training makes it: `salt` chooses the held-out texts, which it never sees.

    At most the share `limit` is held out.
    """
    schema = Schema((Control(CONTROL, "text", "Text", "text", tuple(map(Choice, labels)), multiple=False),), "")
    examples = [Example(task, text, {CONTROL: (label,)}) for task, (text, label) in enumerate(rows)]
    training, _ = holdout(examples, salt, holdout_fraction(len(examples), limit))
    model = TextClassifier.fit(training, schema, {}) if training else ColdStart(schema)
    return lambda texts: Answers(model.labels[CONTROL], model.probabilities(CONTROL, texts).astype(np.float64))


def accuracy(answers: Answers, truths: Sequence[str]) -> float:
    """Share of texts whose most probable class is the true one."""
    return float(_right(answers, truths).mean())


def log_loss(answers: Answers, truths: Sequence[str]) -> float:
    """Mean -ln(probability of the truth); a class that was never learned has SMALLEST_PROBABILITY."""
    column = {name: index for index, name in enumerate(answers.classes)}
    given = [
        row[column[truth]] if truth in column else 0 for row, truth in zip(answers.probabilities, truths, strict=True)
    ]
    return float(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1)).mean())


def calibration_error(answers: Answers, truths: Sequence[str], bins: int = BINS) -> float:
    """Expected calibration error of the best class: |confidence - accuracy|, mean over equal-mass bins."""
    confidence = answers.probabilities.max(axis=1)
    right = _right(answers, truths)
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(right)))
    return float(sum(len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts) / len(right))


def separation(inside: Answers, outside: Answers) -> float:
    """AUROC of the best score: how often a text of some class scores above a text of none (ties count half)."""
    from sklearn.metrics import roc_auc_score

    scores = np.concatenate([inside.probabilities.max(axis=1), outside.probabilities.max(axis=1)])
    return float(roc_auc_score([1] * len(inside.probabilities) + [0] * len(outside.probabilities), scores))


def _right(answers: Answers, truths: Sequence[str]) -> NDArray[np.bool_]:
    best = answers.probabilities.argmax(axis=1)
    return np.array([answers.classes[index] == truth for index, truth in zip(best, truths, strict=True)])
