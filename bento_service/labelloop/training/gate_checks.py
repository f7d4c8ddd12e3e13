"""What the gate looks at, as a chain of named checks: the first that has something to say decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Reason = Literal["NothingToCompare", "TooFewExamples", "Passed", "WorseThanActive", "BelowMinimum"]
Figures = dict[str, object]

MINIMUM_EXAMPLES = 30
"""With fewer texts a comparison says more about chance than about the models: the candidate passes, which is
reported."""
SIGNIFICANCE = 0.002
"""Chance of refusing a candidate that is exactly as good: a gate that stops one good model in 500 is left on."""


@dataclass(frozen=True)
class Verdict:
    """`accepted` is what to do, `reason` what was found; they differ only when the policy is Report."""

    accepted: bool
    reason: Reason
    message: str
    figures: Figures = field(default_factory=dict)
    """`control`, `metric`, `candidate`, `incumbent`, `examples`, `p_value`, `detectable`, and both again per origin."""

    def to_json(self) -> Figures:
        """As in `result.json`."""
        return {"accepted": self.accepted, "reason": self.reason, "message": self.message, "figures": self.figures}


class Pairs(Protocol):
    """Candidate and incumbent on the same texts."""

    compared: int
    """Texts that decide."""
    mean: float
    """By how much the candidate is better, on average."""
    p_value: float
    """How likely chance alone makes it as bad."""

    @property
    def detectable(self) -> float:
        """The smallest loss that would have been refused."""

    def message(self) -> str:
        """One line with both figures."""


@dataclass(frozen=True)
class Comparison:
    """Everything the decision about one control depends on; `pairs` None: nothing was trained before."""

    examples: int
    accuracy: float
    minimum: float | None
    allowed: float
    pairs: Pairs | None
    figures: Figures


Check = Callable[[Comparison], Verdict | None]


def judge(given: Comparison) -> Verdict:
    """The first check that applies; without any: as good or better."""
    found = next((verdict for check in CHAIN if (verdict := check(given)) is not None), None)
    return found or _not_worse(given)


def below_minimum(given: Comparison) -> Verdict | None:
    """A floor that holds whatever served before."""
    if given.minimum is None or given.accuracy >= given.minimum:
        return None
    message = f"accuracy {given.accuracy:.3f} on {given.examples} held-out texts is below evaluation.minAccuracy"
    beside = f" ({given.pairs.message()})" if given.pairs else ""
    return Verdict(False, "BelowMinimum", f"{message} {given.minimum:g}{beside}", given.figures)


def first_model(given: Comparison) -> Verdict | None:
    """There is nothing to be worse than."""
    if given.pairs is not None:
        return None
    return Verdict(True, "NothingToCompare", f"accuracy {given.accuracy:.3f}, the first trained model", given.figures)


def too_few_examples(given: Comparison) -> Verdict | None:
    """Chance would decide."""
    if given.pairs is None or given.pairs.compared >= MINIMUM_EXAMPLES:
        return None
    few = f"{given.examples} held-out texts are too few to compare ({MINIMUM_EXAMPLES} are needed): it passes"
    return Verdict(True, "TooFewExamples", f"{given.pairs.message()}; {few}", given.figures)


def worse_than_active(given: Comparison) -> Verdict | None:
    """Worse by more than the tolerance, and chance is an unlikely cause."""
    pairs = given.pairs
    if pairs is None or pairs.mean >= -given.allowed or pairs.p_value >= SIGNIFICANCE:
        return None
    message = f"{pairs.message()}: worse by more than {given.allowed:g}"
    return Verdict(False, "WorseThanActive", message, given.figures)


def _not_worse(given: Comparison) -> Verdict:
    assert given.pairs is not None  # noqa: S101 - the first model has passed already
    small = f"; a loss below {given.pairs.detectable:.3f} would not have been noticed"
    told = given.pairs.message() + (small if given.pairs.detectable > 2 * given.allowed else "")
    return Verdict(True, "Passed", told, given.figures)


CHAIN: Sequence[Check] = (below_minimum, first_model, too_few_examples, worse_than_active)
