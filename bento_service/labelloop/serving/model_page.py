"""The page a person gets at the backend's address: what answers, how good it is and where it comes from. No task texts.

Everything is in the one document (no script, no other file), so it works offline and under a strict policy. What the
model file says is escaped and read with suspicion: a value of another kind than expected is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from labelloop.models.model import Model

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
WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 30
MAX_POINTS, MAX_PAIRS = 200, 20
LARGEST = 1e15


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


@dataclass(frozen=True)
class Point:
    """A point of a plot, in its coordinates, and what it says."""

    x: float
    y: float
    told: str


@dataclass(frozen=True)
class Plot:
    """Accuracy (0 to 1, upwards) against something."""

    title: str
    x_title: str
    ticks: Sequence[tuple[float, str]]
    points: Sequence[Point]
    diagonal: bool = False
    """Whether equality is shown, for what should lie on it."""

    @property
    def line(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in self.points)


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
    metrics = _mapping(facts.model.metrics) if facts.model else {}
    origin = _mapping(metrics.get("origin"))
    versions = _versions(facts, metrics, origin)
    text = _template().render(
        facts=facts,
        created=_time(facts.model.created_at) if facts.model and facts.model.created_at else None,
        controls=_controls(facts.model, metrics, origin),
        plots=_version_plots(versions),
        versions=versions[::-1],
        origin=_origin_lines(origin),
        box={
            "width": WIDTH,
            "height": HEIGHT,
            "left": LEFT,
            "right": WIDTH - RIGHT,
            "top": TOP,
            "bottom": HEIGHT - BOTTOM,
        },
        y_ticks=[(_y(share), f"{share:.0%}") for share in (0, 0.5, 1)],
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
    several = _mapping(metrics.get("controls"))
    labelled = _mapping(origin.get("labels"))
    return [
        _control(name, classes, _mapping(several.get(name)) or (metrics if len(model.labels) == 1 else {}), labelled)
        for name, classes in model.labels.items()
    ]


def _control(
    name: str, classes: Sequence[str], metrics: Mapping[str, object], labelled: Mapping[str, object]
) -> ControlFacts:
    figures = [
        (title, told)
        for key, title in FIGURES.items()
        if (told := _told(metrics.get(key), percent=key in ("accuracy", "macro_f1"))) != "-"
    ]
    per_class, counts = _mapping(metrics.get("per_class")), _mapping(labelled.get(name))
    rows = [_class_row(label, counts.get(label), _mapping(per_class.get(label))) for label in classes]
    pairs = [
        (str(pair[0]), str(pair[1]), _told(pair[2]))
        for pair in _list(metrics.get("confusions"))
        if isinstance(pair, list) and len(pair) == 3
    ]
    return ControlFacts(name, figures, rows, pairs[:MAX_PAIRS], _calibration(metrics))


FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "ece": "calibration error",
    "examples": "texts held out",
}


def _class_row(label: str, count: object, figures: Mapping[str, object]) -> tuple[str, str, str, str, str, str]:
    shares = [_told(figures.get(key), percent=True) for key in ("precision", "recall", "f1")]
    return (label, _told(count), _told(figures.get("examples")), shares[0], shares[1], shares[2])


def _calibration(metrics: Mapping[str, object]) -> Plot | None:
    points = []
    for entry in _list(metrics.get("calibration"))[:MAX_POINTS]:
        told = _mapping(entry)
        confidence, accuracy = _share(told.get("confidence")), _share(told.get("accuracy"))
        if confidence is not None and accuracy is not None:
            texts = f"score {confidence:.0%}: {accuracy:.0%} right of {_told(told.get('examples'))} texts"
            points.append(Point(_x(confidence), _y(accuracy), texts))
    if not points:
        return None
    ticks = [(_x(share), f"{share:.0%}") for share in (0, 0.5, 1)]
    return Plot("How far scores can be trusted", "score of the prediction", ticks, points, diagonal=True)


def _versions(facts: Facts, metrics: Mapping[str, object], origin: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Oldest first, the one that answers last."""
    if facts.model is None:
        return []
    earlier = [_mapping(entry) for entry in _list(metrics.get("history"))[-MAX_POINTS:]]
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
        "created": _time(entry.get("created_at")),
        "accuracy": _share(entry.get("accuracy")),
        "accuracy_told": _told(entry.get("accuracy"), percent=True),
        "trained_on": _number(entry.get("trained_on")),
        "trained_on_told": _told(entry.get("trained_on")),
    }


def _version_plots(versions: Sequence[Mapping[str, object]]) -> list[Plot]:
    known = [(entry, accuracy) for entry in versions if (accuracy := _share(entry["accuracy"])) is not None]
    if not known:
        return []
    last = max(1, len(known) - 1)
    by_version = [
        Point(_x(number / last), _y(accuracy), f"{entry['version']}: {accuracy:.1%}")
        for number, (entry, accuracy) in enumerate(known)
    ]
    plots = [Plot("Accuracy by version", "oldest to newest", [], by_version)]
    counted = sorted(
        (
            (trained_on, accuracy)
            for entry, accuracy in known
            if (trained_on := _number(entry["trained_on"])) is not None
        )
    )
    if counted:
        most = max(1, counted[-1][0])
        points = [
            Point(_x(texts / most), _y(accuracy), f"{texts:,.0f} texts: {accuracy:.1%}") for texts, accuracy in counted
        ]
        ticks = [(_x(0), "0"), (_x(1), f"{most:,.0f}")]
        plots.append(Plot("Accuracy by labelled texts", "texts trained on", ticks, points))
    return plots


def _origin_lines(origin: Mapping[str, object]) -> list[tuple[str, str]]:
    if not origin:
        return []
    cut = _mapping(origin.get("cut"))
    lines = [
        ("newest annotation", _time(cut.get("updated_at"))),
        ("annotations read", _told(cut.get("size"))),
        ("texts trained on", _told(origin.get("trained_on"))),
        ("texts held out", _told(origin.get("held_out"))),
    ]
    counts = _mapping(origin.get("counts"))
    lines += [
        ("tasks" if name == "tasks" else f"tasks, {name.replace('_', ' ')}", _told(count))
        for name, count in counts.items()
        if count
    ]
    return [*lines, ("digest of the data", str(origin.get("dataset_digest") or "-"))]


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _told(value: object, *, percent: bool = False) -> str:
    number = _number(value)
    if number is None:
        return "-"
    if percent:
        return f"{number:.1%}"
    return f"{number:,.0f}" if number == int(number) else f"{number:.3f}"


def _time(value: object) -> str:
    """As people read it; what is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(str(value or "-"))
    except ValueError:
        return str(value or "-")
    return f"{moment:%Y-%m-%d %H:%M}" + (" UTC" if moment.utcoffset() == timedelta(0) else "")


def _share(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and 0 <= number <= 1 else None


def _number(value: object) -> float | None:
    # No count or figure is as large; nor is infinity or what is not a number.
    is_usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    return float(value) if is_usable else None  # type: ignore[arg-type]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
