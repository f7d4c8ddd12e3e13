"""What `labelloop train` does with labelled data: a model folder, measured and then fitted on everything."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.cli.model_class import chosen_model_class
from labelloop.cli.output import FAILED, CommandError, working

if TYPE_CHECKING:
    from labelloop.datasets.labelled_files import LabelledFile
    from labelloop.label_config.schema import Schema
    from labelloop.label_studio.task_api import Task
    from labelloop.training.result import Result
    from labelloop.training.training_settings import TrainingSettings


@dataclass(frozen=True)
class Contradiction:
    """One text that different tasks label differently."""

    tasks: Mapping[int, str]
    """Task (of a table: row) -> its labels."""

    def __str__(self) -> str:
        return ", ".join(f"task {task} says {labels!r}" for task, labels in self.tasks.items())


def contradictions(labelled: "LabelledFile") -> list[Contradiction]:
    """The texts that have different labels in different tasks; of each the first task with each of the labels."""
    from labelloop.datasets.examples import examples

    # Most texts are there once: only the others need a closer look.
    texts = [_texts(task, labelled.schema) for task in labelled.tasks]
    times = Counter(text for several in texts for text in several)
    repeated = [task for task, own in zip(labelled.tasks, texts, strict=True) if any(times[text] > 1 for text in own)]
    found: dict[tuple[str, str], dict[str, int]] = {}
    for example in examples(repeated, labelled.schema).examples:
        for control, labels in example.labels.items():
            found.setdefault((control, example.text.strip()), {}).setdefault(", ".join(labels), example.task)
    return [Contradiction({task: said for said, task in one.items()}) for one in found.values() if len(one) > 1]


def _texts(task: "Task", schema: "Schema") -> set[str]:
    """What its controls are about."""
    from labelloop.datasets.rows import canonical_data
    from labelloop.label_config.schema import text_of

    if schema.whole_tasks:
        return {canonical_data(task.data)}
    return {(text_of(task.data, control) or "").strip() for control in schema.controls}


def train_into(settings: "TrainingSettings", labelled: "LabelledFile", address: str, out: Path) -> "Result":
    """Once without the held-out texts for the metrics, then on all of them."""
    from labelloop.datasets.snapshot import Snapshot
    from labelloop.models.errors import ModelFileError
    from labelloop.models.store import load_model, save_model
    from labelloop.training.model_calls import ModelFailedError
    from labelloop.training.result import write_result
    from labelloop.training.train import MODEL_DIRECTORY, RESULT_FILE
    from labelloop.training.train import train as run

    schema = labelled.schema
    with working("preparing"):
        snapshot = Snapshot.from_tasks(labelled.tasks, schema, project=settings.project, url=address)
    model_class = chosen_model_class()

    def fitted(share: float, folder: Path) -> "Result":
        try:
            return run(snapshot, schema, replace(settings, holdout=share), folder, model_class=model_class)
        except (ModelFailedError, ModelFileError) as error:
            raise CommandError(f"nothing was trained (ModelFailed): {error}", FAILED) from None

    with _work_folder(out) as work:
        measured = None
        if settings.holdout:
            with working("measuring on held-out texts"):
                measured = fitted(settings.holdout, work / "measured")
        with working("fitting on all texts"):
            result = fitted(0.0, work / "whole")
        if result.outcome != "Trained":
            return result
        if measured is not None and measured.outcome == "Trained":
            message = measured.message
            if measured.metrics.get("accuracy") is not None:
                message += f" (measured on {measured.metrics.get('examples', 0)} held-out texts)"
            result = replace(result, metrics={**measured.metrics, "holdout": 0.0}, message=message)
            model = load_model(work / "whole" / MODEL_DIRECTORY, model_class)
            model.metrics = {**model.metrics, **result.metrics}
            save_model(model, work / "whole" / MODEL_DIRECTORY)
        for file in (work / "whole" / MODEL_DIRECTORY).iterdir():
            if (out / file.name).is_dir():
                shutil.rmtree(out / file.name)
            file.replace(out / file.name)
        write_result(result, out / RESULT_FILE)
    return result


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """A folder within `out`. Folders that were made for it go again when nothing is written."""
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".training-", dir=out))
    except OSError as error:
        raise CommandError(f"--out {out} cannot be written ({error.strerror}): use another folder") from None
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):  # the first one that is not empty ends it
            for folder in made:
                folder.rmdir()
