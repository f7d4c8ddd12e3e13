"""The `train` container: reads the annotations from Label Studio, trains, and leaves result and termination message."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from labelloop.datasets.snapshot import WHY_FILE, Snapshot, SnapshotError
from labelloop.failures import DISK_FULL, is_disk_full
from labelloop.label_config.schema import Scope
from labelloop.label_studio import Credentials
from labelloop.label_studio.client import LabelStudioClient
from labelloop.models import store
from labelloop.models.errors import ModelFileError
from labelloop.models.model import Model
from labelloop.models.store import load_model
from labelloop.training.failures import read_failure, unforeseen
from labelloop.training.model_calls import ModelFailedError, guard_model_call
from labelloop.training.reading import NO_SNAPSHOT, Reading, read_project
from labelloop.training.result import Result, write_result, write_termination_message
from labelloop.training.train import RESULT_FILE, SNAPSHOT_FILE, train
from labelloop.training.training_settings import ConnectionSettings, TrainingSettings, work_directory

OUTPUT_DIRECTORY = "out"
RESTORED_DIRECTORY = "restored"
_NO_SNAPSHOTS = "snapshots are neither kept nor used (training.snapshotPolicy: None)"


def main(variables: Mapping[str, str] | None = None) -> int:
    """Run with settings from the environment (or `variables`); returns the exit code, 1 for a technical failure."""
    output = work_directory(variables) / OUTPUT_DIRECTORY
    result = _run(variables, output)
    try:
        write_result(result, output / RESULT_FILE)
    except OSError as error:
        result = _full_disk(error) or Result.failed(
            "Unknown", f"{output} cannot be written ({error.strerror}): check the volume"
        )
    write_termination_message(result, variables)
    _report(f"{result.outcome}: {result.message}" if result.outcome == result.reason else _failure_line(result))
    return result.exit_code


def _run(variables: Mapping[str, str] | None, output: Path) -> Result:
    """Every way to fail ends in a result; only what nobody foresaw keeps a trace, without the error's own text."""
    try:
        settings = TrainingSettings.from_environment(variables)
        connection = ConnectionSettings.from_environment(variables)
        restored = work_directory(variables) / RESTORED_DIRECTORY
        model_class = store.model_class(settings.model_class)
        reading, seconds = _read(settings, connection, model_class.scope(), *_earlier(restored, settings))
    except Exception as error:
        return read_failure(error, _report)
    result = _train(reading, settings, model_class, output, restored)
    if isinstance(result, SnapshotError):
        try:
            reading, seconds = _read(settings, connection, model_class.scope(), None, str(result))
        except Exception as error:
            return read_failure(error, _report)
        result = _train(reading, settings, model_class, output, restored)
    if isinstance(result, SnapshotError):
        return Result.failed("Unknown", str(result))
    return replace(
        result,
        message=f"{result.message}{_reading_message(reading)}" if result.exit_code == 0 else result.message,
        read=reading.to_json(),
        seconds={"fetch": round(seconds, 3), **result.seconds},
    )


def _train(
    reading: Reading, settings: TrainingSettings, model_class: type[Model], output: Path, restored: Path
) -> Result | SnapshotError:
    """The result; SnapshotError when rows that were kept of the earlier snapshot prove damaged."""
    incumbent = _incumbent(restored / "model", model_class)
    try:
        return train(reading.snapshot, reading.schema, settings, output, _report, model_class, incumbent)
    except SnapshotError as error:
        return error
    except ModelFailedError as error:
        for place in error.places:
            _report(f"  {place}")
        return Result.failed("ModelFailed", str(error))
    except ModelFileError as error:
        return Result.failed("ModelFailed", str(error))
    except OSError as error:
        message = f"{error.filename or output} cannot be written ({error.strerror}): check the volume and its size"
        return _full_disk(error) or Result.failed("Unknown", message)
    except MemoryError:
        return Result.failed("OutOfMemory", "the model did not fit into memory: raise spec.training.resources")
    except Exception as error:
        return unforeseen(error, "ModelFailed", "fitting the model", _report)


def _full_disk(error: OSError) -> Result | None:
    return Result.failed("DiskFull", DISK_FULL) if is_disk_full(error) else None


def _earlier(restored: Path, settings: TrainingSettings) -> tuple[Snapshot | None, str]:
    """The snapshot that `restore` left, or why there is none."""
    if not settings.store_snapshot:
        return None, _NO_SNAPSHOTS
    if (restored / SNAPSHOT_FILE).exists():
        try:
            return Snapshot.read(restored / SNAPSHOT_FILE), ""
        except SnapshotError as error:
            return None, str(error)
    try:
        return None, (restored / WHY_FILE).read_text().strip() or NO_SNAPSHOT
    except OSError:
        return None, NO_SNAPSHOT


def _read(
    settings: TrainingSettings, connection: ConnectionSettings, scope: Scope, earlier: Snapshot | None, why_none: str
) -> tuple[Reading, float]:
    """All labelled tasks, and the seconds it took to read them."""
    began = time.monotonic()
    credentials = Credentials(connection.url, connection.token, connection.ca)
    with LabelStudioClient(credentials, addresses=connection.addresses) as client:
        reading = client.run(read_project(settings.project, connection.url, earlier, why_none, scope))
    for sentence in reading.schema.ignored:
        _report(sentence)
    seconds = time.monotonic() - began
    read = f"{reading.mode} read of {reading.tasks} tasks"
    _report(f"project {settings.project}: {read} in {seconds:.1f} s: {reading.why}")
    return reading, seconds


def _reading_message(reading: Reading) -> str:
    """What annotators should know about the reading: that a snapshot was there and could not be used."""
    if reading.mode == "incremental":
        return f" ({reading.why})"
    return "" if reading.why in (NO_SNAPSHOT, _NO_SNAPSHOTS) else f" (read in full: {reading.why})"


def _incumbent(folder: Path, model_class: type[Model]) -> Model | None:
    """The model that serves, when `restore` found it."""
    if not folder.is_dir():
        return None
    try:
        with guard_model_call(model_class, "load"):
            return load_model(folder, model_class)
    except (ModelFileError, ModelFailedError) as error:
        _report(f"the new model is not compared with the one that serves: {error}")
        return None


def _failure_line(result: Result) -> str:
    return f"{result.outcome} ({result.reason}): {result.message}"


def _report(line: str) -> None:
    sys.stderr.write(f"labelloop train: {line}\n")
    sys.stderr.flush()
