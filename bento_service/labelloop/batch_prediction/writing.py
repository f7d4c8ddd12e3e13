"""Writes predictions of one version for the tasks of a project, then removes those of older versions.

What is written already is left out, so a run that was killed is simply done again. After each request to Label Studio
follows a pause as long as the request took: annotators keep half of its time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from labelloop.batch_prediction.answering import Answer
from labelloop.batch_prediction.selection import Prediction, predictions_of, still_there, versions_to_remove
from labelloop.batch_prediction.settings import UNLABELLED, PredictionRules
from labelloop.label_studio import (
    LabelStudioError,
    Operation,
    Rejected,
    count_tasks,
    import_predictions,
    present_ids,
    project,
    remove_predictions,
    stored_versions,
    tasks_without_prediction,
)
from labelloop.label_studio.client import LabelStudioClient
from labelloop.label_studio.prediction_api import CHUNK
from labelloop.label_studio.task_pages import PAGE_SIZE
from labelloop.training.model_calls import ModelFailedError

T = TypeVar("T")
LONGEST_PAUSE = 2.0


@dataclass
class Progress:
    """What a run has done so far."""

    tasks: int = 0
    """Tasks in the scope, those beyond the limit included."""
    written: int = 0
    removed: int = 0
    found: int = 0
    """Tasks that had a prediction of this version before."""
    dropped: int = 0
    """Predictions that Label Studio did not keep."""
    failed: int = 0
    """Tasks on which a custom model failed."""
    failure: str = ""
    left: str = ""
    """Why predictions of older versions are still there."""

    def message(self, version: str, rules: PredictionRules) -> str:
        """For people, one line."""
        kind = "unlabelled tasks" if rules.scope == UNLABELLED else "tasks"
        limited = f" (limit {rules.limit:,})" if self.tasks > rules.limit else ""
        parts = [f"wrote {self.written:,} predictions of {version} for {self.tasks:,} {kind}{limited}"]
        if self.found:
            parts.append(f"{self.found:,} were there already")
        if self.dropped:
            parts.append(f"Label Studio dropped {self.dropped:,}, which do not fit the labelling configuration")
        if self.failed:
            parts.append(f"the custom model failed on {self.failed:,} tasks ({self.failure})")
        parts.append(self.left or f"removed {self.removed:,} of older versions")
        return "; ".join(parts)


class Writing:
    """One run; `progress` is right at any time."""

    def __init__(
        self,
        client: LabelStudioClient,
        number: int,
        version: str,
        rules: PredictionRules,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`number` of the project."""
        self.progress = Progress()
        self._client = client
        self._project = number
        self._version = version
        self._rules = rules
        self._pause = pause
        self._clock = clock

    def run(self, answer: Answer) -> Progress:
        """Write, then remove. Raises LabelStudioError, ModelFailedError; what is written stays."""
        self._write_all(answer)
        if self.progress.failed and not self.progress.written and not self.progress.found:
            raise ModelFailedError(self.progress.failure, ())
        try:
            self._remove_older()
        except LabelStudioError as error:
            self.progress.left = f"predictions of older versions are still there: {error.message.rstrip('.')}"
        return self.progress

    def _write_all(self, answer: Answer) -> None:
        unlabelled = self._rules.scope == UNLABELLED
        self.progress.tasks = self._client.run(count_tasks(self._project, unlabelled=unlabelled))
        missing = self._client.run(count_tasks(self._project, self._version, unlabelled=unlabelled))
        self.progress.found = max(self.progress.tasks - missing, 0)
        room = self._rules.limit - self.progress.found
        above, size, is_last = 0, PAGE_SIZE, False
        waiting: list[Prediction] = []
        while room > 0 and not is_last:
            page = self._gently(
                tasks_without_prediction(self._project, self._version, above, size, unlabelled=unlabelled)
            )
            above, size, is_last = page.last, page.size, page.is_last
            entries = answer(page.items)
            for entry in entries:
                if "error" in entry:
                    self.progress.failed, self.progress.failure = self.progress.failed + 1, entry["error"]
            predictions = predictions_of(page.items, entries)[:room]
            room -= len(predictions)
            waiting += predictions
            while len(waiting) >= CHUNK:
                self._write(waiting[:CHUNK])
                del waiting[:CHUNK]
        self._write(waiting)

    def _write(self, predictions: list[Prediction]) -> None:
        """Label Studio stores nothing of a part that names a task which was deleted meanwhile."""
        while predictions:
            try:
                created = self._gently(import_predictions(self._project, predictions))
            except Rejected:
                first, last = predictions[0]["task"], predictions[-1]["task"]
                assert isinstance(first, int) and isinstance(last, int)  # noqa: PT018, S101 - made by predictions_of
                present = self._client.run(present_ids(self._project, first - 1, last))
                left = still_there(predictions, present)
                if len(left) == len(predictions):
                    raise
                predictions = left
            else:
                self.progress.written += created
                self.progress.dropped += len(predictions) - created
                return

    def _remove_older(self) -> None:
        stored = self._client.run(stored_versions(self._project))
        selected = self._client.run(project(self._project)).model_version
        for version in versions_to_remove(stored, self._version, self._rules.keep_versions, selected):
            self.progress.removed += self._gently(remove_predictions(self._project, version))

    def _gently(self, operation: Operation[T]) -> T:
        began = self._clock()
        result = self._client.run(operation)
        self._pause(min(self._clock() - began, LONGEST_PAUSE))
        return result
