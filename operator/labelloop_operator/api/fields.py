"""Reading typed fields out of an untrusted mapping, collecting what is wrong instead of raising."""

import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from labelloop_operator.api.durations import parse_duration
from labelloop_operator.api.quantities import canonical_quantity

D = TypeVar("D", bool, bool | None)
_VALUE_MAX_LENGTH = 120
_NAME_MAX_LENGTH = 100
_MAX_DEPTH = 16
_DECIMAL = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _VALUE_MAX_LENGTH


@dataclass(frozen=True)
class Fault:
    """One unusable field."""

    path: str
    value: str
    message: str


class Fields:
    """A section of the spec; `faults` is shared by all sections below one root."""

    def __init__(self, data: object, path: str, faults: list[Fault] | None = None) -> None:
        self.path = path
        self.faults: list[Fault] = [] if faults is None else faults
        self.data: Mapping[str, Any] = {}
        if isinstance(data, Mapping):
            self.data = data
        elif data is not None:
            self.faults.append(Fault(path, _shown(data), "must be an object with fields"))

    def section(self, name: str) -> "Fields":
        """The object under `name`; an empty one when absent."""
        return Fields(self.data.get(name), f"{self.path}.{name}", self.faults)

    def shallow_object(self, name: str) -> Mapping[str, Any]:
        """An object of any content that nests at most _MAX_DEPTH levels: whoever reads it must not run out of stack."""
        section = self.section(name)
        return section.data if section.is_shallow() else {}

    def is_shallow(self) -> bool:
        """Whether this nests at most _MAX_DEPTH levels; else a fault."""
        layer: list[object] = [self.data]
        for _ in range(_MAX_DEPTH):
            layer = [item for value in layer for item in _items(value)]
        if layer:
            self.faults.append(Fault(self.path, "nested", f"must not nest deeper than {_MAX_DEPTH} levels"))
        return not layer

    def fault(self, name: str, message: str) -> None:
        """Tell what is wrong with the field `name`."""
        value = self.data.get(name)
        shown = "missing" if value is None else _shown(value)
        self.faults.append(Fault(f"{self.path}.{name:.{_NAME_MAX_LENGTH}}", shown, message))

    def optional_decimal(self, name: str, minimum: float, maximum: float) -> float | None:
        """As `decimal`, None when absent."""
        return None if self.data.get(name) is None else self.decimal(name, minimum, minimum, maximum)

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of `allowed`; the first when absent."""
        value = self.data.get(name, allowed[0])
        if value not in allowed:
            self.fault(name, f"must be {' or '.join(allowed)}")
            return allowed[0]
        return str(value)

    def integer(self, name: str, default: int | None, minimum: int, maximum: int | None = None) -> int:
        """A whole number; required when there is no default."""
        value = self.data.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            self.fault(name, f"must be a whole number of at least {minimum}")
            return minimum
        if maximum is not None and value > maximum:
            self.fault(name, f"must be at most {maximum}")
            return maximum
        return value

    def decimal(self, name: str, default: float, minimum: float, maximum: float) -> float:
        """A decimal number in the closed range, as text: JSON numbers with a fraction are not portable."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or not minimum <= float(value) <= maximum:
            self.fault(name, f'must be a decimal number in quotes, from "{minimum:g}" to "{maximum:g}"')
            return default
        return float(value)

    def boolean(self, name: str, default: D) -> D:
        """True or false."""
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(name, "must be true or false")
            return default
        return value

    def text(self, name: str) -> str | None:
        """A string without white space; None when absent or empty."""
        value = self.data.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or value != "".join(value.split()):
            self.fault(name, "must be a text without white space")
            return None
        return value

    def duration(self, name: str, default: float, maximum: str, minimum: int = 1) -> float:
        """Seconds of a Go-like duration from `minimum` seconds to `maximum`."""
        value = self.data.get(name)
        if value is None:
            return default
        try:
            seconds = parse_duration(value if isinstance(value, str) else repr(value))
        except ValueError as error:
            self.fault(name, str(error))
            return default
        if not minimum <= seconds <= parse_duration(maximum):
            self.fault(name, f"must be from {minimum}s to {maximum}")
            return default
        return seconds

    def reference(self, name: str) -> str | None:
        """The name in an optional `{name: ...}`."""
        return self.section(name).text("name") if self.data.get(name) is not None else None

    def required_reference(self, name: str) -> str:
        """The name in `{name: ...}`; a fault when it is missing."""
        section = self.section(name)
        found = section.text("name")
        if found is None:
            section.fault("name", "must name a Secret in the resource's namespace")
        return found or ""

    def quantities(self, name: str) -> dict[str, str]:
        """Resource name -> canonical quantity, sorted by name."""
        section = self.section(name)
        found: dict[str, str] = {}
        for key in sorted(section.data):
            try:
                found[key] = canonical_quantity(section.data[key])
            except ValueError as error:
                section.fault(key, str(error))
        return found


def _items(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _shown(value: object) -> str:
    """What was given, bounded: objects and lists by their beginnings only."""
    return _REPR.repr(value)[:_VALUE_MAX_LENGTH]
