"""Settings that decide which model is loaded and which texts it answers."""

from dataclasses import dataclass
from pathlib import Path

from labelloop.custom_model_settings import CustomModelSettings
from labelloop.environment import Environment

DEFAULT_MODEL_DIRECTORY = Path("/opt/labelloop/model")


@dataclass(frozen=True)
class BlindHoldout:
    """Texts that annotators label without a pre-selection, since they will measure the next model."""

    project: int
    fraction: float
    """The share of texts that a training may hold out, `spec.evaluation.holdout`."""


@dataclass(frozen=True)
class ModelSettings:
    """The model of an image, and the texts that it does not answer."""

    model_directory: Path = DEFAULT_MODEL_DIRECTORY
    expected_version: str | None = None
    """Version that must be loaded; None: any."""
    blind: BlindHoldout | None = None
    """None: every text is answered."""
    own: CustomModelSettings | None = None
    """A custom model; None: the text classifier."""


def model_settings(environment: Environment) -> ModelSettings:
    """Read the environment. Raises SettingsError."""
    return ModelSettings(
        model_directory=environment.path("LABELLOOP_MODEL_DIR", DEFAULT_MODEL_DIRECTORY),
        expected_version=environment.optional("LABELLOOP_MODEL_VERSION"),
        blind=blind_holdout(environment),
        own=CustomModelSettings.from_environment(environment, 1),
    )


def blind_holdout(environment: Environment) -> BlindHoldout | None:
    """The texts that get no prediction. Raises SettingsError."""
    if environment.optional("LABELLOOP_BLIND_HOLDOUT") is None:
        return None
    return BlindHoldout(
        project=environment.integer("LABELLOOP_PROJECT", minimum=1),
        fraction=environment.number("LABELLOOP_BLIND_HOLDOUT", minimum=0, maximum=0.9),
    )
