"""Plots of the model page: shares, 0 to 1 upwards, as points with intervals in an SVG's coordinates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelloop.intervals import Interval, wilson
from labelloop.json_values import as_list, as_mapping, as_number, as_share

WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 34
MAX_POINTS = 200
MOST_BINS, FEWEST_IN_BIN = 5, 10
"""Of the calibration plot: a point of fewer texts shows chance."""
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
    """A point of a plot and the ends of its interval, in the plot's coordinates, and what it says."""

    x: float
    y: float
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Plot:
    """A share (0 to 1, upwards) against something."""

    title: str
    x_title: str
    ticks: Sequence[tuple[float, str]]
    points: Sequence[Point]
    diagonal: bool = False
    """Whether equality is shown, for what should lie on it."""


@dataclass(frozen=True)
class _Bin:
    """Texts with similar scores."""

    confidence: float
    accuracy: float
    size: float

    def joined(self, other: "_Bin") -> "_Bin":
        size = self.size + other.size

        def mean(mine: float, theirs: float) -> float:
            return (mine * self.size + theirs * other.size) / size

        return _Bin(mean(self.confidence, other.confidence), mean(self.accuracy, other.accuracy), size)


def calibration(metrics: Mapping[str, object]) -> Plot | None:
    """How often predictions of a score are right; None with too few texts for two points."""
    bins = _few_bins(_bins(metrics))
    if len(bins) < 2:
        return None
    points = [
        _point(
            found.confidence,
            found.accuracy,
            found.size,
            f"score {found.confidence:.0%}: {found.accuracy:.0%} of {found.size:,.0f} texts right",
        )
        for found in bins
    ]
    ticks = [(_x(share), f"{share:.0%}") for share in (0, 0.5, 1)]
    sizes = sorted(found.size for found in bins)
    each = f"{sizes[0]:,.0f}" if sizes[0] == sizes[-1] else f"{sizes[0]:,.0f} to {sizes[-1]:,.0f}"
    title = f"score of the prediction ({each} texts a point)"
    return Plot("How far scores can be trusted", title, ticks, points, diagonal=True)


def _bins(metrics: Mapping[str, object]) -> list[_Bin]:
    found = []
    for entry in map(as_mapping, as_list(metrics.get("calibration"))[:MAX_POINTS]):
        confidence, accuracy = as_share(entry.get("confidence")), as_share(entry.get("accuracy"))
        size = as_number(entry.get("examples"))
        if confidence is not None and accuracy is not None and size is not None and size >= 1:
            found.append(_Bin(confidence, accuracy, size))
    return sorted(found, key=lambda found: found.confidence)


def _few_bins(bins: Sequence[_Bin]) -> list[_Bin]:
    """Neighbours joined until each has its share of the texts; what is left at the end joins the last one."""
    least = max(FEWEST_IN_BIN, sum(found.size for found in bins) / MOST_BINS)
    made: list[_Bin] = []
    under_way: _Bin | None = None
    for found in bins:
        under_way = found if under_way is None else under_way.joined(found)
        if under_way.size >= least - 0.5:
            made.append(under_way)
            under_way = None
    if under_way is not None and made:
        made[-1] = made[-1].joined(under_way)
    return made


def version_plots(versions: Sequence[Mapping[str, object]]) -> list[Plot]:
    """Accuracy over versions and over labelled texts; `versions` oldest first. None of a single version."""
    known = [(entry, accuracy) for entry in versions if (accuracy := as_share(entry["accuracy"])) is not None]
    if len(known) < 2:
        return []
    last = len(known) - 1
    by_version = [
        _point(
            0.04 + 0.92 * number / last, accuracy, as_number(entry["examples"]), f"{entry['version']}: {accuracy:.1%}"
        )
        for number, (entry, accuracy) in enumerate(known)
    ]
    plots = [Plot("Accuracy by version", "oldest to newest", [], by_version)]
    counted = [
        (trained_on, accuracy, as_number(entry["examples"]))
        for entry, accuracy in known
        if (trained_on := as_number(entry["trained_on"])) is not None
    ]
    if len({texts for texts, _, _ in counted}) > 1:
        most = max(texts for texts, _, _ in counted)
        points = [
            _point(texts / most if most > 0 else 0.0, accuracy, size, f"{texts:,.0f} texts: {accuracy:.1%}")
            for texts, accuracy, size in sorted(counted, key=lambda entry: entry[0])
        ]
        ticks = [(_x(0), "0"), (_x(1), f"{most:,.0f}")]
        plots.append(Plot("Accuracy by labelled texts", "texts trained on", ticks, points))
    return plots


def _point(x: float, accuracy: float, size: float | None, text: str) -> Point:
    interval: Interval | None = None if size is None else wilson(accuracy, size)
    place = _x(min(max(x, 0.0), 1.0))
    if interval is None:
        return Point(place, _y(accuracy), text)
    low, high = interval
    return Point(place, _y(accuracy), f"{text} (95 % interval {low:.0%} to {high:.0%})", _y(low), _y(high))


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def y_ticks() -> list[tuple[float, str]]:
    """Places and names of the horizontal lines."""
    return [(_y(share), f"{share:.0%}") for share in (0, 0.5, 1)]


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
