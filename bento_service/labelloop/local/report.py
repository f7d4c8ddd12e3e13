"""What a person should know about a project in local mode: its state, activity and versions in sentences. Pure."""

from collections.abc import Collection, Sequence

from labelloop.json_values import as_time
from labelloop.local.activity import Activity
from labelloop.local.project_state import ProjectState
from labelloop.page_facts import Note, Version

SERVES, KEPT, NEWER, REMOVED = "serves", "kept", "kept, newer", "removed"


def notes(
    state: ProjectState, activity: Activity | None, served: str, there: Collection[str], unconfigured: str | None = None
) -> list[Note]:
    """`served`: the version that answers; `there`: versions whose files are there.

    `unconfigured`: why this server neither counts nor trains; what another one once observed is not shown then.
    """
    found = [] if unconfigured is None else [Note(f"Nothing is counted or trained: {unconfigured}.")]
    if activity is not None and unconfigured is None:
        found += _observed(activity, is_first=state.current is None)
    return [*found, *_last(state), *_serving(state, served, there)]


def _observed(activity: Activity, *, is_first: bool) -> list[Note]:
    found = []
    if activity.problem is not None:
        since = as_time(activity.problem_since)
        text = f"Annotation updates are not counted since {since}, and no training can start: {activity.problem}"
        found.append(Note(text, "bad", "not counting"))
    if activity.training_since is not None:
        found.append(Note(f"A training runs since {as_time(activity.training_since)}.", "busy", "training"))
    elif activity.pending is not None:
        counted = f"{activity.pending:,} of {activity.updates_per_training:,} annotation updates until the "
        if is_first:
            text = f"{counted}first training. It needs at least two labels, each on a text."
        else:
            text = f"{counted}next training."
        found.append(Note(text))
    elif activity.problem is None:
        found.append(Note("The annotation updates are not counted yet."))
    return found


def _last(state: ProjectState) -> list[Note]:
    """How the newest training ended, unless it made the version that serves."""
    last = state.last
    if last is None or last.outcome == "Trained":
        return []
    how = f"{as_time(last.at)} ({last.reason}): {last.message}"
    if last.outcome == "Failed":
        again = "" if state.not_before is None else f" It is tried again after {as_time(state.not_before.isoformat())}."
        return [Note(f"The newest training failed at {how.rstrip('.')}.{again}", "bad", "training failed")]
    if last.outcome == "Refused":
        text = f"The newest model was held back by the gate at {how.rstrip('.')}."
        return [Note(text, "warn", "new model held back")]
    return [Note(f"The newest training made no new model at {how.rstrip('.')}.")]


def _serving(state: ProjectState, served: str, there: Collection[str]) -> list[Note]:
    if state.current is None:
        return []
    found = []
    if served != state.current:
        what = "cannot be loaded" if state.current in there else "is missing on the disk"
        text = f"{state.current} {what}: see the log. {served} answers in its place."
        found.append(Note(text, "bad", "older version serves"))
    newer = _newer(state)
    if newer:
        later = ", ".join(newer)
        text = f"Rolled back by hand at {as_time(state.since)}: {state.current} serves again, {later} came after it."
        found.append(Note(f"{text} The next training replaces it.", "warn", "rolled back"))
    return found


def _newer(state: ProjectState) -> list[str]:
    """Versions promoted after the current one; none unless it was rolled back."""
    known = [entry.version for entry in state.history]
    return known[known.index(state.current) + 1 :] if state.current in known else []


def versions(state: ProjectState, served: str, there: Sequence[str]) -> list[Version]:
    """All that were promoted, oldest first; what is on the disk and in no history comes before them."""
    newer = _newer(state)
    known = {entry.version for entry in state.history}

    def fate(version: str) -> str:
        if version == served:
            return SERVES
        if version not in there:
            return REMOVED
        return NEWER if version in newer else KEPT

    found = [Version(version, None, state=fate(version)) for version in there if version not in known]
    for entry in state.history:
        measured = entry.metrics
        found.append(
            Version(
                entry.version,
                entry.at,
                measured.get("accuracy"),
                measured.get("examples"),
                measured.get("trained_on"),
                fate(entry.version),
            )
        )
    return found
