"""What local mode knows about a project, in words: what serves, what is pending, how the last training ended."""

import fcntl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelloop.cli.output import CommandError, ago

if TYPE_CHECKING:
    from labelloop.local.local_settings import LocalSettings
    from labelloop.local.project_state import ProjectState
    from labelloop.local.version_store import ProjectStore

DirectoryOption = Annotated[Path | None, typer.Option(help="Where the models are kept (else MODEL_DIR).")]
ProjectOption = Annotated[int | None, typer.Option(min=1, help="Project; may be left out when there is only one.")]


@dataclass(frozen=True)
class Pending:
    """Annotation updates since the last training."""

    number: int | None
    """None: not counted."""
    every: int
    why: str = ""
    """Why it was not counted."""

    def __str__(self) -> str:
        if self.number is None:
            return f"not counted: {self.why}"
        return f"{self.number} of {self.every} updates since the last training"


@dataclass(frozen=True)
class ProjectFacts:
    """One project as it is on disk, and what Label Studio has that no training has used."""

    project: int
    state: "ProjectState"
    pending: Pending

    def document(self) -> dict[str, object]:
        """For programs."""
        last = self.state.last
        return {
            "project": self.project,
            "serves": self.state.current,
            "since": self.state.since,
            "pending": self.pending.number,
            "updates_per_training": self.pending.every,
            "last_training": None
            if last is None
            else {"outcome": last.outcome, "reason": last.reason, "message": last.message, "at": last.at},
        }

    def lines(self) -> Mapping[str, str]:
        """For people."""
        return {
            "serves": serves(self.state),
            "pending": str(self.pending),
            "last training": last_training(self.state),
        }


def serves(state: "ProjectState") -> str:
    """The version and since when."""
    if state.current is None:
        return "cold start: no training has ended with a model yet"
    return f"{state.current}, since {ago(state.since)}" if state.since else state.current


def last_training(state: "ProjectState") -> str:
    """Outcome, reason and when."""
    if state.last is None:
        return "none yet"
    reason = "" if state.last.reason == state.last.outcome else f" ({state.last.reason})"
    return f"{state.last.outcome}{reason} {ago(state.last.at)}: {state.last.message}"


def project_facts(store: "ProjectStore", settings: "LocalSettings") -> ProjectFacts:
    """Read the folder, and count in Label Studio."""
    state = store.read()
    return ProjectFacts(store.project, state, pending(store.project, state, settings))


def pending(project: int, state: "ProjectState", settings: "LocalSettings") -> Pending:
    """Counted as the server does; START_TRAINING_EACH_N_UPDATES is that of this command's environment."""
    from labelloop.counting.updates import count
    from labelloop.label_studio import LabelStudioError
    from labelloop.label_studio.client import LabelStudioClient

    if settings.credentials is None:
        return Pending(None, settings.updates_per_training, settings.unconfigured or "LABEL_STUDIO_API_KEY is not set")
    try:
        with LabelStudioClient(settings.credentials) as client:
            found = client.run(count(project, state.cut)).pending.total
    except LabelStudioError as error:
        return Pending(None, settings.updates_per_training, error.message)
    return Pending(found + state.repeat_edits, settings.updates_per_training)


def stores(model_dir: Path | None) -> "list[ProjectStore]":
    """All projects of a folder of local mode. Raises CommandError when there is none."""
    from labelloop.local.local_settings import model_directory
    from labelloop.local.version_store import Store

    directory = model_dir or model_directory()
    store = Store(directory)
    if not store.projects():
        raise CommandError(f"{directory} holds no projects: set MODEL_DIR or --model-dir to the folder of the server.")
    return [store.project(number) for number in store.projects()]


def store_of(model_dir: Path | None, project: int | None) -> "ProjectStore":
    """The project's folder, or that of the only project. Raises CommandError."""
    found = stores(model_dir)
    numbers = ", ".join(str(store.project) for store in found)
    if project is None and len(found) > 1:
        raise CommandError(f"there are several projects ({numbers}): name one with --project.")
    chosen = next((store for store in found if project in (None, store.project)), None)
    if chosen is None:
        raise CommandError(f"there is no project {project}; there are: {numbers}.")
    return chosen


def has_trainer(store: "ProjectStore") -> bool:
    """Whether a server that trains runs on the folder: it holds a lock."""
    try:
        with (store.directory.parents[1] / "trainer.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
