"""Which tasks get stored predictions, and how many versions stay stored: `spec.predictions` from the environment."""

from dataclasses import dataclass

from labelloop.environment import Environment, SettingsErrors

UNLABELLED, ALL, NONE = SCOPES = ("Unlabelled", "All", "None")
DEFAULT_LIMIT, DEFAULT_VERSIONS = 2000, 2
"""On SQLite, Label Studio keeps a Submit waiting while it removes a version: 24 s for 10,000 predictions (measured)."""


@dataclass(frozen=True)
class PredictionRules:
    """What to write, and what to remove afterwards."""

    scope: str = UNLABELLED
    """`None` writes and removes nothing."""
    limit: int = DEFAULT_LIMIT
    """Tasks that get predictions at most, lowest ids first."""
    keep_versions: int = DEFAULT_VERSIONS
    """Versions of Labelloop whose predictions stay stored, the new one included."""

    @classmethod
    def from_environment(cls, environment: Environment, mistakes: SettingsErrors) -> "PredictionRules":
        """What is wrong is added to `mistakes`."""
        return cls(
            mistakes.read(lambda: environment.choice("LABELLOOP_PREDICTIONS_SCOPE", SCOPES, cls.scope), cls.scope),
            mistakes.read(lambda: environment.integer("LABELLOOP_PREDICTIONS_LIMIT", cls.limit, minimum=1), cls.limit),
            mistakes.read(
                lambda: environment.integer("LABELLOOP_PREDICTIONS_KEEP_VERSIONS", cls.keep_versions, minimum=1),
                cls.keep_versions,
            ),
        )

    @property
    def enabled(self) -> bool:
        """Whether anything is to be done."""
        return self.scope != NONE
