"""What a model says about where it comes from: its training data in counts, and the versions before it. No texts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING

from labelloop.counting.updates import Cut
from labelloop.datasets.exports import FILE_TIME
from labelloop.datasets.split import FEWEST_MEASURED
from labelloop.label_studio.responses import format_time
from labelloop.models.model import Model

if TYPE_CHECKING:
    from labelloop.datasets.examples import Example
    from labelloop.training.result import Result

VERSIONS_KEPT = 20


def origin(
    result: "Result", training: Sequence["Example"], held_out: Sequence["Example"], limit: float
) -> dict[str, object]:
    """For `metrics["origin"]`: dataset digest, cut, what became of the tasks, and labels by control and class.

    `limit`: the share of texts that may be held out, from which follows how many texts figures need.
    """
    labels: dict[str, Counter[str]] = {}
    for example in chain(training, held_out):
        for control, chosen in example.labels.items():
            labels.setdefault(control, Counter()).update(chosen)
    cut = result.cut
    return {
        "dataset_digest": result.dataset_digest,
        "cut": None if cut is None else {"updated_at": data_time(cut), "size": cut.size},
        "counts": dict(result.counts),
        "trained_on": len(training),
        "held_out": len(held_out),
        "figures_from": ceil(FEWEST_MEASURED / limit) if limit > 0 else None,
        "labels": {control: dict(sorted(counted.items())) for control, counted in sorted(labels.items())},
    }


def history(before: Model | None) -> list[dict[str, object]]:
    """For `metrics["history"]`: the versions that served before, oldest first; `before` is the newest of them."""
    if before is None or not before.version:
        return []
    known = before.metrics.get("history")
    earlier = [entry for entry in known if isinstance(entry, dict)] if isinstance(known, list) else []
    told = before.metrics.get("origin")
    found = told if isinstance(told, Mapping) else {}
    entry = {
        "version": before.version,
        "created_at": before.created_at,
        "accuracy": before.metrics.get("accuracy"),
        "examples": before.metrics.get("examples"),
        "trained_on": found.get("trained_on"),
    }
    return [*(known for known in earlier if known.get("version") != before.version), entry][-VERSIONS_KEPT:]


def data_time(cut: Cut | None) -> str | None:
    """When the newest annotation was changed (RFC 3339); None when files did not say it."""
    text = None if cut is None or cut.updated_at is None else format_time(cut.updated_at)
    return None if text == FILE_TIME else text
