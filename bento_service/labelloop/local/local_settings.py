"""Settings of local mode: the variables of Label Studio's sklearn example, and some of our own (docs/user/local.md)."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelloop.batch_prediction.settings import PredictionRules
from labelloop.environment import Environment, SettingsError, SettingsErrors
from labelloop.label_studio import Credentials, InvalidConnection

DEFAULT_LABEL_STUDIO = "http://localhost:8080"
DEFAULT_UPDATES = 10
DEFAULT_VERSIONS = 5
MAX_PROJECTS = 1000


@dataclass(frozen=True)
class LocalSettings:
    """Where the models are kept, which Label Studio they come from, and when to train."""

    directory: Path
    credentials: Credentials | None = None
    """None: nothing is counted or trained; `unconfigured` says why."""
    unconfigured: str | None = None
    updates_per_training: int = DEFAULT_UPDATES
    projects: tuple[int, ...] = ()
    """Known from the start; others are known from Label Studio's first request on."""
    public_url: str | None = None
    """Where Label Studio reaches this backend; set: the backend registers itself in `projects`."""
    keep_versions: int = DEFAULT_VERSIONS
    poll_seconds: float = 30.0
    """Between two looks at the counters, when no webhook tells."""
    scan_seconds: float = 1200.0
    """Between two unconditional counts: an edit whose webhook was lost moves no counter."""
    deadline_seconds: float = 3600.0
    """After which a training is ended."""
    backoff_seconds: float = 30.0
    """After a failed training; doubled each time, at most an hour."""
    predictions: PredictionRules = field(default_factory=PredictionRules)
    """Which predictions of a new version are written to Label Studio."""
    temporary: bool = False
    """True: the folder is gone after the next restart of the machine."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] | None = None) -> "LocalSettings":
        """Read the process environment, or `variables`. Raises SettingsError with one line for each wrong variable."""
        environment = Environment(variables)
        mistakes = SettingsErrors()
        read = mistakes.read

        def number(name: str, default: float, minimum: float) -> float:
            return read(lambda: environment.number(name, default, minimum=minimum), default)

        nothing: tuple[Credentials | None, str | None] = (None, None)
        credentials, unconfigured = read(lambda: _credentials(environment), nothing)
        directory, temporary = _directory(environment)
        if credentials is not None and not _can_be_written(directory):
            mistakes.add(f"MODEL_DIR is {str(directory)!r}, which cannot be written: use a folder that can")
        none: tuple[int, ...] = ()
        projects = read(lambda: _projects(environment), none)
        settings = cls(
            directory=directory,
            credentials=credentials,
            unconfigured=unconfigured,
            updates_per_training=read(
                lambda: environment.integer("START_TRAINING_EACH_N_UPDATES", DEFAULT_UPDATES, minimum=1),
                DEFAULT_UPDATES,
            ),
            projects=projects,
            public_url=read(lambda: _public_url(environment, projects), None),
            keep_versions=read(
                lambda: environment.integer("LABELLOOP_KEEP_VERSIONS", DEFAULT_VERSIONS, minimum=2), DEFAULT_VERSIONS
            ),
            poll_seconds=number("LABELLOOP_POLL_SECONDS", cls.poll_seconds, 0.1),
            scan_seconds=number("LABELLOOP_SCAN_SECONDS", cls.scan_seconds, 1),
            deadline_seconds=number("LABELLOOP_TRAINING_SECONDS", cls.deadline_seconds, 1),
            backoff_seconds=number("LABELLOOP_BACKOFF_SECONDS", cls.backoff_seconds, 0.1),
            predictions=PredictionRules.from_environment(environment, mistakes),
            temporary=temporary,
        )
        # The training reads these by itself; here they are only checked, so that a mistake is reported at the start.
        read(lambda: bool(environment.json_object("LABELLOOP_PARAMETERS")), False)
        number("LOGISTIC_REGRESSION_C", 10.0, 1e-9)
        read(lambda: environment.number("LABELLOOP_HOLDOUT", 0.2, minimum=0, maximum=0.9), 0.2)
        mistakes.raise_if_any()
        return settings

    def warnings(self) -> list[str]:
        """One line for each thing a person should know at the start."""
        lines = []
        if self.unconfigured is not None:
            lines.append(f"{self.unconfigured}; predictions are served, nothing is trained")
        if self.temporary:
            lines.append(
                f"MODEL_DIR is not set and the home folder cannot be written: models are kept in {self.directory}, "
                "which may be gone after a restart; set MODEL_DIR to a folder that stays"
            )
        return lines


def model_directory(variables: Mapping[str, str] | None = None) -> Path:
    """MODEL_DIR, or where models are kept without it."""
    return _directory(Environment(variables))[0]


def _directory(environment: Environment) -> tuple[Path, bool]:
    chosen = environment.optional_path("MODEL_DIR")
    if chosen is not None:
        return chosen.absolute(), False
    data = environment.optional_path("XDG_DATA_HOME")
    home = environment.optional_path("HOME")
    base = data or (None if home is None else home / ".local" / "share")
    if base is not None and _can_be_written(base):
        return base / "labelloop", False
    return Path(tempfile.gettempdir()) / f"labelloop-{os.getuid()}", True


def _can_be_written(path: Path) -> bool:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def _credentials(environment: Environment) -> tuple[Credentials | None, str | None]:
    name = "LABEL_STUDIO_URL" if environment.optional("LABEL_STUDIO_URL") else "LABEL_STUDIO_HOST"
    token = environment.optional("LABEL_STUDIO_API_KEY")
    if token is None:
        remedy = "set it to a token of Label Studio (Account & Settings) to train on its annotations"
        return None, f"LABEL_STUDIO_API_KEY is not set: {remedy}"
    url = environment.url(name) if environment.optional(name) else DEFAULT_LABEL_STUDIO
    try:
        remedy = "give a file of certificates in PEM form"
        return Credentials(url, token, environment.certificates("LABEL_STUDIO_CA_FILE", remedy=remedy)), None
    except InvalidConnection as error:
        variable = "LABEL_STUDIO_API_KEY" if error.message.startswith("token") else name
        raise SettingsError(f"{variable} cannot be used: {error.message}") from None


def _projects(environment: Environment) -> tuple[int, ...]:
    text = environment.optional("LABELLOOP_PROJECTS")
    if text is None:
        return ()
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in numbers):
        raise SettingsError(f"LABELLOOP_PROJECTS is {text!r}: use project numbers such as 1,7")
    return tuple(dict.fromkeys(int(part) for part in numbers))


def _public_url(environment: Environment, projects: tuple[int, ...]) -> str | None:
    if environment.optional("LABELLOOP_REGISTER_URL") is None:
        return None
    url = environment.url("LABELLOOP_REGISTER_URL")
    if not projects:
        raise SettingsError(
            "LABELLOOP_PROJECTS is not set but LABELLOOP_REGISTER_URL is: name the projects to register in, as in 1,7"
        )
    return url
