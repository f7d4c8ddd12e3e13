"""From the model folder to something that answers, or to the reason why not. Never raises: the server must come up."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.datasets.split import position
from labelloop.label_config.schema import TEXT_SCOPE, Scope
from labelloop.models import ModelFileError, load_model
from labelloop.models.version import COLD_PREFIX, cold_version
from labelloop.prediction.model_settings import BlindHoldout, ModelSettings
from labelloop.prediction.predictor import Predictor
from labelloop.prediction.self_check import self_check

if TYPE_CHECKING:
    from labelloop.prediction.custom_predictor import CustomPredictor, Fault

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """What answers requests now; replaced as a whole, so one request never sees two versions."""

    predictor: "Predictor | CustomPredictor | None"
    problem: str | None
    """Why this server must not get requests; None: it is ready."""
    scope: Scope = TEXT_SCOPE
    """What of a labelling configuration the model reads."""

    @property
    def version(self) -> str | None:
        """The version every answer carries; None when nothing could be loaded."""
        return None if self.predictor is None else self.predictor.version

    @property
    def fault(self) -> "Fault | None":
        """What a custom model last did wrong."""
        return None if self.predictor is None or isinstance(self.predictor, Predictor) else self.predictor.faults.last

    @property
    def model_class(self) -> str:
        """Name for people: what kind of model answers."""
        return "None" if self.predictor is None else self.predictor.model_class


def load_serving(settings: ModelSettings, *, is_fallback: bool = False) -> Serving:
    """Load the model, or start cold when there is none, and check that it answers golden predictions."""
    scope = TEXT_SCOPE
    try:
        predictor, scope = _predictor(settings)
        check = self_check(predictor) if isinstance(predictor, Predictor) else predictor.problem
        problem = check or _version_problem(predictor.version, settings.expected_version)
        predictor.held_back = _held_back(settings.blind)
    except ModelFileError as error:
        predictor, problem = None, f"The model cannot be loaded. {error}"
    except OSError as error:
        predictor = None
        problem = f"The model folder {settings.model_directory} (LABELLOOP_MODEL_DIR) cannot be read: {error.strerror}"
    except Exception as error:  # a crash would only repeat itself; "not ready" tells and leaves other versions serving
        log.exception("The model cannot be loaded")
        predictor, problem = None, f"The model cannot be loaded ({type(error).__name__}): train it again."
    if predictor is None or problem is not None:
        log.error("Not ready: %s", problem)
    else:
        log.info(_what_serves(settings, predictor, is_fallback=is_fallback))
    return Serving(predictor, problem, scope)


def _what_serves(settings: ModelSettings, predictor: "Predictor | CustomPredictor", *, is_fallback: bool) -> str:
    is_cold = _is_empty(settings.model_directory)
    origin = "not trained" if is_cold else f"folder {settings.model_directory}"
    name = f"{predictor.version} ({predictor.model_class}, {origin})"
    return f"Projects without a trained model get {name}" if is_fallback else f"Serving {name}"


def _predictor(settings: ModelSettings) -> "tuple[Predictor | CustomPredictor, Scope]":
    empty = _is_empty(settings.model_directory)
    expected = settings.expected_version or ""
    cold = expected if expected.startswith(COLD_PREFIX) else None
    if settings.own is not None:
        from labelloop.prediction.custom_predictor import CustomPredictor  # the text classifier does without

        own = CustomPredictor(settings.own, None if empty else settings.model_directory, cold)
        if not empty or own.model.scope.whole_tasks:
            return own, own.model.scope
        own.close()  # before its first training a model of texts is as good as the label names are
        return Predictor(own.version, None), own.model.scope
    if empty:
        return Predictor(cold or cold_version(), None), TEXT_SCOPE
    model = load_model(settings.model_directory)
    if not model.version:
        raise ModelFileError(f"{settings.model_directory}/model.json has no version: train the model again.")
    return Predictor(model.version, model), TEXT_SCOPE


def _held_back(blind: BlindHoldout | None) -> Callable[[str], bool] | None:
    if blind is None:
        return None
    return lambda text: position(text, str(blind.project)) < blind.fraction


def _is_empty(directory: Path) -> bool:
    """Whether nothing was trained yet: no folder, or nothing in it. A plain file there is an error (OSError)."""
    try:
        return next(directory.iterdir(), None) is None
    except FileNotFoundError:
        return True


def _version_problem(loaded: str, expected: str | None) -> str | None:
    if expected in (None, loaded):
        return None
    what = f"{loaded} is loaded" if not loaded.startswith(COLD_PREFIX) else "no model is loaded (cold start)"
    return (
        f"LABELLOOP_MODEL_VERSION is {expected} but {what}: run the image that holds {expected}, "
        "or unset the variable to serve what is there."
    )
