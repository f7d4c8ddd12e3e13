"""Answers for many tasks by the code that serves them, in portions that a slow custom model can answer in time."""

from collections.abc import Callable, Sequence

from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio import Task
from labelloop.prediction.model_loading import Serving
from labelloop.prediction.predictor import Entry, Predictor
from labelloop.training.model_calls import ModelFailedError

PORTION, CUSTOM_PORTION = 256, 32
"""Tasks at a time; a custom model has 90 s for them."""
MOST_FAILURES = 3
"""Portions in a row without an answer, after which a custom model is given up."""

Answer = Callable[[Sequence[Task]], list[Entry]]


def answering(serving: Serving, label_config: str) -> Answer:
    """Answers tasks with what `serving` holds, which is ready. Raises LabelConfigError.

    The answers are those of `/predict`. They raise ModelFailedError for a custom model that answers nothing.
    """
    predictor = serving.predictor
    assert predictor is not None  # noqa: S101 - it is ready
    if isinstance(predictor, Predictor):
        schema = parse_label_config(label_config, serving.scope)
        return _by_portions(lambda tasks: predictor.predict(tasks, schema), PORTION)
    return _by_portions(lambda tasks: predictor.answer(tasks, label_config), CUSTOM_PORTION)


def _by_portions(predict: Callable[[list[object]], list[Entry]], size: int) -> Answer:
    failures = 0

    def answer(tasks: Sequence[Task]) -> list[Entry]:
        nonlocal failures
        entries: list[Entry] = []
        for first in range(0, len(tasks), size):
            portion = predict([{"id": task.id, "data": task.data} for task in tasks[first : first + size]])
            failed = [entry["error"] for entry in portion if "error" in entry]
            failures = failures + 1 if len(failed) == len(portion) else 0
            if failures == MOST_FAILURES:
                raise ModelFailedError(failed[0], ())
            entries += portion
        return entries

    return answer
