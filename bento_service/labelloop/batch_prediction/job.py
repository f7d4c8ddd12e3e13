"""The role `batch-predict`: writes predictions of the image's model, and leaves a termination message."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from labelloop.batch_prediction.answering import answering
from labelloop.batch_prediction.settings import PredictionRules
from labelloop.batch_prediction.writing import Writing
from labelloop.environment import Environment, SettingsErrors
from labelloop.label_studio import Credentials, project
from labelloop.label_studio.client import LabelStudioClient
from labelloop.prediction.model_loading import Serving, load_serving
from labelloop.prediction.model_settings import model_settings
from labelloop.prediction.predictor import Predictor
from labelloop.training.failures import read_failure
from labelloop.training.model_calls import ModelFailedError
from labelloop.training.result import Result, write_termination_message
from labelloop.training.training_settings import ConnectionSettings

PREDICTED: Final = "Predicted"


def main(variables: Mapping[str, str] | None = None) -> int:
    """Run with settings from the environment (or `variables`); returns the exit code, 1 for a failure."""
    result = run(variables)
    write_termination_message(result, variables)
    report(f"{result.outcome}: {result.message}" if result.exit_code == 0 else f"{result.reason}: {result.message}")
    return result.exit_code


def run(variables: Mapping[str, str] | None = None, pause: Callable[[float], None] = time.sleep) -> Result:
    """Every way to fail ends in a result; what was written until then stays, and is left out the next time."""
    environment, mistakes = Environment(variables), SettingsErrors()
    try:
        rules = PredictionRules.from_environment(environment, mistakes)
        mistakes.raise_if_any()
        version = environment.text("LABELLOOP_MODEL_VERSION", remedy="set it to the version that the image holds")
        if not rules.enabled:
            return Result(PREDICTED, PREDICTED, "no predictions are written: the scope is None", version, written=0)
        number = environment.integer("LABELLOOP_PROJECT", minimum=1)
        connection = ConnectionSettings.from_environment(variables)
        serving = load_serving(model_settings(environment))
    except Exception as error:
        return read_failure(error, report, "starting")
    try:
        if serving.problem is not None:
            return Result.failed("ModelFailed", serving.problem)
        return _written(connection, number, version, rules, serving, pause)
    finally:
        if serving.predictor is not None and not isinstance(serving.predictor, Predictor):
            serving.predictor.close()


def _written(
    connection: ConnectionSettings,
    number: int,
    version: str,
    rules: PredictionRules,
    serving: Serving,
    pause: Callable[[float], None],
) -> Result:
    credentials = Credentials(connection.url, connection.token, connection.ca)
    with LabelStudioClient(credentials, addresses=connection.addresses) as client:
        writing = Writing(client, number, version, rules, pause)
        try:
            answer = answering(serving, client.run(project(number)).label_config)
            progress = writing.run(answer)
        except ModelFailedError as error:
            result = Result.failed("ModelFailed", str(error))
        except Exception as error:
            result = read_failure(error, report, "writing predictions")
        else:
            result = Result(PREDICTED, PREDICTED, progress.message(version, rules))
    done = writing.progress
    return replace(result, version=version, written=done.written, removed=done.removed, tasks=done.tasks)


def report(line: str) -> None:
    """One line for the log of the pod."""
    sys.stderr.write(f"labelloop batch-predict: {line}\n")
    sys.stderr.flush()
