"""95 % confidence intervals of figures measured on few texts: one place for page, command line and status."""

from math import sqrt

FEWEST_PER_LABEL = 5
"""With fewer held-out texts a figure of one label describes chance, and is not shown."""
_Z = 1.96

Interval = tuple[float, float]


def wilson(share: float, size: float) -> Interval | None:
    """The Wilson score interval of a share of `size` texts; None without texts, or when it is no share."""
    if not 0 <= share <= 1 or size < 1:
        return None
    spread = _Z * _Z / size
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / size + spread / (4 * size))
    return max(0.0, middle - half), min(1.0, middle + half)


def wilson_f1(f1: float, annotated: float, predicted: float) -> Interval | None:
    """The interval of a label's F1, by that of the share J of right texts among all annotated or predicted so.

    F1 is 2 J / (1 + J). `annotated` and `predicted`: how many texts have the label, and how many got it.
    """
    if not 0 <= f1 <= 1:
        return None
    found = wilson(f1 / (2 - f1), (annotated + predicted) * (1 - f1 / 2))
    return None if found is None else (_f1(found[0]), _f1(found[1]))


def _f1(jaccard: float) -> float:
    return 2 * jaccard / (1 + jaccard)
