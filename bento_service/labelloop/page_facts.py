"""What the model page shows next to the model's own figures: state, notes, projects and versions. Data only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labelloop.models.version import COLD_PREFIX

if TYPE_CHECKING:
    from labelloop.models.model import Model
    from labelloop.prediction.custom_predictor import CustomModel

Tone = Literal["bad", "warn", "busy", "good", "plain"]

OPERATED = (
    "This pod serves one version and knows nothing of trainings, pending updates or Label Studio. "
    "`kubectl get lsb` shows them, and `kubectl describe lsb` says what is wrong."
)


@dataclass(frozen=True)
class Note:
    """One sentence on the state of a project; with `pill`, a state that is not simply "ready"."""

    text: str
    tone: Tone = "plain"
    pill: str | None = None


@dataclass(frozen=True)
class Version:
    """A version that was promoted once. `state`: what has become of it."""

    version: str
    at: str | None
    accuracy: object = None
    examples: object = None
    trained_on: object = None
    state: str = ""


@dataclass(frozen=True)
class ProjectLine:
    """One of several projects, for the overview."""

    number: int
    version: str
    model_class: str
    tone: Tone
    pill: str


@dataclass(frozen=True)
class Facts:
    """Everything the page is made of."""

    version: str | None
    model_class: str
    problem: str | None
    """Why it is not ready; None: it is."""
    started: str
    """When the server started."""
    model: "Model | CustomModel | None"
    """None: not trained yet."""
    since: str | None = None
    """When the version began to serve (RFC 3339); None: with the server."""
    fault: str | None = None
    """What a custom model last did wrong."""
    project: int | None = None
    projects: Sequence[ProjectLine] = ()
    """In local mode: the project whose model is shown, and all that there are."""
    notes: Sequence[Note] = ()
    absent: str | None = None
    """Why there is nothing to show: there is no such project; with what to do in `remedy`."""
    remedy: str = ""
    versions: Sequence[Version] | None = None
    """All versions of the project, oldest first; None: the server knows only what the model says of them."""

    @property
    def is_cold(self) -> bool:
        """Whether nothing was trained yet."""
        return self.model is None or (self.version or "").startswith(COLD_PREFIX)

    @property
    def is_overview(self) -> bool:
        """Whether there are several projects, and none was chosen."""
        return len(self.projects) > 1 and self.project is None and not self.absent

    @property
    def title(self) -> str:
        """The heading."""
        if self.absent:
            return self.absent
        return f"{len(self.projects)} projects" if self.is_overview else self.version or "No model"

    @property
    def state(self) -> tuple[Tone, str]:
        """Tone and words of the pill: the most important thing that is not as it should be, else "ready"."""
        if self.absent:
            return "bad", "not found"
        if self.problem:
            return "bad", "not ready"
        found = [(line.tone, line.pill) for line in self.projects] if self.is_overview else []
        found += [pill_of(self.notes)]
        if self.fault:
            found += [("warn", "model fails on tasks")]
        return min(found, key=lambda state: _URGENCY.index(state[0]))


def pill_of(notes: Sequence[Note]) -> tuple[Tone, str]:
    """Tone and words of the most urgent note, else "ready"."""
    found = [(note.tone, note.pill) for note in notes if note.pill is not None]
    return min(found, key=lambda state: _URGENCY.index(state[0]), default=("good", "ready"))


def by_urgency(notes: Sequence[Note]) -> list[Note]:
    """What is wrong first."""
    return sorted(notes, key=lambda note: _URGENCY.index(note.tone))


_URGENCY: tuple[Tone, ...] = ("bad", "busy", "warn", "good", "plain")
