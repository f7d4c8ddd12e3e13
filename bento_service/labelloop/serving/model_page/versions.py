"""The versions of a project and where the training data come from, as the model page shows them."""

from collections.abc import Mapping, Sequence

from labelloop.datasets.exports import FILE_TIME
from labelloop.json_values import as_list, as_mapping, as_number, as_text, as_time
from labelloop.page_facts import Facts
from labelloop.serving.model_page.figures import Figure, share
from labelloop.serving.model_page.plots import MAX_POINTS

Entry = dict[str, object]


def versions(facts: Facts, metrics: Mapping[str, object], origin: Mapping[str, object]) -> list[Entry]:
    """Oldest first: what the model says of itself and of those before it, and what the server knows of all of them."""
    described = _described_by_model(facts, metrics, origin)
    if facts.versions is None:
        return [*described.values()]
    known = {entry.version: entry for entry in facts.versions}
    found = [{**entry, "state": "removed"} for version, entry in described.items() if version not in known]
    for version, entry in known.items():
        own: Entry = {
            "version": version,
            "created": None,
            "accuracy": entry.accuracy,
            "examples": entry.examples,
            "trained_on": entry.trained_on,
        }
        found.append({**own, **described.get(version, {}), "promoted": entry.at, "state": entry.state})
    return found


def figure(entry: Mapping[str, object]) -> Figure:
    """A version's accuracy."""
    return share(entry["accuracy"], entry["examples"])


def _described_by_model(facts: Facts, metrics: Mapping[str, object], origin: Mapping[str, object]) -> dict[str, Entry]:
    if facts.model is None or facts.is_cold:
        return {}
    now = {
        "version": facts.version,
        "created_at": facts.model.created_at,
        "accuracy": metrics.get("accuracy"),
        "examples": metrics.get("examples"),
        "trained_on": origin.get("trained_on"),
    }
    earlier = [as_mapping(entry) for entry in as_list(metrics.get("history"))[-MAX_POINTS:]]
    return {
        str(entry.get("version")): {
            "version": str(entry.get("version")),
            "created": moment(entry.get("created_at")),
            "accuracy": entry.get("accuracy"),
            "examples": entry.get("examples"),
            "trained_on": entry.get("trained_on"),
            "state": "serves" if entry is now else "",
        }
        for entry in (*earlier, now)
        if entry
    }


def moment(value: object) -> str | None:
    """A moment of the data as people read it; None for that of annotations in files, which have no time."""
    text = str(value or "")
    return as_time(text) if text and not text.startswith(FILE_TIME[:19]) else None


def origin_lines(metrics: Mapping[str, object], origin: Mapping[str, object]) -> Sequence[tuple[str, str]]:
    """Titles and values."""
    if not origin:
        return []
    cut = as_mapping(origin.get("cut"))
    counts = as_mapping(origin.get("counts"))
    lines = [
        ("newest annotation", moment(cut.get("updated_at")) or "not known: the data came from a file"),
        ("annotations read", as_text(cut.get("size"))),
        ("texts trained on", as_text(origin.get("trained_on"))),
        ("texts held out", _held_out(metrics, origin)),
    ]
    lines += [
        ("tasks" if name == "tasks" else f"tasks, {name.replace('_', ' ')}", as_text(count))
        for name, count in counts.items()
        if count
    ]
    return [*lines, ("digest of the data", str(origin.get("dataset_digest") or "-"))]


def _held_out(metrics: Mapping[str, object], origin: Mapping[str, object]) -> str:
    """Of a model that was measured first and then trained on everything, both."""
    held_out, measured = as_number(origin.get("held_out")), as_number(metrics.get("examples"))
    if held_out == 0 and measured:
        return f"{measured:,.0f} to measure it; then it was trained again on all texts"
    return as_text(origin.get("held_out"))
