"""The text classifier of label-studio-ml's sklearn example: TF-IDF and logistic regression, saved without pickle."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from labelloop import Example, NotEnoughExamplesError, Schema, TextModel

TOKENS = r"(?u)\b\w\w+\b|\w"


class SklearnTextClassifier(TextModel):
    """One control, a single choice. Only numbers and words are stored; both parts are put together again by `load`."""

    def __init__(self, words: Mapping[str, int], idf: NDArray, coef: NDArray, bias: NDArray, labels: Mapping) -> None:
        self.words, self.idf, self.coef, self.bias = words, idf, coef, bias
        self.labels = {control: tuple(classes) for control, classes in labels.items()}
        self.vectorizer = TfidfVectorizer(ngram_range=(1, 3), vocabulary=dict(words), token_pattern=TOKENS)
        self.vectorizer.idf_ = idf

    @classmethod
    def fit(cls, examples: Sequence[Example], schema: Schema, parameters: Mapping[str, object]) -> Self:
        name = schema.control.name
        said = [example.labels[name][0] for example in examples if name in example.labels]
        texts = [example.text for example in examples if name in example.labels]
        if len(set(said)) < 2:
            raise NotEnoughExamplesError("texts of at least two labels are needed")
        vectorizer = TfidfVectorizer(ngram_range=(1, 3), token_pattern=TOKENS)
        regression = LogisticRegression(C=float(parameters.get("C", 10)), max_iter=1000)
        regression.fit(vectorizer.fit_transform(texts), said)
        words = {word: int(column) for word, column in vectorizer.vocabulary_.items()}
        labels = {name: regression.classes_.tolist()}
        return cls(words, vectorizer.idf_, regression.coef_, regression.intercept_, labels)

    def save(self, directory: Path) -> None:
        np.savez(directory / "arrays.npz", idf=self.idf, coef=self.coef, bias=self.bias)
        (directory / "words.json").write_text(json.dumps({"words": self.words, "labels": self.labels}))

    @classmethod
    def load(cls, directory: Path) -> Self:
        arrays, stored = np.load(directory / "arrays.npz"), json.loads((directory / "words.json").read_text())
        return cls(stored["words"], arrays["idf"], arrays["coef"], arrays["bias"], stored["labels"])

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        logits = self.vectorizer.transform(texts) @ self.coef.T + self.bias
        if logits.shape[1] == 1:  # two classes have one row of coefficients
            logits = np.hstack([np.zeros_like(logits), logits])
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
