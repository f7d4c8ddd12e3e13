"""Hashed character n-grams of words and hashed pairs of words, computed with numpy for a whole batch at once.

Words (what white space parts) are padded with one space on each side, and windows of 1 to 5 characters never cross a
word, as in scikit-learn's `char_wb` analyser. A window's feature id is a multilinear hash of its code points: the sum
of code point times a fixed random constant per (position, length), modulo 2**32, of which the top bits are kept. That
family is pairwise independent in its top bits (Lemire and Kaser, "Strongly universal string hashing is fast", 2014),
so it needs no further mixing, and all windows of a batch are one small integer matrix product. A pair's id is the same
kind of hash of the two words' checksums, modulo 2**64.
"""

import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
"""Raised whenever a text comes to have other features."""
# Longer texts are cut: beyond this many characters a document's topic is settled, and one request with a text of a
# megabyte must not hold up the others.
MAX_CHARACTERS = 20_000
LONGEST_WINDOW = 5
# Bounds the memory of one pass (about 60 bytes per character).
CHARACTERS_PER_BATCH = 1 << 18
_SPACE = 32
_WINDOW_LENGTHS = np.arange(1, LONGEST_WINDOW + 1)

# Row: position in the window; column: window length - 1. Positions outside a window count 0. The numbers are the first
# outputs of SplitMix64 with seed 1, upper half, made odd; changing one changes the meaning of every stored model.
_CONSTANTS: NDArray[np.uint32] = np.array(
    [
        [0x910A2DED, 0xBEEB8DA1, 0xF893A2EF, 0x71C18691, 0x71BB54D9],
        [0, 0xC34D0BFF, 0xE099EC6D, 0x85E7BB0F, 0x491718DF],
        [0, 0, 0xCB435C8F, 0x6775DC77, 0x9AFCD44D],
        [0, 0, 0, 0x7476CF8B, 0x87B341D7],
        [0, 0, 0, 0, 0x6F9B6DAF],
    ],
    dtype=np.uint32,
)

# Factors of the first and the second word's checksum: the first outputs of SplitMix64 with seed 2, made odd.
_PAIR_CONSTANTS = (np.uint64(0x975835DE1C9756CF), np.uint64(0xBFC846100BFC1E43))
PAIR_BITS = 18


@dataclass(frozen=True)
class WindowParameters:
    """Which windows become features: lengths `shortest`..`longest` (characters), ids below `2**bits`."""

    shortest: int = 1
    longest: int = LONGEST_WINDOW
    bits: int = 16

    def __post_init__(self) -> None:
        if not (1 <= self.shortest <= self.longest <= LONGEST_WINDOW):
            raise ValueError(f"window lengths {self.shortest}..{self.longest} are not within 1..{LONGEST_WINDOW}")
        if not (8 <= self.bits <= 20):
            raise ValueError(f"{self.bits} bits per feature id are not within 8..20")


class Counts(NamedTuple):
    """Sparse counts, ordered by text, then feature: three arrays of one length."""

    texts: NDArray[np.int64]
    features: NDArray[np.int64]
    counts: NDArray[np.int64]


def words(text: str) -> list[str]:
    """What white space parts, NFKC and lower case; of at most MAX_CHARACTERS of the input."""
    text = text[:MAX_CHARACTERS]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.lower().split()


def padded(word: str) -> str:
    """As windows see it: with a space on each side."""
    return f" {word} "


def batches(texts: Sequence[str], characters: int = CHARACTERS_PER_BATCH) -> Iterator[tuple[int, list[list[str]]]]:
    """Words of texts in batches of about `characters` at most, each with the index of its first text."""
    for first, batch in grouped(texts, characters):
        yield first, [words(text) for text in batch]


def grouped(texts: Iterable[str], characters: int = CHARACTERS_PER_BATCH) -> Iterator[tuple[int, list[str]]]:
    """Texts as they are in batches of about `characters` at most, each with the index of its first text."""
    batch: list[str] = []
    first = size = 0
    for index, text in enumerate(texts):
        length = min(len(text), MAX_CHARACTERS)
        if batch and size + length > characters:
            yield first, batch
            first, batch, size = index, [], 0
        batch.append(text)
        size += length
    if batch:
        yield first, batch


