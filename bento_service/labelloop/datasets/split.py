"""Which examples are held out: by a hash of the normalised text, so that no text stands on both sides.

The choice depends on nothing but text, salt and fraction: not on ids, order or number of the examples. It survives a
re-import, and the held-out texts of a smaller fraction are among those of a larger one.
"""

import hashlib
import unicodedata
from collections.abc import Sequence

from labelloop.datasets.examples import Example

MAX_CHARACTERS = 8_000
"""Longer texts are distinguished by their beginning: normalising takes quadratic time on hostile ones."""


FEWEST_MEASURED = 10
"""With fewer held-out texts a figure says more about chance than about the model. None are held out then: each may be
the only one of its label."""
FEWEST_HELD_OUT, MOST_HELD_OUT = 20, 500
"""Fewer say little about a model; more hardly say more, and each one is a label the model does not learn from."""
_SHARE = 0.1


def holdout_fraction(examples: int, limit: float) -> float:
    """The share of `examples` to hold out: a tenth, more when that are too few, less when they are many.

    Never above `limit`, the share the user allows; nothing of so few examples that nothing could be measured. Else it
    only falls when examples are added, so a model's held-out texts are among those held out for the model before it.
    """
    if examples * limit < FEWEST_MEASURED:
        return 0.0
    return min(limit, max(FEWEST_HELD_OUT / examples, min(_SHARE, MOST_HELD_OUT / examples)))


def holdout(examples: Sequence[Example], salt: str, fraction: float) -> tuple[list[Example], list[Example]]:
    """Split into (train, held out), each in the given order. `salt` differs per project.

    Raises ValueError if `fraction` is not within 0 to below 1.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"the holdout fraction is {fraction!r}: use a number from 0 to below 1, such as 0.2")
    train: list[Example] = []
    held_out: list[Example] = []
    for example in examples:
        (held_out if position(example.text, salt) < fraction else train).append(example)
    return train, held_out


def position(text: str, salt: str) -> float:
    """Where a text falls in [0, 1), evenly spread."""
    digest = hashlib.sha256(f"{salt}\0{normalised(text)}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6]) / 2**48  # 48 bits: exact in a float, so never 1.0


def normalised(text: str) -> str:
    """NFKC, case folded, white space collapsed: texts that differ only in looks are the same text."""
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())
