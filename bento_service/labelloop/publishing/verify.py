"""`labelloop verify`: whether the restored model answers on this base image as it did where it was trained.

Runs in the pod of a rebase, in the new base image, without any credentials: a model's own code may run here.
"""

from pathlib import Path

from labelloop.custom_model_settings import class_name
from labelloop.environment import Environment, SettingsError
from labelloop.models.errors import ModelFileError
from labelloop.models.model import TextModel
from labelloop.models.store import load_model, model_class
from labelloop.prediction.golden import TOLERANCE, GoldenFileError, compare_golden
from labelloop.prediction.predictor import Predictor
from labelloop.prediction.self_check import self_check
from labelloop.publishing.container_main import LOG, run_role
from labelloop.training.result import Result, write_result
from labelloop.training.training_settings import work_directory

NEEDS_TRAINING = "RebaseNeedsTraining"


def main() -> int:
    """Run the container; returns its exit code."""
    return run_role(run)


def run() -> Result | None:
    """Leave `out/result.json`: Rebased, or RebaseNeedsTraining. A difference is a result, not a failure."""
    work = work_directory()
    result = judge(work / "restored" / "model")
    LOG.info("%s: %s", result.outcome, result.message)
    write_result(result, work / "out" / "result.json")
    return None


def judge(directory: Path) -> Result:
    """The result for the model in `directory`."""
    if not (directory / "model.json").is_file():
        return _needs_training("", "the image that serves is no longer in the registry, or holds no model")
    version = ""
    try:
        model = load_model(directory, model_class(class_name(Environment())))
        version, compared, problem = model.version, 0, None
        if isinstance(model, TextModel):
            predictor = Predictor("", model)
            compared, difference = compare_golden(directory, predictor)
            problem = difference or self_check(predictor)
    except (ModelFileError, GoldenFileError, SettingsError) as error:
        return _needs_training(version, f"the model cannot be used there: {error}")
    except Exception as error:  # whatever the new base does to the model, the old one continues to serve
        LOG.exception("the model does not work on this base image")
        return _needs_training(version, f"the model fails there ({type(error).__name__}): see the container's log")
    if problem is not None:
        return _needs_training(version, problem)
    message = f"{compared} golden predictions are the same within {TOLERANCE:g}"
    if not compared:
        message = "the model brings no golden predictions to compare with; it loads and gives valid answers"
    return Result("Rebased", "Rebased", message, version=version)


def _needs_training(version: str, why: str) -> Result:
    return Result("NeedsTraining", NEEDS_TRAINING, why[:500], version=version or None)