def windows(batch: Sequence[str], parameters: WindowParameters) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Every window of padded words: (index of its text within the batch, feature id), ordered by text.

    A text may be several words. The stream is " first text  second text ": texts meet in two spaces, so a window that
    spans neither an inner space nor two adjacent spaces stays within one word of one text.
    """
    stream = "".join(batch)
    # Plain constructors instead of np.diff and as_strided: for one short text their overhead would be half the time.
    padded = stream + " " * (LONGEST_WINDOW - 1)
    code_points = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), "<u4")
    length = len(stream)
    spaces = (code_points[:length] == _SPACE).nonzero()[0]
    gaps = np.empty_like(spaces)
    gaps[:-1] = spaces[1:] - spaces[:-1]
    gaps[-1] = 1
    # A window that starts at some character may reach up to and including the next space, two adjacent spaces are the
    # border between texts, and a window that is only a space says nothing.
    reach = (spaces + gaps + 1).repeat(gaps)
    reach -= np.arange(length)
    reach[spaces[gaps == 1]] = 0
    columns = slice(parameters.shortest - 1, parameters.longest)
    valid = _WINDOW_LENGTHS[columns] <= reach[:, None]
    if parameters.shortest == 1:
        valid[spaces, 0] = False
    starts = np.ndarray((length, LONGEST_WINDOW), code_points.dtype, code_points, 0, code_points.strides * 2)
    ids = (starts @ _CONSTANTS[:, columns])[valid] >> np.uint32(32 - parameters.bits)
    if len(batch) == 1:
        return np.zeros(len(ids), np.int64), ids
    text_of_start = np.arange(len(batch)).repeat(np.fromiter(map(len, batch), np.int64, len(batch)))
    return text_of_start.repeat(valid.sum(axis=1)), ids


def checksums(words: Sequence[str]) -> NDArray[np.uint64]:
    """CRC-32 of each word: what pairs are made of."""
    encoded = map(str.encode, words, repeat("utf-8"), repeat("surrogatepass"))
    return np.fromiter(map(zlib.crc32, encoded), np.uint64, len(words))


def pairs(texts: NDArray[np.int64], words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every two neighbouring words of a text: (text, id below 2**PAIR_BITS).

    `texts` and `words` hold, for each word of the batch in order, its text's index and its checksum.
    """
    same = (texts[:-1] == texts[1:]).nonzero()[0]
    hashed = words[same] * _PAIR_CONSTANTS[0]
    hashed += words[same + 1] * _PAIR_CONSTANTS[1]
    return texts[same], (hashed >> np.uint64(64 - PAIR_BITS)).astype(np.int64)


def count(texts: NDArray[np.int64], features: NDArray[np.integer[Any]], bits: int) -> Counts:
    """Count equal (text, feature) pairs by one sort; `features` are below `2**bits`."""
    keys = (texts << bits) | features
    return _counted(keys, bits)


def count_some(texts: NDArray[np.int64], features: NDArray[np.integer[Any]], bits: int) -> Counts:
    """As `count`, of texts in their order: in half the time where a text and a feature fit into 32 bits together."""
    first = int(texts[0]) if len(texts) else 0
    if not len(texts) or (int(texts[-1]) - first).bit_length() + bits > 32:
        return count(texts, features, bits)
    keys = (texts - first).astype(np.uint32)
    keys <<= np.uint32(bits)
    keys |= features.astype(np.uint32)
    found = _counted(keys, bits)
    return found._replace(texts=found.texts + first)


def _counted(keys: NDArray[np.integer[Any]], bits: int) -> Counts:
    keys.sort()
    is_first = np.empty(len(keys), np.bool_)
    is_first[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    first = is_first.nonzero()[0]
    counts = np.empty_like(first)
    counts[:-1] = first[1:] - first[:-1]
    counts[-1:] = len(keys) - first[-1:]
    unique = keys[first].astype(np.int64)
    return Counts(unique >> bits, unique & ((1 << bits) - 1), counts)


def term_weights(counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Sublinear term frequency: 1 + ln(count)."""
    return np.log(counts, dtype=np.float32) + np.float32(1)


def inverse_document_frequency(document_frequency: NDArray[np.int64], texts: int) -> NDArray[np.float32]:
    """Smoothed as in scikit-learn: ln((1 + texts) / (1 + document frequency)) + 1."""
    return (np.log((1 + texts) / (1 + document_frequency)) + 1).astype(np.float32)
