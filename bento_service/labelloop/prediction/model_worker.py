"""`python -m labelloop.prediction.model_worker FD`: a custom model in a process of its own, which may be killed.

Speaks JSON over the socket FD: first one message about the model, or why there is none; then an answer to each request.
It ends with its standard input, that is with the server.
"""

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path

import orjson

from labelloop.environment import SettingsError
from labelloop.failures import frames, raise_site
from labelloop.label_config.schema import LabelConfigError, Schema, parse_label_config
from labelloop.models import ModelFileError, TextModel, load_model, store
from labelloop.models.model import Model, Task
from labelloop.prediction.answer_checks import AnswerError, Checked, checked
from labelloop.prediction.predictor import Predictor
from labelloop.prediction.self_check import self_check

SCHEMAS_KEPT = 16


def main() -> int:
    """Load the model that the first message asks for, tell about it, and answer until nobody asks."""
    threading.Thread(target=_end_with_server, daemon=True).start()
    connection = Connection(int(sys.argv[1]))
    wanted = orjson.loads(connection.recv_bytes())
    _limit_memory(wanted["memory"])
    sys.stdout = sys.stderr  # a model's prints are no messages
    try:
        worker = Worker(wanted["class"], None if wanted["directory"] is None else Path(wanted["directory"]))
    except (SettingsError, ModelFileError) as error:
        connection.send_bytes(orjson.dumps({"error": str(error), "wrong_class": isinstance(error, SettingsError)}))
        return 1
    except (Exception, SystemExit) as error:
        connection.send_bytes(orjson.dumps({"error": f"{wanted['class']}.load {_error_message(error)}"}))
        return 1
    connection.send_bytes(orjson.dumps(worker.hello()))
    while True:
        try:
            request = orjson.loads(connection.recv_bytes())
        except EOFError:
            return 0
        connection.send_bytes(orjson.dumps(worker.answer(request)))


class Worker:
    """A model and how it is asked."""

    def __init__(self, name: str, directory: Path | None) -> None:
        """`directory` None: nothing was trained yet. Raises SettingsError, ModelFileError, whatever `load` raises."""
        self._class = store.model_class(name)
        self._trained = None if directory is None else load_model(directory, self._class)
        self._schema = lru_cache(SCHEMAS_KEPT)(lambda text: parse_label_config(text, self._class.scope()))
        self._untrained = lru_cache(SCHEMAS_KEPT)(self._class.untrained)
        trained = self._trained
        self._check = self_check(self._text_predictor(trained)) if isinstance(trained, TextModel) else None

    def hello(self) -> dict[str, object]:
        """What the server must know of the model."""
        scope, model = self._class.scope(), self._trained
        return {
            "controls": scope.controls,
            "objects": scope.objects,
            "whole_tasks": scope.whole_tasks,
            "fixed_version": self._class.FIXED_VERSION,
            "problem": self._check,
            "version": None if model is None else model.version,
            "created_at": None if model is None else model.created_at,
            "metrics": {} if model is None else model.metrics,
            "labels": {} if model is None else model.labels,
        }

    def answer(self, request: Mapping[str, object]) -> dict[str, object]:
        """`answers`, one for each task: `prediction` and `faults`."""
        tasks, context = request["tasks"], request["context"]
        assert isinstance(tasks, list)  # noqa: S101 - the server's own request
        try:
            schema = self._schema(str(request["label_config"]))
        except LabelConfigError:
            return {"answers": [_answer(Checked({})) for _ in tasks]}
        found = self._answers(tasks, schema, context if isinstance(context, Mapping) else None)
        return {"answers": [_answer(each) for each in found]}

    def _answers(self, tasks: list[Task], schema: Schema, context: Mapping[str, object] | None) -> list[Checked]:
        """When the tasks fail together each is tried alone: one of them must not take the others with it."""
        try:
            model = self._trained or self._untrained(schema)
            if model is None:
                return [Checked({}) for _ in tasks]
            return checked(self._predictions(model, tasks, schema, context), len(tasks), schema)
        except AnswerError as error:
            fault = str(error)
        except (Exception, SystemExit) as error:
            _report(error)
            fault = _error_message(error)
        if len(tasks) == 1:
            return [Checked({}, (fault,))]
        return [answer for task in tasks for answer in self._answers([task], schema, context)]

    def _predictions(
        self, model: Model, tasks: list[Task], schema: Schema, context: Mapping[str, object] | None
    ) -> Sequence[object]:
        if isinstance(model, TextModel):
            return self._text_predictor(model).predict(tasks, schema)
        return model.predict(tasks, schema, context)

    @staticmethod
    @lru_cache(1)
    def _text_predictor(model: TextModel) -> Predictor:
        predictor = Predictor(model.version, model)
        predictor.skips_references = False
        return predictor


def _answer(found: Checked) -> dict[str, object]:
    return {"prediction": found.prediction, "faults": found.faults}


def _error_message(error: BaseException) -> str:
    """Class and place of an exception; its message may quote a task."""
    if isinstance(error, MemoryError):
        return "runs out of memory (LABELLOOP_MODEL_MEMORY_MB)"
    return f"fails with {type(error).__name__} ({raise_site(error)})"


def _report(error: BaseException) -> None:
    for place in frames(error):
        sys.stderr.write(f"labelloop model:   {place}\n")


def _limit_memory(megabytes: int) -> None:
    """So that too much is an error in the model, not the end of the server next to it."""
    if megabytes:
        import resource

        limit = megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _end_with_server() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
