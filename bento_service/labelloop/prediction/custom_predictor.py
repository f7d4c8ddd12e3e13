"""Predictions of a custom model: bounded in time and memory, checked, and what goes wrong reported.

The model runs in processes of its own, so that whatever it does, Label Studio's other requests are answered. A process
that hangs or ends is replaced in the background; its tasks get entries with `error` and without `result`, which Label
Studio takes as "no prediction".
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import cast

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.datasets.rows import canonical_data
from labelloop.label_config.schema import Scope
from labelloop.models.control_answers import Region
from labelloop.models.version import cold_version
from labelloop.prediction.model_process import ModelProcess, ModelProcessError
from labelloop.prediction.predictor import Entry

ANSWER_SECONDS = 90.0
"""For a whole request: Label Studio gives up after 100 s, the server after 95."""
FIRST_CHUNK, MOST_TASKS = 8, 256
QUICK, SLOW = 0.5, 2.0
"""Seconds for which more, or fewer, tasks are predicted at a time."""
LONGEST_PAUSE = 60.0
LOG_EVERY = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CustomModel:
    """What a custom model says about itself; as much of a model as the server sees."""

    name: str
    scope: Scope
    version: str
    created_at: str | None
    labels: Mapping[str, tuple[str, ...]]
    metrics: Mapping[str, object]


@dataclass
class Fault:
    """What last went wrong."""

    message: str
    at: str
    times: int = 1


@dataclass
class Faults:
    """What went wrong, for /health and log; a message that repeats itself is logged once a minute."""

    last: Fault | None = None
    _logged: dict[str, float] = field(default_factory=dict)

    def report(self, message: str) -> None:
        """One more."""
        times = self.last.times + 1 if self.last is not None and self.last.message == message else 1
        self.last = Fault(message, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", times)
        now = time.monotonic()
        if now - self._logged.get(message, -LOG_EVERY) >= LOG_EVERY:
            if len(self._logged) > 100:
                self._logged.clear()
            self._logged[message] = now
            log.warning("The model %s", message)


class CustomPredictor:
    """Answers tasks with a custom model. `answer` blocks, and may be called by several threads."""

    held_back: Callable[[str], bool] | None = None
    """Tells the tasks (their data as canonical JSON) to which nothing is said; None: there are none."""

    def __init__(self, settings: CustomModelSettings, directory: Path | None, cold: str | None = None) -> None:
        """Returns when the model is loaded. `directory` None: not trained; `cold`: the version of that.

        Raises ModelProcessError that says why it cannot be loaded.
        """
        self._settings = settings
        self._directory = directory
        self.faults = Faults()
        self._closed = False
        self._chunk = FIRST_CHUNK
        first = ModelProcess(settings, directory)
        try:
            told = first.hello()
            self.problem = None if told["problem"] is None else str(told["problem"])
            self.model = _described(settings.class_name, told, cold)
        except ModelProcessError:
            first.kill()
            raise
        self._identity = blake2b(self.version.encode("utf-8", "replace"), digest_size=4).hexdigest()
        self._idle: queue.SimpleQueue[ModelProcess] = queue.SimpleQueue()
        self._idle.put(first)
        for _ in range(settings.processes - 1):
            self._replace()

    @property
    def version(self) -> str:
        """Of every answer."""
        return self.model.version

    @property
    def model_class(self) -> str:
        """Name for people."""
        return self.model.name.rpartition(":")[2]

    def close(self) -> None:
        """End the processes that do nothing, and those that are busy when they are done."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get_nowait().kill()

    def answer(self, tasks: Sequence[object], label_config: str, context: object = None) -> list[Entry]:
        """One entry for each task, in order; with `error` instead of `result` where the model went wrong."""
        entries: list[Entry] = [{"model_version": self.version} for _ in tasks]
        asked = [number for number, task in enumerate(tasks) if self._is_asked(task)]
        until = time.monotonic() + ANSWER_SECONDS
        position = 0
        while position < len(asked):
            numbers = asked[position : position + self._chunk]
            request = {"tasks": [tasks[number] for number in numbers], "label_config": label_config, "context": context}
            try:
                answers = self._ask(request, until)
            except ModelProcessError as error:
                self.faults.report(str(error))
                # What hung for these tasks may hang for the next ones: a request hangs once.
                for number in asked[position:]:
                    entries[number]["error"] = f"The model {error}"
                break
            for number, answer in zip(numbers, answers, strict=True):
                self._fill(entries[number], number, answer)
            position += len(numbers)
        return entries

    def _is_asked(self, task: object) -> bool:
        data = task.get("data") if isinstance(task, Mapping) else None
        if not isinstance(data, Mapping):
            return False
        return self.held_back is None or not self.held_back(canonical_data(data))

    def _ask(self, request: Mapping[str, object], until: float) -> list[dict[str, object]]:
        """Raises ModelProcessError."""
        began = time.monotonic()
        limit = self._settings.predict_seconds
        try:
            process = self._idle.get(timeout=max(min(limit, until - began), 0))
        except queue.Empty:
            raise ModelProcessError("is busy with other requests, or starting again") from None
        try:
            asked = time.monotonic()
            answer = process.ask(request, min(limit, until - asked))
        except BaseException:
            process.kill()
            self._replace()
            raise
        self._idle.put(process)
        self._learn(time.monotonic() - asked)
        answers = answer["answers"]
        assert isinstance(answers, list)  # noqa: S101 - our own worker's
        return answers

    def _learn(self, seconds: float) -> None:
        """How many tasks to predict at a time: as many as take about a second."""
        if seconds < QUICK:
            self._chunk = min(self._chunk * 2, MOST_TASKS)
        elif seconds > SLOW:
            self._chunk = max(self._chunk // 2, 1)

    def _fill(self, entry: Entry, number: int, answer: Mapping[str, object]) -> None:
        prediction, faults = answer["prediction"], answer["faults"]
        assert isinstance(prediction, dict) and isinstance(faults, list)  # noqa: PT018, S101 - our own worker's
        for fault in faults:
            self.faults.report(fault)
        if "result" in prediction:
            results = enumerate(prediction["result"])
            named: list[object] = [{"id": f"{self._identity}-{number}-{place}", **result} for place, result in results]
            entry["result"] = cast("list[Region]", named)
            if "score" in prediction:
                entry["score"] = prediction["score"]
        elif faults:
            entry["error"] = f"The model {faults[0]}"

    def _replace(self) -> None:
        """Another process, started in the background."""
        threading.Thread(target=self._start_again, name="labelloop-model", daemon=True).start()

    def _start_again(self) -> None:
        pause = 1.0
        while not self._closed:
            process = ModelProcess(self._settings, self._directory)
            try:
                process.hello()
            except ModelProcessError as error:
                process.kill()
                self.faults.report(f"cannot be started again: {error}")
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._idle.put(process)
                return


def _described(name: str, told: Mapping[str, object], cold: str | None) -> CustomModel:
    """From a worker's first message."""
    controls, objects, labels, metrics = told["controls"], told["objects"], told["labels"], told["metrics"]
    assert isinstance(controls, list) and isinstance(objects, list)  # noqa: PT018, S101 - our own worker's
    assert isinstance(labels, dict) and isinstance(metrics, dict)  # noqa: PT018, S101
    fixed = None if told["fixed_version"] is None else str(told["fixed_version"])
    version = told["version"] or cold or fixed or cold_version()
    return CustomModel(
        name,
        Scope(tuple(controls), tuple(objects), told["whole_tasks"] is True),
        str(version),
        None if told["created_at"] is None else str(told["created_at"]),
        {control: tuple(names) for control, names in labels.items()},
        metrics,
    )
