"""What `labelloop train` does with labelled data: a model folder, measured and then fitted on everything."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.cli.model_class import chosen_model_class
from labelloop.cli.output import FAILED, CommandError, working

if TYPE_CHECKING:
    from labelloop.datasets.files import LabelledFile
    from labelloop.training.result import Result
    from labelloop.training.settings import TrainingSettings


def train_into(
    settings: "TrainingSettings", labelled: "LabelledFile", address: str, out: Path, holdout: float
) -> "Result":
    """Once without the held-out texts for the metrics, then on all of them."""
    from labelloop.datasets.snapshot import Snapshot
    from labelloop.models.errors import ModelFileError
    from labelloop.models.store import load_model, save_model
    from labelloop.training.model_calls import ModelFailedError
    from labelloop.training.result import write_result
    from labelloop.training.train import MODEL_DIRECTORY, RESULT_FILE
    from labelloop.training.train import train as run

    schema = labelled.schema
    snapshot = Snapshot.from_tasks(labelled.tasks, schema, project=settings.project, url=address)
    model_class = chosen_model_class()

    def fitted(share: float, folder: Path) -> "Result":
        try:
            return run(snapshot, schema, replace(settings, holdout=share), folder, model_class=model_class)
        except (ModelFailedError, ModelFileError) as error:
            raise CommandError(f"nothing was trained (ModelFailed): {error}", FAILED) from None

    with _work_folder(out) as work:
        with working("measuring on held-out texts"):
            measured = fitted(holdout, work / "measured") if holdout else None
        with working("fitting on all texts"):
            result = fitted(0.0, work / "whole")
        if result.outcome != "Trained":
            return result
        if measured is not None and measured.outcome == "Trained":
            message = f"{measured.message} (measured on {measured.metrics.get('examples', 0)} held-out texts)"
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
    try:
        out.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".training-", dir=out))
    except OSError as error:
        raise CommandError(f"--out {out} cannot be written ({error.strerror}): use another folder") from None
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
