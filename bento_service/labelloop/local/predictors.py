"""Predictors of the versions on disk: loaded once, checked, and never a reason to stop serving."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.local.version_store import ProjectStore
from labelloop.models import ModelFileError, load_model

if TYPE_CHECKING:
    from labelloop.custom_model_settings import CustomModelSettings
    from labelloop.local.project_state import ProjectState
    from labelloop.prediction.custom_predictor import CustomPredictor
    from labelloop.prediction.predictor import Predictor

log = logging.getLogger(__name__)


def load(
    store: ProjectStore, version: str, own: "CustomModelSettings | None" = None
) -> "Predictor | CustomPredictor | None":
    """The predictor of a version; None when its files cannot be used, which is reported. `own`: of a custom model."""
    from labelloop.prediction.predictor import Predictor
    from labelloop.prediction.self_check import self_check

    try:
        if own is not None:
            return _own(store.path_of(version), version, own)
        model = load_model(store.path_of(version))
        if model.version != version:
            raise ModelFileError(f"{store.path_of(version)} holds {model.version or 'a model without a version'}")
        predictor = Predictor(version, model)
        problem = self_check(predictor)
    except ModelFileError as error:
        problem = str(error)
    except Exception as error:  # whatever is wrong with one version, another can serve
        log.exception("Version %s cannot be loaded", version)
        problem = type(error).__name__
    if problem is None:
        return predictor
    log.error("Project %d: version %s cannot be served: %s", store.project, version, problem)
    return None


def candidates(state: "ProjectState", there: list[str]) -> Iterator[str]:
    """Versions in the order in which they should serve: the current one, then what was promoted before it."""
    if state.current is None:
        return
    yield state.current
    before = there[: there.index(state.current)] if state.current in there else there
    yield from reversed(before)


def _own(directory: Path, version: str, settings: "CustomModelSettings") -> "CustomPredictor":
    """Raises ModelFileError."""
    from labelloop.prediction.custom_predictor import CustomPredictor

    predictor = CustomPredictor(settings, directory)
    if predictor.problem is None and predictor.version == version:
        return predictor
    predictor.close()
    raise ModelFileError(predictor.problem or f"{directory} holds {predictor.version}")
