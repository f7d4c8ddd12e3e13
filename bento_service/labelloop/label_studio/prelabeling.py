"""Which predictions Label Studio shows annotators, and how ours are selected.

The label stream asks a project's first ML backend while the project's `model_version` is the title of one and
`show_collab_predictions` is on. Scores and uncertainty sampling need the title to be the version of the predictions.
Label Studio clears `model_version` when the backend of that title is removed, and sets it only when one is connected.
A version with stored predictions can be selected instead: somebody's choice, which is kept.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from labelloop.label_studio.project_api import Counters, Project, predictions_of, project, select_model_version
from labelloop.label_studio.protocol import Operation

_OWN_VERSION = re.compile(r"(?:cold|model)-[0-9a-f]{12}")
"""As `models.version` makes them."""
TURN_ON = "turn on Settings > Annotation > Use predictions to prelabel tasks in Label Studio"


@dataclass(frozen=True)
class Selection:
    """What a project shows annotators."""

    version: str = ""
    """The project's `model_version`."""
    enabled: bool = True
    """The project's `show_collab_predictions`."""
    stored: bool = False
    """Predictions of a version that is not ours are stored."""


class Prelabeling(Enum):
    """Whether annotators get the predictions of a backend."""

    LIVE = "Live"
    UNSELECTED = "Unselected"
    """Nothing that exists is selected, or an older version of ours."""
    OTHER = "Other"
    """Somebody selected another backend or stored predictions."""
    OFF = "Off"


def prelabeling(selection: Selection, title: str, other_titles: Collection[str] = ()) -> Prelabeling:
    """Judge a project for the backend with `title`; `other_titles`: of the project's other backends."""
    if not selection.enabled:
        return Prelabeling.OFF
    if selection.version == title:
        return Prelabeling.LIVE
    if selection.version in other_titles or (selection.stored and not is_own(selection.version)):
        return Prelabeling.OTHER
    return Prelabeling.UNSELECTED


def is_own(version: str) -> bool:
    """Whether a version looks like one of Labelloop's; also true for none."""
    return not version or _OWN_VERSION.fullmatch(version) is not None


def selected(found: Project | Counters, stored: bool = False) -> Selection:
    """What a project's answer says; `stored` as in `Selection`."""
    return Selection(found.model_version, found.shows_predictions, stored and not is_own(found.model_version))


def selection(found: Project) -> Operation[Selection]:
    """What a project shows; a version that is not ours is looked for among the stored predictions."""
    stored = False if is_own(found.model_version) else (yield from predictions_of(found.id, found.model_version)) > 0
    return selected(found, stored)


def select(number: int, title: str, other_titles: Collection[str] = ()) -> Operation[Selection]:
    """Show annotators the predictions of the backend with `title`, unless somebody chose others. Raises NotFound.

    Returns what is selected afterwards.
    """
    found = yield from selection((yield from project(number)))
    if prelabeling(found, title, other_titles) is not Prelabeling.UNSELECTED:
        return found
    yield from select_model_version(number, title)
    return Selection(title)
