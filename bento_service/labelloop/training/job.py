"""The `train` container: reads the annotations from Label Studio, trains, and leaves result and termination message."""

import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from labelloop.datasets.rows import RowError
from labelloop.datasets.snapshot import Snapshot
from labelloop.environment import SettingsError
from labelloop.label_config import LabelConfigError, Schema, parse_label_config
from labelloop.label_studio import Credentials, LabelStudioError, NotFound, Unauthorized, labelled_tasks, project
from labelloop.label_studio.client import LabelStudioClient
from labelloop.models.model import Model, ModelFileError, load_model
from labelloop.training.result import Result, write_result, write_termination_message
from labelloop.training.settings import ConnectionSettings, TrainingSettings, work_directory
from labelloop.training.train import RESULT_FILE, train

OUTPUT_DIRECTORY = "out"
_SETTING_REASONS = {
    "LABEL_STUDIO_URL": "LabelStudioUnreachable",
    "LABEL_STUDIO_CA_FILE": "LabelStudioUnreachable",
    "LABEL_STUDIO_API_KEY": "LabelStudioUnauthorized",
    "LABELLOOP_PROJECT": "ProjectNotFound",
    "LABELLOOP_PARAMETERS": "ModelFailed",
    "LABELLOOP_HOLDOUT": "ModelFailed",
    "LABELLOOP_EVALUATION": "ModelFailed",
    "LOGISTIC_REGRESSION_C": "ModelFailed",
}


def main(variables: Mapping[str, str] | None = None) -> int:
    """Run with settings from the environment (or `variables`); returns the exit code, 1 for a technical failure."""
    output = work_directory(variables) / OUTPUT_DIRECTORY
    result = _run(variables, output)
    try:
        write_result(result, output / RESULT_FILE)
    except OSError as error:
        result = Result.failed("Unknown", f"{output} cannot be written ({error.strerror}): check the volume")
    write_termination_message(result, variables)
    _report(f"{result.outcome}: {result.message}" if result.outcome == result.reason else _failure_line(result))
    return result.exit_code


def _run(variables: Mapping[str, str] | None, output: Path) -> Result:
    """Every way to fail ends in a result; only what nobody foresaw keeps a trace, without the error's own text."""
    try:
        settings = TrainingSettings.from_environment(variables)
        snapshot, schema, seconds = _read(settings, ConnectionSettings.from_environment(variables))
    except SettingsError as error:
        return Result.failed(_SETTING_REASONS.get(str(error).split()[0].rstrip(":"), "Unknown"), str(error))
    except Unauthorized as error:
        return Result.failed("LabelStudioUnauthorized", error.message)
    except NotFound as error:
        return Result.failed("ProjectNotFound", error.message)
    except (LabelStudioError, RowError) as error:
        return Result.failed("LabelStudioUnreachable", str(error))
    except LabelConfigError as error:
        return Result.failed("LabelConfigUnsupported", str(error))
    except Exception as error:
        return _unforeseen(error, "Unknown", "reading the annotations")
    _report(f"read {len(snapshot.rows)} tasks of project {settings.project} in {seconds:.1f} s")
    try:
        result = train(snapshot, schema, settings, output, _report, incumbent=_incumbent(work_directory(variables)))
    except OSError as error:
        message = f"{error.filename or output} cannot be written ({error.strerror}): check the volume and its size"
        return Result.failed("Unknown", message)
    except MemoryError:
        return Result.failed("OutOfMemory", "the model did not fit into memory: raise spec.training.resources")
    except Exception as error:
        return _unforeseen(error, "ModelFailed", "fitting the model")
    return replace(result, seconds={"fetch": round(seconds, 3), **result.seconds})


def _read(settings: TrainingSettings, connection: ConnectionSettings) -> tuple[Snapshot, Schema, float]:
    """All labelled tasks as a snapshot, the labelling configuration, and the seconds it took."""
    began = time.monotonic()
    credentials = Credentials(connection.url, connection.token, connection.ca)
    with LabelStudioClient(credentials) as client:
        schema = parse_label_config(client.run(project(settings.project)).label_config)
        for sentence in schema.ignored:
            _report(sentence)
        tasks = client.run(labelled_tasks(settings.project))
    snapshot = Snapshot.from_tasks(tasks, schema, project=settings.project, url=connection.url)
    return snapshot, schema, time.monotonic() - began


def _incumbent(directory: Path) -> Model | None:
    """The model that serves, when `restore` found it."""
    folder = directory / "restored" / "model"
    if not folder.is_dir():
        return None
    try:
        return load_model(folder)
    except ModelFileError as error:
        _report(f"the new model is not compared with the one that serves: {error}")
        return None


def _unforeseen(error: Exception, reason: str, action: str) -> Result:
    """A bug or a library's failure. Messages of numerical libraries may quote data, so only the places are told."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        _report(f"  {frame.filename}:{frame.lineno} in {frame.name}")
    last = frames[-1]
    where = f"{Path(last.filename).name}:{last.lineno}"
    return Result.failed(reason, f"{action} failed with {type(error).__name__} ({where}): see the log")


def _failure_line(result: Result) -> str:
    return f"{result.outcome} ({result.reason}): {result.message}"


def _report(line: str) -> None:
    sys.stderr.write(f"labelloop train: {line}\n")
    sys.stderr.flush()
