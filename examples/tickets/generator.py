"""A deterministic stream of support tickets with 12 intents, made to behave like a real labelling project.

Intents share most of their words, one text in five is a near-duplicate of an earlier one, one label in twenty is wrong,
and some sentences fit several intents. Only `random.Random.random()` is used, whose numbers are the same in every
version of Python.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from examples.tickets.phrases import ASIDES, CLOSINGS, FILLERS, INTENTS, OPENINGS, VAGUE

LABELS: tuple[str, ...] = tuple(INTENTS)
LABEL_NOISE = 0.05
NEAR_DUPLICATES = 0.2
VAGUE_TEXTS = 0.12
TEXTS_WITH_ASIDE = 0.4
TEXTS_WITH_OPENING = 0.5
TEXTS_WITH_CLOSING = 0.4
# Of the space of texts, one in this many belongs to the unseen stream, whatever the seed.
_UNSEEN_SHARE = 5
_ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
_FILLER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Ticket:
    """One text."""

    text: str
    intent: str
    """What the customer means."""
    label: str
    """What the annotator says: the intent, but for one in twenty of the texts for labelling."""
    near_duplicate_of: int | None = None
    """Position of the earlier text that this one repeats with a small change."""


def tickets(count: int, seed: int = 7) -> list[Ticket]:
    """The first `count` texts for labelling; a longer list of the same seed starts with the shorter one."""
    return list(islice(_stream(seed), count))


def unseen_tickets(count: int, seed: int = 7) -> list[Ticket]:
    """Texts for measuring: true labels, no near-duplicates, and none is in `tickets` of any length or seed."""
    return list(islice(_unseen_stream(seed), count))


def _stream(seed: int) -> Iterator[Ticket]:
    source = _Source(f"{seed}/labelling")
    known: set[str] = set()
    made: list[Ticket] = []
    while True:
        repeats = bool(made) and source.happens(NEAR_DUPLICATES)
        text, intent, original = _candidate(source, made, repeats)
        while text in known or _is_unseen(text):
            text, intent, original = _candidate(source, made, repeats)
        label = source.other(intent) if source.happens(LABEL_NOISE) else intent
        known.add(text)
        made.append(Ticket(text, intent, label, original))
        yield made[-1]


def _candidate(source: "_Source", made: list[Ticket], repeats: bool) -> tuple[str, str, int | None]:
    if not repeats:
        return *source.fresh(), None
    original = source.position(len(made))
    return source.edited(made[original].text), made[original].intent, original


def _unseen_stream(seed: int) -> Iterator[Ticket]:
    source = _Source(f"{seed}/unseen")
    known: set[str] = set()
    while True:
        text, intent = source.fresh()
        if text not in known and _is_unseen(text):
            known.add(text)
            yield Ticket(text, intent, intent)


def _is_unseen(text: str) -> bool:
    """Decided by the text alone (without case and punctuation), so the two streams can never meet."""
    normalised = " ".join(re.findall(r"\w+", text.casefold()))
    return hashlib.sha256(normalised.encode()).digest()[0] % _UNSEEN_SHARE == 0


class _Source:
    """Random decisions and the texts made by them."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random  # noqa: S311  (sample data, no secret)

    def happens(self, probability: float) -> bool:
        return self._random() < probability

    def position(self, length: int) -> int:
        return int(self._random() * length)

    def pick(self, items: list[str]) -> str:
        return items[self.position(len(items))]

    def other(self, intent: str) -> str:
        return self.pick([name for name in LABELS if name != intent])

    def fresh(self) -> tuple[str, str]:
        """A new text and its intent."""
        if self.happens(VAGUE_TEXTS):
            intents, sentence = VAGUE[self.position(len(VAGUE))]
            intent = self.pick(list(intents))
        else:
            intent = self.pick(list(LABELS))
            # The power prefers the front of the list: some ways to say it are common, many are rare.
            sentence = INTENTS[intent][int(self._random() ** 4 * len(INTENTS[intent]))]
        parts = [self._sentence(sentence)]
        if self.happens(TEXTS_WITH_ASIDE):
            parts.insert(self.position(2), self._sentence(self.pick(ASIDES[self.other(intent)])))
        if self.happens(TEXTS_WITH_OPENING):
            parts.insert(0, self._filled(self.pick(OPENINGS)))
        if self.happens(TEXTS_WITH_CLOSING):
            parts.append(self._filled(self.pick(CLOSINGS)))
        return " ".join(parts), intent

    def edited(self, text: str) -> str:
        """The same text with one small change, as people repeat themselves."""
        change = self.position(4)
        if change == 0:
            return text.lower() if text != text.lower() else text + " Hello?"
        if change == 1:
            return f"{text} {self._filled(self.pick(CLOSINGS))}"
        if change == 2:
            return f"{self._filled(self.pick(OPENINGS))} {text}"
        return self._mistyped(text)

    def _mistyped(self, text: str) -> str:
        """Two neighbouring letters of one word swapped."""
        places = [found.start() for found in re.finditer(r"(?<=\w)\w\w", text)]
        if not places:
            return text
        place = places[self.position(len(places))]
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]

    def _sentence(self, pattern: str) -> str:
        text = self._filled(pattern)
        end = self.pick([".", ".", ".", "", "!"]) if self.happens(0.8) else "..."
        return text[:1].upper() + text[1:] + end

    def _filled(self, pattern: str) -> str:
        while _ALTERNATIVES.search(pattern):
            pattern = _ALTERNATIVES.sub(lambda found: self.pick(found.group(1).split("|")), pattern, count=1)
        while _FILLER.search(pattern):
            pattern = _FILLER.sub(lambda found: self._filler(found.group(1)), pattern, count=1)
        return pattern

    def _filler(self, name: str) -> str:
        return str(1000 + self.position(9000)) if name == "number" else self.pick(FILLERS[name])
