"""The text classifier: hashed character n-grams and logistic regression, trained by scikit-learn, served by numpy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from labelloop.models import features, files, linear
from labelloop.models.features import WindowParameters
from labelloop.models.linear import LinearHead
from labelloop.models.model import Model, ModelFileError, NotEnoughExamplesError, ParameterError
from labelloop.models.vocabulary import Vocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from labelloop.datasets.examples import Example
    from labelloop.label_config import Control, Schema

DEFAULT_C = 10.0
MAX_CLASSES = 10_000
_HEAD_ARRAYS = ("weights", "scale", "bias", "slope", "offset", "thresholds")
_FEATURE_METHOD = "hashed-character-windows"


class TextClassifier(Model):
    """One vocabulary of hashed n-grams, one linear head per control."""

    KIND: ClassVar[str] = "text-classifier"

    def __init__(
        self, vocabulary: Vocabulary, heads: Mapping[str, LinearHead], labels: Mapping[str, tuple[str, ...]]
    ) -> None:
        """`heads` and `labels` by control name, in the order in which they are stored."""
        self.labels = dict(labels)
        self._vocabulary = vocabulary
        self._heads = dict(heads)
        self._folded = {name: head.folded() for name, head in self._heads.items()}

    @classmethod
    def fit(cls, examples: Sequence["Example"], schema: "Schema", parameters: Mapping[str, object]) -> Self:
        """See Model.fit. `parameters`: `C`, the inverse strength of regularisation (default 10)."""
        c = regularisation(parameters)
        targets = {control.name: _targets(examples, control) for control in schema.controls}
        labels = {name: unique_labels(chosen) for name, chosen in targets.items()}
        if max(map(len, labels.values())) < 2:
            raise NotEnoughExamplesError(_too_few(labels))
        texts = [example.text for example in examples]
        vocabulary, entries = Vocabulary.learn(texts, WindowParameters(), minimum_texts=2)
        if not len(vocabulary):
            raise NotEnoughExamplesError("none of the texts has a character to learn from: check the tasks' text")
        matrix = vocabulary.matrix(entries, len(texts))
        usable = [control for control in schema.controls if len(labels[control.name]) >= 2]
        heads = {
            control.name: _fit_head(matrix, targets[control.name], labels[control.name], control.multiple, c)
            for control in usable
        }
        return cls(vocabulary, heads, {name: labels[name] for name in heads})

    def probabilities(self, control: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Model.probabilities."""
        weights, bias = self._folded[control]
        logits = self._vocabulary.scores(texts, weights)
        logits += bias
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
                "max_characters": features.MAX_CHARACTERS,
            },
        }
        arrays: dict[str, NDArray[Any]] = {"ids": self._vocabulary.ids, "idf": self._vocabulary.idf}
        for position, name in enumerate(controls):
            for array in _HEAD_ARRAYS:
                arrays[f"control{position}.{array}"] = getattr(self._heads[name], array)
        files.write(directory, document, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See Model.load."""
        document = files.read_document(directory)
        arrays = files.read_arrays(directory, document)
        try:
            return cls._from_parts(document, arrays)
        except KeyError as error:
            raise ModelFileError(f"{directory}: {error} is missing: write the model again") from None
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            raise ModelFileError(f"{directory}: {error}: write the model again") from None

    @classmethod
    def _from_parts(cls, document: files.Document, arrays: files.Arrays) -> Self:
        """Build the model from what stood in the files; ValueError, TypeError or KeyError when they do not fit."""
        described = document["features"]
        if document["kind"] != cls.KIND or described["method"] != _FEATURE_METHOD:
            raise ValueError(f"kind {document['kind']!r} with features {described['method']!r} is unknown")
        if described["max_characters"] != features.MAX_CHARACTERS:
            raise ValueError(f"max_characters is {described['max_characters']!r}, known is {features.MAX_CHARACTERS}")
        windows = WindowParameters(*(_integer(described[key]) for key in ("shortest", "longest", "bits")))
        ids, idf = arrays["ids"], arrays["idf"]
        _check_shape("idf", idf, "<f4", (len(ids),))
        _check_shape("ids", ids, "<u4", (len(ids),))
        if len(ids) == 0 or (ids[1:] <= ids[:-1]).any() or ids[-1] >= 1 << windows.bits:
            raise ValueError(f"the feature ids are not ascending below 2**{windows.bits}")
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


def _targets(examples: Sequence["Example"], control: "Control") -> list[tuple[str, ...]]:
    """Per example the labels for one control (empty: none), of a single-choice control at most one."""
    chosen = [tuple(example.labels.get(control.name, ())) for example in examples]
    return chosen if control.multiple else [labels[:1] for labels in chosen]


def unique_labels(chosen: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All labels that occur, sorted."""
    return tuple(sorted({label for labels in chosen for label in labels}))


def _too_few(labels: Mapping[str, Sequence[str]]) -> str:
    found = "; ".join(f"{name!r}: {', '.join(map(repr, names)) or 'none'}" for name, names in labels.items())
    return f"examples of at least two labels are needed to train, found for {found}: annotate texts of other labels"


def _fit_head(
    matrix: "csr_array", labels: Sequence[tuple[str, ...]], classes: tuple[str, ...], multiple: bool, c: float
) -> LinearHead:
    labelled = np.array([bool(chosen) for chosen in labels])
    matrix = matrix[np.flatnonzero(labelled)]
    column = {label: index for index, label in enumerate(classes)}
    if not multiple:
        targets = np.array([column[chosen[0]] for chosen in labels if chosen])
        return linear.fit_single_choice(matrix, targets, len(classes), c)
    members = np.zeros((matrix.shape[0], len(classes)), np.bool_)
    for row, chosen in enumerate(chosen for chosen in labels if chosen):
        members[row, [column[label] for label in chosen]] = True
    return linear.fit_multiple_choice(matrix, members, c)


def _stored_head(arrays: files.Arrays, position: int, size: int, k: int, multiple: bool) -> LinearHead:
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
