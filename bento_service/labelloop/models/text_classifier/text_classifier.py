"""The text classifier: hashed n-grams and pairs of words, logistic regression; trained by scipy, served by numpy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from labelloop.models import model_files
from labelloop.models.errors import ModelFileError, NotEnoughExamplesError, ParameterError
from labelloop.models.model import TextModel
from labelloop.models.text_classifier import linear
from labelloop.models.text_classifier.cold_start import description
from labelloop.models.text_classifier.linear import HeadTask, LinearHead
from labelloop.models.text_classifier.scoring import Scorer
from labelloop.models.text_classifier.vocabulary import Vocabulary, id_limit
from labelloop.text import features
from labelloop.text.features import WindowParameters

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.label_config.schema import Control, Schema

DEFAULT_C = 10.0
MAX_CLASSES = 10_000
MAX_UNUSED = 1_000
"""Of more configured labels only those that examples have are learned."""
_HEAD_ARRAYS = ("weights", "scale", "bias", "slope", "offset", "thresholds")
_FEATURE_METHOD = "hashed-words"


class TextClassifier(TextModel):
    """One vocabulary of hashed n-grams, one linear head per control."""

    KIND: ClassVar[str] = "text-classifier"

    def __init__(
        self, vocabulary: Vocabulary, heads: Mapping[str, LinearHead], labels: Mapping[str, tuple[str, ...]]
    ) -> None:
        """`heads` and `labels` by control name, in the order in which they are stored."""
        self.labels = dict(labels)
        self._vocabulary = vocabulary
        self._heads = dict(heads)
        self._scorers, self._bias = {}, {}
        for name, head in heads.items():
            weights, self._bias[name] = head.folded()
            self._scorers[name] = Scorer(vocabulary, weights)

    @classmethod
    def fit(cls, examples: Sequence["Example"], schema: "Schema", parameters: Mapping[str, object]) -> Self:
        """See Model.fit. `parameters`: `C`, the inverse strength of regularisation (default 10)."""
        from labelloop.models.text_classifier.fitting import fit_text_heads
        from labelloop.text.words import Words

        c = regularisation(parameters)
        chosen = {control.name: _chosen(examples, control) for control in schema.controls}
        labels = {name: unique_labels(labels) for name, labels in chosen.items()}
        if max(map(len, labels.values())) < 2:
            raise NotEnoughExamplesError(_too_few(labels))
        texts = [example.text for example in examples]
        words, checksums = Words.of(texts), features.checksums(texts)
        if not words.distinct:
            raise NotEnoughExamplesError("none of the texts has a character to learn from: check the tasks' text")
        tasks = [
            HeadTask(control.name, chosen[control.name], _descriptions(control, labels[control.name]), control.multiple)
            for control in schema.controls
            if len(labels[control.name]) >= 2
        ]
        vocabulary, heads = fit_text_heads(words, checksums, tasks, c)
        return cls(vocabulary, heads, {task.name: tuple(task.descriptions) for task in tasks})

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Model.probabilities."""
        logits = self._scorers[control].scores(texts)
        logits += self._bias[control]
        return linear.probabilities(logits, multiple=self._heads[control].multiple)

    def thresholds(self, control: str) -> NDArray[np.float32]:
        """See Model.thresholds."""
        return self._heads[control].thresholds

    def save(self, directory: Path) -> None:
        """See Model.save."""
        controls = list(self.labels)
        document = {
            "kind": self.KIND,
            "version": self.version,
            "created_at": self.created_at,
            "metrics": dict(self.metrics),
            "labels": {name: list(self.labels[name]) for name in controls},
            "controls": [{"name": name, "multiple": self._heads[name].multiple} for name in controls],
            "features": {
                "method": _FEATURE_METHOD,
                "shortest": self._vocabulary.windows.shortest,
                "longest": self._vocabulary.windows.longest,
                "bits": self._vocabulary.windows.bits,
                "pair_bits": features.PAIR_BITS,
                "max_characters": features.MAX_CHARACTERS,
            },
        }
        arrays: dict[str, NDArray[Any]] = {"ids": self._vocabulary.ids, "idf": self._vocabulary.idf}
        for position, name in enumerate(controls):
            for array in _HEAD_ARRAYS:
                arrays[f"control{position}.{array}"] = getattr(self._heads[name], array)
        model_files.write(directory, document, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See Model.load."""
        document = model_files.read_document(directory)
        arrays = model_files.read_arrays(directory, document)
        try:
            return cls._from_parts(document, arrays)
        except KeyError as error:
            raise ModelFileError(f"{directory}: {str(error)[:200]} is missing: write the model again") from None
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise ModelFileError(f"{directory}: {str(error)[:500]}: write the model again") from None

    @classmethod
    def _from_parts(cls, document: model_files.Document, arrays: model_files.Arrays) -> Self:
        """Build the model from what stood in the files; ValueError, TypeError or KeyError when they do not fit."""
        described = document["features"]
        if document["kind"] != cls.KIND or described["method"] != _FEATURE_METHOD:
            raise ValueError(f"kind {document['kind']!r} with features {described['method']!r} is unknown")
        if described["max_characters"] != features.MAX_CHARACTERS:
            raise ValueError(f"max_characters is {described['max_characters']!r}, known is {features.MAX_CHARACTERS}")
        if described["pair_bits"] != features.PAIR_BITS:
            raise ValueError(f"pair_bits is {described['pair_bits']!r}, known is {features.PAIR_BITS}")
        windows = WindowParameters(*(_integer(described[key]) for key in ("shortest", "longest", "bits")))
        ids, idf = arrays["ids"], arrays["idf"]
        _check_shape("idf", idf, "<f4", (len(ids),))
        _check_shape("ids", ids, "<u4", (len(ids),))
        if len(ids) == 0 or (ids[1:] <= ids[:-1]).any() or ids[-1] >= id_limit(windows):
            raise ValueError(f"the feature ids are not ascending below {id_limit(windows)}")
        heads, labels = {}, {}
        for position, control in enumerate(document["controls"]):
            name = _text(control["name"])
            labels[name] = _stored_labels(document["labels"][name])
            heads[name] = _stored_head(arrays, position, len(ids), len(labels[name]), control["multiple"] is True)
        model = cls(Vocabulary(windows, ids, idf), heads, labels)
        model.version = _text(document["version"])
        model.created_at = None if document["created_at"] is None else _text(document["created_at"])
        model.metrics = dict(document["metrics"])
        return model


def regularisation(parameters: Mapping[str, object]) -> float:
    """`C` of `parameters`; raises ParameterError for a wrong value or an unknown parameter."""
    unknown = sorted(set(parameters) - {"C"})
    if unknown:
        raise ParameterError(f"model parameter {unknown[0]!r} is unknown: the text classifier takes C only")
    value = parameters.get("C", DEFAULT_C)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e6:
        raise ParameterError(f"model parameter C is {value!r}: use a number above 0 and at most 1,000,000, such as 10")
    return float(value)


def _chosen(examples: Sequence["Example"], control: "Control") -> list[tuple[str, ...]]:
    """Per example the labels for one control (empty: none), of a single-choice control at most one."""
    chosen = [tuple(example.labels.get(control.name, ())) for example in examples]
    return chosen if control.multiple else [labels[:1] for labels in chosen]


def unique_labels(chosen: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All labels that occur, sorted."""
    return tuple(sorted({label for labels in chosen for label in labels}))


def _descriptions(control: "Control", found: Sequence[str]) -> dict[str, str]:
    """Class -> what it says about itself. Classes nobody has used yet are known by their names alone."""
    described = {choice.stored: description(choice) for choice in control.choices}
    unused = described if len(described) <= MAX_UNUSED else {}
    return {label: described.get(label, label) for label in sorted({*found, *unused})}


def _too_few(labels: Mapping[str, Sequence[str]]) -> str:
    found = "; ".join(f"{name!r}: {', '.join(map(repr, names)) or 'none'}" for name, names in labels.items())
    return f"examples of at least two labels are needed to train, found for {found}: annotate texts of other labels"


def _stored_head(arrays: model_files.Arrays, position: int, size: int, k: int, multiple: bool) -> LinearHead:
    parts = {name: arrays[f"control{position}.{name}"] for name in _HEAD_ARRAYS}
    _check_shape(f"control{position}.weights", parts["weights"], "|i1", (size, k))
    for name in _HEAD_ARRAYS[1:]:
        _check_shape(f"control{position}.{name}", parts[name], "<f4", (k,))
    return LinearHead(**parts, multiple=multiple)


def _check_shape(name: str, array: NDArray[Any], dtype: str, shape: tuple[int, ...]) -> None:
    if array.dtype.str != dtype or array.shape != shape:
        raise ValueError(f"{name} is {array.dtype.str} of shape {array.shape} instead of {dtype} of shape {shape}")


def _stored_labels(labels: object) -> tuple[str, ...]:
    if (
        not isinstance(labels, list)
        or not 2 <= len(labels) <= MAX_CLASSES
        or len(set(map(_text, labels))) < len(labels)
    ):
        raise ValueError("the labels are not a list of at least two different names")
    return tuple(labels)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.100} is not text")
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.100} is not a whole number")
    return value
