"""Texts kept compressed in parts, each of which is read when somebody looks at one of its texts."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

MAX_PART = 256 * 1024**2
"""Bytes of one part's texts, uncompressed: those of 128 rows on average."""
_FASTEST = 1


class PackedTextsError(ValueError):
    """The bytes make no sense."""


class PackedTexts:
    """The texts of one part. What cannot be read is made again by `again`."""

    def __init__(self, packed: bytes, number: int, again: Callable[[], Sequence[str]]) -> None:
        self.packed = packed
        self.number = number
        self._again = again
        self._texts: Sequence[str] | None = None

    @classmethod
    def of(cls, texts: Sequence[str]) -> "PackedTexts":
        """The same texts give the same bytes."""
        packed = zlib.compress(json.dumps(list(texts), separators=(",", ":")).encode(), _FASTEST)
        made = cls(packed, len(texts), lambda: texts)
        made._texts = texts
        return made

    @property
    def texts(self) -> Sequence[str]:
        """All of them, from the first look on kept."""
        if self._texts is None:
            try:
                self._texts = unpacked(self.packed, self.number)
            except PackedTextsError:
                # As many as told, whatever a cache has told: who looks for one finds one.
                self._texts = [*self._again(), *([""] * self.number)][: self.number]
        return self._texts


def unpacked(packed: bytes, number: int) -> list[str]:
    """So many texts. Raises PackedTextsError."""
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(packed, MAX_PART + 1)
        if len(content) > MAX_PART or not decompressor.eof:
            raise PackedTextsError("too large or truncated")
        texts = json.loads(content)
    except (zlib.error, ValueError, RecursionError) as error:
        raise PackedTextsError(type(error).__name__) from None
    if not isinstance(texts, list) or len(texts) != number or not set(map(type, texts)) <= {str}:
        raise PackedTextsError("other texts than told")
    return texts


@dataclass(frozen=True, eq=False)
class ChosenTexts(Sequence[str]):
    """Some of the texts of parts, in their order."""

    parts: Sequence[PackedTexts] = field(repr=False)
    chosen: NDArray[np.int64] = field(repr=False)
    """Positions among all texts of the parts, ascending."""

    @classmethod
    def all(cls, parts: Sequence[PackedTexts]) -> "ChosenTexts":
        """Every text of the parts."""
        return cls(parts, np.arange(sum(part.number for part in parts)))

    def those(self, chosen: NDArray[np.bool_]) -> "ChosenTexts":
        """`chosen`: shape (texts,)."""
        return ChosenTexts(self.parts, self.chosen[chosen])

    def __len__(self) -> int:
        return len(self.chosen)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return list(self._read(self.chosen[index]))
        return next(self._read(np.array([self.chosen[index]])))

    def __iter__(self) -> Iterator[str]:
        return self._read(self.chosen)

    def _read(self, chosen: NDArray[np.int64]) -> Iterator[str]:
        ends = np.cumsum([part.number for part in self.parts])
        numbers = np.searchsorted(ends, chosen, side="right").tolist()
        for number, position in zip(numbers, chosen.tolist(), strict=True):
            part = self.parts[number]
            yield part.texts[position - int(ends[number]) + part.number]
