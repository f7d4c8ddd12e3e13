"""Plots of the model page: accuracy, 0 to 1 upwards, as points and lines in an SVG's coordinates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelloop.serving.doubtful import as_list, as_mapping, as_number, as_share, as_text

WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 30
MAX_POINTS = 200
BOX = {
    "width": WIDTH,
    "height": HEIGHT,
    "left": LEFT,
    "right": WIDTH - RIGHT,
    "top": TOP,
    "bottom": HEIGHT - BOTTOM,
}


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


def calibration(metrics: Mapping[str, object]) -> Plot | None:
    """How often predictions of a score are right; None without figures."""
    points = []
    for entry in as_list(metrics.get("calibration"))[:MAX_POINTS]:
        told = as_mapping(entry)
        confidence, accuracy = as_share(told.get("confidence")), as_share(told.get("accuracy"))
        if confidence is not None and accuracy is not None:
            texts = f"score {confidence:.0%}: {accuracy:.0%} right of {as_text(told.get('examples'))} texts"
            points.append(Point(_x(confidence), _y(accuracy), texts))
    if not points:
        return None
    ticks = [(_x(share), f"{share:.0%}") for share in (0, 0.5, 1)]
    return Plot("How far scores can be trusted", "score of the prediction", ticks, points, diagonal=True)


def version_plots(versions: Sequence[Mapping[str, object]]) -> list[Plot]:
    """Accuracy over versions and over labelled texts; `versions` oldest first."""
    known = [(entry, accuracy) for entry in versions if (accuracy := as_share(entry["accuracy"])) is not None]
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
            if (trained_on := as_number(entry["trained_on"])) is not None
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


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def y_ticks() -> list[tuple[float, str]]:
    """Places and names of the horizontal lines."""
    return [(_y(share), f"{share:.0%}") for share in (0, 0.5, 1)]


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
