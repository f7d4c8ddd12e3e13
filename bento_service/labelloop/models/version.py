"""Versions of models: derived from content, so that the same data, code and settings give the same version."""

import hashlib
import json
from collections.abc import Mapping

from labelloop import __version__
from labelloop.models.model_files import FORMAT as MODEL_FORMAT

COLD_PREFIX = "cold-"
"""Of versions before any training."""
_DIGITS = 12


def code_version() -> str:
    """The library's version with the format versions of model and snapshot."""
    from labelloop.datasets.snapshot import FORMAT as SNAPSHOT_FORMAT

    return f"{__version__}+model{MODEL_FORMAT}.snapshot{SNAPSHOT_FORMAT}"


def model_version(
    dataset_digest: str, label_config_digest: str, parameters: Mapping[str, object], parent: str | None = None
) -> str:
    """`model-` and 12 hex digits over everything that decides about a trained model's content.

    `parameters` are the effective ones: those of the model and those of the holdout split. `parent` is the version the
    training started from, when it was a warm start.
    """
    content = {
        "dataset": dataset_digest,
        "label_config": label_config_digest,
        "parameters": dict(parameters),
        "code": code_version(),
        "parent": parent,
    }
    return "model-" + _digest(json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False))


def cold_version(image: str | None = None) -> str:
    """`cold-` and 12 hex digits: the version before any training, of an image or (local mode) of the code."""
    return COLD_PREFIX + _digest(image or code_version())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
