"""The page a person gets at the backend's address: what answers, how good it is and where it comes from. No task texts.

Everything is in the one document (no script, no other file), so it works offline and under a strict policy. What the
model file says is escaped and read with suspicion: a value of another kind than expected is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.models.model import Model
from labelloop.models.version import COLD_PREFIX
from labelloop.serving.doubtful import as_list, as_mapping, as_number, as_share, as_text, as_time
from labelloop.serving.plots import BOX, MAX_POINTS, Plot, calibration, version_plots, y_ticks

if TYPE_CHECKING:
    from jinja2 import Template

    from labelloop.serving.own_predictor import OwnModel

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}
TEMPLATE = Path(__file__).with_name("model_page.html")
MAX_PAIRS = 20


@dataclass(frozen=True)
class Facts:
    """What the page tells beside the model's own words."""

    version: str | None
    model_class: str
    problem: str | None
    """Why it is not ready; None: it is."""
    started: str
    """When the server started."""
    model: "Model | OwnModel | None"
    """None: not trained yet."""
    since: str | None = None
    """When the version began to serve (RFC 3339); None: with the server."""
    fault: str | None = None
    """What a model of one's own last did wrong."""
    project: int | None = None
    projects: Sequence[int] = ()
    """In local mode: the project whose model is shown, and all that there are."""

    @property
    def is_cold(self) -> bool:
        """Whether nothing was trained yet."""
        return self.model is None or (self.version or "").startswith(COLD_PREFIX)


@dataclass(frozen=True)
class ControlFacts:
    """One control of the labelling configuration."""

    name: str
    figures: Sequence[tuple[str, str]]
    classes: Sequence[tuple[str, str, str, str, str, str]]
    """Label, texts with it, of them held out, precision, recall, F1."""
    confusions: Sequence[tuple[str, str, str]]
    """Annotated, predicted, how often."""
    calibration: Plot | None


def page(facts: Facts) -> bytes:
    """The document, UTF-8. Raises nothing that the model's file could cause."""
    metrics = as_mapping(facts.model.metrics) if facts.model else {}
    origin = as_mapping(metrics.get("origin"))
    versions = _versions(facts, metrics, origin)
    text = _template().render(
        facts=facts,
        since=as_time(facts.since) if facts.since else None,
        created=as_time(facts.model.created_at) if facts.model and facts.model.created_at else None,
        controls=_controls(facts.model, metrics, origin),
        plots=version_plots(versions),
        versions=versions[::-1],
        origin=_origin_lines(origin),
        box=BOX,
        y_ticks=y_ticks(),
    )
    return text.encode("utf-8", "replace")


@cache
def _template() -> "Template":
    # Imported here: BentoML brings it along, but a start does not need it.
    from jinja2 import Environment

    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE.read_text("utf-8"))


def _controls(
    model: "Model | OwnModel | None", metrics: Mapping[str, object], origin: Mapping[str, object]
) -> list[ControlFacts]:
    if model is None:
        return []
    several = as_mapping(metrics.get("controls"))
    labelled = as_mapping(origin.get("labels"))
    return [
        _control(name, classes, as_mapping(several.get(name)) or (metrics if len(model.labels) == 1 else {}), labelled)
        for name, classes in model.labels.items()
    ]


def _control(
    name: str, classes: Sequence[str], metrics: Mapping[str, object], labelled: Mapping[str, object]
) -> ControlFacts:
    figures = [
        (title, told)
        for key, title in FIGURES.items()
        if (told := as_text(metrics.get(key), percent=key in ("accuracy", "macro_f1"))) != "-"
    ]
    per_class, counts = as_mapping(metrics.get("per_class")), as_mapping(labelled.get(name))
    rows = [_class_row(label, counts.get(label), as_mapping(per_class.get(label))) for label in classes]
    pairs = [
        (str(pair[0]), str(pair[1]), as_text(pair[2]))
        for pair in as_list(metrics.get("confusions"))
        if isinstance(pair, list) and len(pair) == 3
    ]
    return ControlFacts(name, figures, rows, pairs[:MAX_PAIRS], calibration(metrics))


FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "ece": "calibration error",
    "examples": "texts held out",
}


def _class_row(label: str, count: object, figures: Mapping[str, object]) -> tuple[str, str, str, str, str, str]:
    shares = [as_text(figures.get(key), percent=True) for key in ("precision", "recall", "f1")]
    return (label, as_text(count), as_text(figures.get("examples")), shares[0], shares[1], shares[2])


def _versions(facts: Facts, metrics: Mapping[str, object], origin: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Oldest first, the one that answers last."""
    if facts.model is None or facts.is_cold:
        return []
    earlier = [as_mapping(entry) for entry in as_list(metrics.get("history"))[-MAX_POINTS:]]
    now = {
        "version": facts.version,
        "created_at": facts.model.created_at,
        "accuracy": metrics.get("accuracy"),
        "trained_on": origin.get("trained_on"),
    }
    return [_version(entry) for entry in (*earlier, now) if entry]


def _version(entry: Mapping[str, object]) -> Mapping[str, object]:
    return {
        "version": str(entry.get("version")),
        "created": as_time(entry.get("created_at")),
        "accuracy": as_share(entry.get("accuracy")),
        "accuracy_told": as_text(entry.get("accuracy"), percent=True),
        "trained_on": as_number(entry.get("trained_on")),
        "trained_on_told": as_text(entry.get("trained_on")),
    }


def _origin_lines(origin: Mapping[str, object]) -> list[tuple[str, str]]:
    if not origin:
        return []
    cut = as_mapping(origin.get("cut"))
    lines = [
        ("newest annotation", as_time(cut.get("updated_at"))),
        ("annotations read", as_text(cut.get("size"))),
        ("texts trained on", as_text(origin.get("trained_on"))),
        ("texts held out", as_text(origin.get("held_out"))),
    ]
    counts = as_mapping(origin.get("counts"))
    lines += [
        ("tasks" if name == "tasks" else f"tasks, {name.replace('_', ' ')}", as_text(count))
        for name, count in counts.items()
        if count
    ]
    return [*lines, ("digest of the data", str(origin.get("dataset_digest") or "-"))]
