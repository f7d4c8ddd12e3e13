"""What a custom model answers, checked: Label Studio stores whatever it gets, and some of that breaks its pages.

As many predictions as tasks; results for controls of the labelling configuration, with labels that it has; finite
numbers. What is wrong is left out and reported; the rest stands.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelloop.label_config.controls import type_of
from labelloop.label_config.schema import Control, Schema
from labelloop.models.model import Prediction

MAX_BYTES = 8 * 2**20
"""Of one prediction as JSON."""
_TOLD = 3


class AnswerError(ValueError):
    """The answer as a whole cannot be used; the message completes "the model ...", without anything of a task."""


@dataclass(frozen=True)
class Checked:
    """The prediction of one task, without what was wrong with it."""

    prediction: Prediction
    """Plain JSON; without `result` when nothing is left."""
    faults: tuple[str, ...] = ()
    """Completes "the model ..."."""


def checked(predictions: object, tasks: int, schema: Schema) -> list[Checked]:
    """One for each task. Raises AnswerError when they cannot be distinguished."""
    if not isinstance(predictions, Sequence) or isinstance(predictions, str | bytes):
        raise AnswerError(f"gives {type(predictions).__name__} instead of a list of predictions")
    if len(predictions) != tasks:
        raise AnswerError(f"gives {len(predictions)} predictions for {tasks} tasks")
    controls = {control.name: control for control in schema.controls}
    return [_checked(prediction, controls) for prediction in predictions]


def _checked(given: object, controls: Mapping[str, Control]) -> Checked:
    if not given:
        return Checked({})
    if not isinstance(given, Mapping):
        return Checked({}, (f"gives {type(given).__name__} instead of a prediction",))
    try:
        text = json.dumps(given, allow_nan=False, default=_plain)
    except ValueError:
        return _without_numbers(given, controls)
    except (TypeError, RecursionError) as error:
        return Checked({}, (f"gives a prediction that is no JSON ({type(error).__name__})",))
    if len(text) > MAX_BYTES:
        return Checked({}, (f"gives a prediction of {len(text):,} bytes, more than {MAX_BYTES:,}",))
    prediction = json.loads(text)
    found = prediction.get("result", [])
    if not isinstance(found, list):
        return Checked({}, ("gives a result that is no list",))
    results, faults = [], []
    for result in found:
        fault = _fault(result, controls)
        if fault is None:
            results.append(result)
        else:
            faults.append(fault)
    score = prediction.get("score")
    if score is not None and not _is_share(score):
        faults.append(f"gives the score {score!r:.50}, which is not within 0 and 1")
        score = None
    return Checked(_prediction(results, score), tuple(dict.fromkeys(faults))[:_TOLD])


def _without_numbers(given: Mapping[str, Any], controls: Mapping[str, Control]) -> Checked:
    """A prediction with a number that is not finite: each part of it is looked at alone."""
    found = given.get("result")
    parts: list[object] = []
    for result in found if isinstance(found, Sequence) else ():
        try:
            parts.append(json.loads(json.dumps(result, allow_nan=False, default=_plain)))
        except (TypeError, ValueError, RecursionError):
            continue
    checked_parts = _checked({"result": parts}, controls)
    fault = "gives a number that is not finite (NaN or infinite)"
    return Checked(checked_parts.prediction, (fault, *checked_parts.faults)[:_TOLD])


def _fault(result: object, controls: Mapping[str, Control]) -> str | None:
    """What is wrong with one result, or None."""
    if not isinstance(result, dict):
        return "gives a result that is no object"
    control = controls.get(str(result.get("from_name")))
    if control is None:
        return f"gives a result for {result.get('from_name')!r:.80}, which is no control it may answer"
    for name, wanted in (("to_name", control.object_name), ("type", control.result_type)):
        if result.get(name) != wanted:
            return f"gives a result for {control.name!r} with {name} {result.get(name)!r:.80} instead of {wanted!r}"
    value = result.get("value")
    if not isinstance(value, dict):
        return f"gives a result for {control.name!r} without value"
    if "score" in result and not _is_share(result["score"]):
        return f"gives a result for {control.name!r} with the score {result['score']!r:.50}, not within 0 and 1"
    return type_of(control).fault(control, value)


def _is_share(score: object) -> bool:
    return isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1


def _prediction(results: list[dict[str, object]], score: float | None) -> Prediction:
    if not results:
        return {}
    scores = [found for result in results if isinstance(found := result.get("score"), int | float)]
    if score is None and scores:
        score = min(scores)
    return Prediction(result=results) if score is None else Prediction(result=results, score=score)


def _plain(value: object) -> object:
    """Numbers and arrays of numpy as Python's. Raises TypeError."""
    for method in ("tolist", "item"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise TypeError(type(value).__name__)
