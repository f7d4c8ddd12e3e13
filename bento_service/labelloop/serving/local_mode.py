"""Whether this backend looks after itself, and the parts it then needs; loaded only then."""

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from labelloop.prediction.model_loading import Serving
from labelloop.serving.serving_settings import ServingSettings

if TYPE_CHECKING:
    from labelloop.local.mode import LocalMode

log = logging.getLogger(__name__)

NOT_CONFIGURED = "LABEL_STUDIO_API_KEY is not set"


def local_mode(
    settings: ServingSettings, base: Serving, show_models: Callable[[Collection[tuple[str, str]]], None]
) -> "LocalMode | None":
    """None with an operator behind the backend, and where there is neither a Label Studio nor a model of a project."""
    local = settings.local
    if local is None or base.predictor is None:
        return None
    for line in local.warnings():
        log.warning(line)
    if local.credentials is None and not (local.directory / "projects").is_dir():
        return None
    from labelloop.local.mode import LocalMode

    trainer = None
    if local.credentials is not None:
        from labelloop.local.trainer import LocalTrainer

        trainer = LocalTrainer(local)
    return LocalMode(local, base.predictor, str(settings.port), trainer, own=settings.own, show_models=show_models)
