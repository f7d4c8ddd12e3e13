"""Model directories and snapshots as a hostile registry or a broken disk would hand them over."""

import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
from tests.fuzz.cases import Broken, Memory, Report, fuzz, quiet
from tests.fuzz.hostile_files import hostile_model, hostile_snapshot
from tests.unit.models.samples import ODD_TEXTS, examples, schema

from labelloop.datasets.snapshot import Snapshot, SnapshotError
from labelloop.label_config.schema import parse_label_config
from labelloop.label_studio.task_api import Task
from labelloop.models import ModelFileError, TextModel, load_model
from labelloop.models.text_classifier.text_classifier import TextClassifier
from labelloop.prediction.model_loading import load_serving
from labelloop.serving.serving_settings import ServingSettings

LONGEST_MESSAGE = 1500
ALLOWED_GROWTH = 128 * 2**20
TEXTS = [text[:1000] for text in ODD_TEXTS]
CHOICES = '<Choices name="c" toName="t"><Choice value="a"/><Choice value="b"/></Choices>'
CONFIG = f'<View><Text name="t" value="$text"/>{CHOICES}</View>'
URL = "http://label-studio.example"

Case = dict[str, int | str]
KINDS = ("model", "snapshot")


class FilesTarget:
    """See the module."""

    name = "files"
    full = 40_000
    short = 500

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="labelloop-fuzz-")
        self._root = Path(self._folder.name)
        self._marker = self._root / "executed"

    def run(self, cases: int, seed: int) -> Report:
        """Run that many cases."""
        report = Report(self.name)
        report.memory = Memory("self", ALLOWED_GROWTH)
        with quiet("labelloop"):
            return fuzz(report, cases, seed, self.make, self.check)

    def make(self, random: Random) -> Case:
        """A kind of file and the seed of what is done to it."""
        return {
            "what": random.choice(KINDS),
            "seed": random.getrandbits(40),
        }

    def check(self, case: Case) -> str:
        """A model or snapshot that works, or its own error with a message; no code executed, no endless reading."""
        checks = {"model": self._model, "snapshot": self._snapshot}
        outcome = checks.get(str(case.get("what")), self._snapshot)(Random(case.get("seed", 0)))
        if self._marker.exists():
            self._marker.rmdir()
            raise Broken("code in the file was executed")
        return outcome

    def _model(self, random: Random) -> str:
        directory = self._root / "model"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        done = hostile_model(directory, self._good_model, self._marker, random)
        try:
            _check_model(load_model(directory))
            outcome = "model loaded"
        except ModelFileError as error:
            _check_message(f"{done}: {error}")
            outcome = "model refused"
        if random.random() < 0.1:
            serving = load_serving(ServingSettings(model_directory=directory))
            if outcome == "model refused" and (serving.problem is None or "model" not in serving.problem):
                raise Broken(f"{done}: serves all the same ({serving.problem})")
        return outcome

    def _snapshot(self, random: Random) -> str:
        path = self._root / "snapshot"
        done = hostile_snapshot(path, self._good_snapshot, random)
        try:
            snapshot = Snapshot.read(path, max_bytes=2**24)
            snapshot.verify(project=7, url=URL, schema=parse_label_config(CONFIG))
            snapshot.examples(parse_label_config(CONFIG))
        except SnapshotError as error:
            _check_message(f"{done}: {error}")
            return "snapshot refused"
        return "snapshot read"

    @cached_property
    def _good_model(self) -> Path:
        directory = self._root / "good"
        TextClassifier.fit(examples(1), schema(), {}).save(directory)
        return directory

    @cached_property
    def _good_snapshot(self) -> bytes:
        path = self._root / "good-snapshot"
        Snapshot.from_tasks(_tasks(20), parse_label_config(CONFIG), project=7, url=URL).write(path)
        return path.read_bytes()


def _tasks(last: int) -> list[Task]:
    moment = datetime(2026, 11, 22, 6, tzinfo=UTC).isoformat()
    result = {"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["a"]}}
    return [
        Task(number, {"text": f"text {number}"}, [{"id": number, "updated_at": moment, "result": [result]}])
        for number in range(1, last)
    ]


def _check_message(message: str) -> None:
    if len(message) > LONGEST_MESSAGE or "\n" in message:
        raise Broken(f"a message of {len(message)} characters, or of several lines: {message[:200]}")
    message.encode()


def _check_model(model: TextModel) -> None:
    for control in model.labels:
        probabilities = model.probabilities(control, TEXTS)
        with suppress(KeyError):
            if not np.isfinite(model.thresholds(control)).all():
                raise Broken("thresholds that are not finite")
        if probabilities.shape != (len(TEXTS), len(model.labels[control])):
            raise Broken(f"probabilities of shape {probabilities.shape}")
        if not np.isfinite(probabilities).all() or (probabilities < 0).any() or (probabilities > 1).any():
            raise Broken("probabilities that are none")
